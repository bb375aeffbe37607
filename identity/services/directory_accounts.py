"""The accounts of people from a directory: made at their first login, brought in line later.

What the directory says of somebody is written here in the transaction that follows from it,
so that sessions, quotas, look-ups and the admin portal find an account like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused
from db.models import Account, DirectoryEntry, Person, Role
from identity.directories import ORIGIN
from identity.domain.access import AccountSnapshot, Denied, Method, Reason
from identity.domain.directory import Ambiguous, Entry, OtherSpelling, Source
from identity.office import Office
from identity.services import audit, dynamic, people, roles
from identity.services.snapshots import snapshot

PROVEN_AGAIN_AFTER = timedelta(hours=1)
"""A login writes nothing when all is as it was; but once in an hour that it was proven."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a directory has said of somebody whose password it has proven."""

    directory: str
    entry: Entry
    username: str
    role: str
    is_of_password: bool
    """False: MS-CHAPv2 proved it, which does not show whether the remembered password is right."""
    verifier: str | None = field(default=None, repr=False)
    """argon2id of the password, when it is to be remembered for outages."""


def admit(office: Office, proof: Proof) -> AccountSnapshot | Denied:
    """The account of who was proven, made or brought in line; refused where that cannot be.

    Raises:
        BackendUnavailable: the database does not answer.
    """
    with office.database.read() as session:
        account = _find(session, proof)
        if isinstance(account, Denied):
            return account
        if account is not None and _is_current(session, office, account, proof):
            return snapshot(session, account)
    try:
        return _write(office, proof)
    except IntegrityError:
        # Two devices of a new person at once: the other one has made the account.
        try:
            return _write(office, proof)
        except IntegrityError:
            # Another account holds this entry: the name was linked anew while that one had it.
            with office.database.read() as session:
                account = people.find(session, proof.username)
                return _other_person(account.id if account else None, proof.directory)


def _write(office: Office, proof: Proof) -> AccountSnapshot | Denied:
    with office.database.write() as session:
        account = _find(session, proof)
        if isinstance(account, Denied):
            return account
        try:
            if account is None:
                account = _add(session, office, proof)
            row = session.get_one(DirectoryEntry, account.id)
            follow(session, office, account, row, proof.entry, proof.role)
        except NotFound:
            step = f"{ORIGIN}role_missing={proof.role}"
            return Denied(
                Reason.DIRECTORY_NO_ROLE, Method.PORTAL, account.id if account else None, step
            )
        row.name = proof.username
        if proof.is_of_password:
            row.proven_at = office.clock()
            row.verifier = proof.verifier
        session.flush()
        session.refresh(account)
        return snapshot(session, account)


def follow(
    session: Session,
    office: Office,
    account: Account,
    row: DirectoryEntry,
    entry: Entry | None,
    role: str,
) -> None:
    """Bring an account in line with its entry: suspended, let in again, renamed, another role.

    Args:
        entry: None: it is there no more.
        role: empty: its groups come to none.

    Raises:
        NotFound: there is no such role.
    """
    now, actor = office.clock(), f"{ORIGIN}{row.directory}"
    row.refreshed_at = now
    refused = "missing" if entry is None else entry.refusal(now)
    if refused is None and not role:
        refused = "no_role"
    if refused is not None:
        refuse(session, office, account, row, refused)
        return
    assert entry is not None
    roles.get(session, role)
    if row.refused is not None:
        has_ended = account.expires_at is not None and account.expires_at <= now
        if account.state == "suspended" and not has_ended:
            people.set_state(session, office, account.username, "active", actor)
        row.refused = None
    row.dn, row.unique_id = entry.dn, entry.unique_id or row.unique_id
    name = entry.full_name
    if account.person is not None and name and account.person.full_name != name:
        account.person.full_name = name
        audit.record(session, now, actor, "account:renamed", account.username, full_name=name)
    dynamic.change_role(session, office, account, role, actor)


def refuse(
    session: Session, office: Office, account: Account, row: DirectoryEntry, why: str
) -> None:
    """Suspend an account on the directory's word; its sessions end as for any suspension."""
    row.verifier = row.proven_at = None
    if account.state == "active":
        people.set_state(session, office, account.username, "suspended", f"{ORIGIN}{row.directory}")
    elif row.refused is None:
        return  # an officer has suspended it before, and only an officer lifts that
    row.refused = why


def relink(office: Office, username: str, actor: str) -> None:
    """Let the next login tie an account to whichever entry has its name then.

    Raises:
        NotFound: there is no such account.
        Refused: it is of no directory, or another account holds the entry of its name.
        BackendUnavailable: the directory cannot be asked which entry that is.
    """
    with office.database.read() as session:
        account_id, directory, names = _names_of(session, username)
    source = office.directories.of(f"{ORIGIN}{directory}")
    entries = [_entry_of(source, name) for name in names] if source is not None else []
    with office.database.write() as session:
        account = session.get_one(Account, account_id)
        for entry in entries:
            _check_not_held(session, directory, account, entry)
        session.get_one(DirectoryEntry, account_id).unique_id = None
        audit.record(session, office.clock(), actor, "account:relinked", account.username)


def _names_of(session: Session, username: str) -> tuple[int, str, list[str]]:
    """An account of a directory, that directory, and what a login would look for there."""
    account = people.get(session, username)
    row = session.get(DirectoryEntry, account.id)
    if row is None:
        raise Refused(f"{account.username} is not from a directory")
    return account.id, row.directory, list(dict.fromkeys((account.username, row.name)))


def _entry_of(source: Source, name: str) -> Entry | None:
    try:
        return source.find(name)
    except (Ambiguous, OtherSpelling):
        return None  # nobody can log in by this name


def _check_not_held(
    session: Session, directory: str, account: Account, entry: Entry | None
) -> None:
    if entry is None or entry.unique_id is None:
        return
    holder = session.scalar(
        select(Account.username)
        .join(DirectoryEntry, DirectoryEntry.account_id == Account.id)
        .where(
            DirectoryEntry.directory == directory,
            DirectoryEntry.unique_id == entry.unique_id,
            Account.id != account.id,
        )
    )
    if holder is not None:
        raise Refused(
            f"the entry {entry.dn} belongs to the account {holder}, as whom the person goes on;"
            f" if {account.username} is to have it: yuenyan user disable {holder}, then"
            f" yuenyan directory relink {holder}, then this again"
        )


def suspend(office: Office, account_id: int, entry: Entry, why: str) -> Denied | None:
    """`refuse` in a transaction of its own, for a login that was told so of `entry`.

    Returns:
        Denied when the name is another person's now: their entry says nothing of this account.
    """
    with office.database.write() as session:
        account = session.get_one(Account, account_id)
        row = session.get_one(DirectoryEntry, account_id)
        if not is_same_person(row, entry):
            return _other_person(account_id, row.directory)
        row.refreshed_at = office.clock()
        refuse(session, office, account, row, why)
    return None


def is_same_person(row: DirectoryEntry, entry: Entry) -> bool:
    """Whether nothing speaks against it: some directories tell no unique id."""
    return None in (row.unique_id, entry.unique_id) or row.unique_id == entry.unique_id


def _find(session: Session, proof: Proof) -> Account | Denied | None:
    """Whose account it is: by name, else by what stays of an entry when its name changes."""
    account = people.find(session, proof.username)
    unique_id = proof.entry.unique_id
    if account is None:
        if unique_id is None:
            return None
        return session.scalar(
            select(Account)
            .join(DirectoryEntry, DirectoryEntry.account_id == Account.id)
            .where(
                DirectoryEntry.directory == proof.directory,
                DirectoryEntry.unique_id == unique_id,
            )
        )
    row = session.get(DirectoryEntry, account.id)
    is_of_it = row is not None and row.directory == proof.directory
    if is_of_it and row is not None and is_same_person(row, proof.entry):
        return account
    return _other_person(account.id, proof.directory)


def _other_person(account_id: int | None, directory: str) -> Denied:
    step = f"{ORIGIN}other_person={directory}"
    return Denied(Reason.DIRECTORY_OTHER_PERSON, Method.PORTAL, account_id, step)


def _is_current(session: Session, office: Office, account: Account, proof: Proof) -> bool:
    """Whether nothing would be written but that it was proven a little later."""
    row = session.get_one(DirectoryEntry, account.id)
    person, entry = account.person, proof.entry
    return (
        row.refused is None
        and row.dn == entry.dn
        and row.name == proof.username
        and row.unique_id == (entry.unique_id or row.unique_id)
        and (not proof.is_of_password or _is_remembered(office, row, proof))
        and account.role.name == proof.role
        and (person is None or person.full_name == (entry.full_name or person.full_name))
    )


def _is_remembered(office: Office, row: DirectoryEntry, proof: Proof) -> bool:
    return (
        row.verifier == proof.verifier
        and row.proven_at is not None
        and row.proven_at > office.clock() - PROVEN_AGAIN_AFTER
    )


def _add(session: Session, office: Office, proof: Proof) -> Account:
    username, now = people.free_username(proof.username), office.clock()
    actor = f"{ORIGIN}{proof.directory}"
    role: Role = roles.get(session, proof.role)
    person = Person(
        full_name=proof.entry.full_name or username,
        proofing_method="directory",
        proofed_by=actor,
        proofed_at=now,
        created_at=now,
    )
    session.add(person)
    session.flush()
    account = Account(
        username=username,
        kind="person",
        state="active",
        person_id=person.id,
        role_id=role.id,
        created_at=now,
        origin=actor,
    )
    session.add(account)
    session.flush()
    session.add(
        DirectoryEntry(
            account_id=account.id,
            directory=proof.directory,
            dn=proof.entry.dn,
            name=username,
            unique_id=proof.entry.unique_id,
            refreshed_at=now,
        )
    )
    session.flush()
    audit.record(session, now, actor, "account:added", username, role=role.name, dn=proof.entry.dn)
    return account
