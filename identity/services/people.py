"""Accounts of people: add, find, enable, disable, describe, change password."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused, UsageError
from common.net import find_mac
from db.models import Account, Credential, DirectoryEntry, Person
from identity.domain.admission import clean_username, find_usual_code
from identity.domain.contacts import find_mailbox, find_number
from identity.domain.levels import Level
from identity.domain.recoverable import Recoverable
from identity.domain.spellings import spellings
from identity.office import Office
from identity.services import (
    audit,
    dynamic,
    letters,
    officers,
    recoverable,
    roles,
    token_endings,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """What is needed to make an account for a person."""

    username: str
    password_hash: str
    full_name: str = ""
    role: str = "student"
    organisation: str | None = None
    person_code: str | None = None
    class_name: str | None = None
    expires_at: datetime | None = None
    proofing_method: str = "operator"
    levels: tuple[Level, ...] = ()
    """What they are among the staff."""
    password: str | None = field(default=None, repr=False)
    """In the clear, for what is kept of it where role or account say so."""
    recoverable: Recoverable | None = None
    """The account's own choice of that; None is the role's."""
    must_change: bool = False
    """Somebody else knows the password; the owner is to choose another one (R14)."""


_BY_VOUCHER = re.compile(r"voucher-\d+")
_OURS = re.compile(
    r"voucher-\d+|provisional-\d+|anonymised-r?\d+(-\d+)?|housekeeper|command-line|anonymous"
)
"""Names of guests by voucher and of forgotten accounts, of actors in the audit trail, and of
outer EAP identities."""


def free_username(text: str) -> str:
    """The stored form of a name for a person; UsageError when it looks like something else.

    A name that reads as a MAC address or as a voucher code would be looked up as one.
    """
    username = clean_username(text)
    if find_mac(username) is not None:
        raise UsageError(f"{text!r} is a MAC address; add devices with: yuenyan device add")
    if find_usual_code(username) is not None and any(symbol.isdigit() for symbol in username):
        raise UsageError(f"{text!r} looks like a voucher code; choose another user name")
    if _OURS.fullmatch(username):
        raise UsageError(f"{text!r} is a name the system uses itself; choose another user name")
    return username


def find(session: Session, username: str) -> Account | None:
    """The account with this name, or None."""
    for spelling in spellings(username):
        account = session.scalar(select(Account).where(Account.username == spelling))
        if account is not None:
            return account
    return None


def get(session: Session, username: str) -> Account:
    """The account with this name; NotFound otherwise."""
    account = find(session, username)
    if account is None:
        raise NotFound(f"there is no account {username!r}")
    return account


def add_user(session: Session, office: Office, new: NewUser, actor: str) -> Account:
    """Make a person and the account that belongs to them.

    Raises:
        Refused: the name is taken.
        NotFound: role or organisation does not exist.
    """
    username = free_username(new.username)
    if find(session, username) is not None:
        raise Refused(f"there is already an account {username!r}")
    now = office.clock()
    organisation = roles.get_organisation(session, new.organisation) if new.organisation else None
    person = Person(
        organisation_id=organisation.id if organisation else None,
        full_name=new.full_name.strip() or username,
        person_code=new.person_code or None,
        class_name=new.class_name or None,
        proofing_method=new.proofing_method,
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
        organisation_id=person.organisation_id,
        role_id=roles.get(session, new.role).id,
        expires_at=new.expires_at,
        created_at=now,
    )
    session.add(account)
    session.flush()
    credential = Credential(
        account_id=account.id,
        password_hash=new.password_hash,
        changed_at=now,
        recoverable_choice=new.recoverable,
        must_change=new.must_change,
    )
    session.add(credential)
    audit.record(session, now, actor, "account:added", username, role=new.role)
    for level in new.levels:
        officers.grant(session, office, username, level, actor)
    recoverable.password_changed(session, office, account, credential, new.password, actor)
    return account


def set_state(session: Session, office: Office, username: str, state: str, actor: str) -> Account:
    """Set an account to `active` or `suspended`; RADIUS and portal follow within a second."""
    account = get(session, username)
    now = office.clock()
    if account.anonymised_at is not None:
        raise Refused(f"{username} was anonymised; add a new account")
    if state == "active" and account.expires_at is not None and account.expires_at <= now:
        raise Refused(
            f"{username} expired on {account.expires_at:%Y-%m-%d}; set a later expiry first"
        )
    outweighed = _outweigh_directory(session, account)
    if account.state != state:
        account.state = state
        account.ended_at = None if state == "active" else now
        audit.record(session, now, actor, f"account:{state}", account.username)
        dynamic.follow_account(session, now, account, actor)
        if state != "active":
            token_endings.end_all(session, office, account, actor, "suspended")
    elif outweighed is not None:
        audit.record(
            session, now, actor, f"account:{state}", account.username, instead_of=outweighed
        )
    return account


def _outweigh_directory(session: Session, account: Account) -> str | None:
    """What an officer sets is lifted by an officer; returns why the directory had suspended it."""
    row = session.get(DirectoryEntry, account.id) if account.origin else None
    if row is None:
        return None
    outweighed, row.refused = row.refused, None
    return outweighed


def set_expiry(
    session: Session, office: Office, username: str, expires_at: datetime | None, actor: str
) -> Account:
    """Let an account end at `expires_at`, or never; its state stays as it is.

    Raises:
        NotFound: there is no such account.
        Refused: a guest would stay for longer than [registration] guest_days.
    """
    account = get(session, username)
    latest = office.clock() + timedelta(days=office.config.registration.guest_days)
    # A voucher has the time that was printed on it.
    is_guest = account.kind == "guest" and not _BY_VOUCHER.fullmatch(account.username)
    if is_guest and (expires_at is None or expires_at > latest):
        days = office.config.registration.guest_days
        raise Refused(f"a guest may stay for {days} days at most ([registration] guest_days)")
    account.expires_at = expires_at
    audit.record(
        session,
        office.clock(),
        actor,
        "account:expiry_set",
        account.username,
        expires_at=expires_at.isoformat() if expires_at else None,
    )
    return account


def set_contact(session: Session, office: Office, username: str, text: str, actor: str) -> Account:
    """Note where an account's person or guest is reached: a mailbox or a number; empty: nowhere.

    Raises:
        NotFound: there is no such account.
        UsageError: it is neither.
        Refused: it is a device's account.
    """
    account = get(session, username)
    if account.kind == "device":
        raise Refused(f"{account.username} is a device; its owner is reached, not it")
    contact = find_mailbox(text) or find_number(text)
    if text.strip() and contact is None:
        raise UsageError(f"{text!r} is neither a mailbox nor a telephone number")
    if account.person is not None:
        account.person.contact = contact
        account.contact = None
    else:
        account.contact = contact
    audit.record(session, office.clock(), actor, "account:contact_set", account.username)
    return account


def set_password(
    session: Session,
    office: Office,
    username: str,
    hashed: str,
    actor: str,
    password: str | None = None,
    *,
    must_change: bool = False,
) -> None:
    """Replace the password hash of an account that has one or may have one; its owner is told.

    Args:
        password: in the clear, for what is kept of it where role or account say so; without
            it nothing is kept.
        must_change: somebody else knows it now, so the owner is to choose another (R14).
    """
    account = get(session, username)
    if account.origin is not None:
        raise Refused(
            f"the password of {account.username} is kept in {account.origin}; change it there"
        )
    credential = session.get(Credential, account.id)
    now = office.clock()
    if credential is None:
        credential = Credential(account_id=account.id, password_hash=hashed, changed_at=now)
        session.add(credential)
    else:
        credential.password_hash = hashed
        credential.changed_at = now
    credential.must_change = must_change
    audit.record(session, now, actor, "account:password_changed", account.username)
    # Whoever knew the old one may have made tokens with it.
    token_endings.end_all(session, office, account, actor, "password")
    recoverable.password_changed(session, office, account, credential, password, actor)
    letters.tell_password_changed(session, office, account)


def describe(session: Session, account: Account) -> dict[str, object]:
    """What `user show --json` prints; never a secret."""
    sponsor = session.get(Account, account.sponsor_id) if account.sponsor_id else None
    owner = session.get(Account, account.owner_id) if account.owner_id else None
    person = account.person
    levels = officers.levels_of(session, account.id)
    credential = session.get(Credential, account.id)
    return {
        "username": account.username,
        "kind": account.kind,
        "state": account.state,
        "origin": account.origin,
        "full_name": account.full_name,
        "role": account.role.name,
        "org": account.organisation.code if account.organisation else None,
        "person_code": person.person_code if person else None,
        "class_name": person.class_name if person else None,
        "sponsor": sponsor.username if sponsor else None,
        "owner": owner.username if owner else None,
        "admin_level": " ".join(levels) or None,
        "levels": [level.value for level in levels],
        "expires_at": account.expires_at.isoformat() if account.expires_at else None,
        "created_at": account.created_at.isoformat(),
        "proofing": (
            {
                "method": person.proofing_method,
                "by": person.proofed_by,
                "at": person.proofed_at.isoformat(),
            }
            if person
            else None
        ),
        "has_password": credential is not None,
        "must_change_password": credential is not None and credential.must_change,
        "recoverable": recoverable.describe(session, account),
    }
