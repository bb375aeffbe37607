"""Proving a password at a directory: search, exactly one entry, a bind as that entry.

Local accounts never come here. While a directory is down nobody is let in by it, unless
`offline_days` remembers this very password. See docs/directories.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum

from common.errors import BackendUnavailable, UsageError
from db.models import DirectoryEntry
from identity.directories import ORIGIN
from identity.domain.access import AccountSnapshot, Denied, Method, Reason, Vouched
from identity.domain.directory import (
    Ambiguous,
    Answer,
    Entry,
    NtProof,
    OtherSpelling,
    Source,
    is_askable,
)
from identity.domain.spellings import composed
from identity.office import Office
from identity.services import directory_accounts, people

_REFUSALS = {
    Answer.WRONG: Reason.WRONG_PASSWORD,
    # Locked is told to anybody, so it counts as a guess that failed.
    Answer.LOCKED: Reason.WRONG_PASSWORD,
    Answer.PASSWORD_EXPIRED: Reason.DIRECTORY_EXPIRED_PASSWORD,
    Answer.DISABLED: Reason.DIRECTORY_DISABLED,
    Answer.EXPIRED: Reason.DIRECTORY_DISABLED,
}


class _Absent(StrEnum):
    """Why a directory has no entry of a name."""

    GONE = "gone"
    OTHER_SPELLING = "other_spelling"


@dataclass(frozen=True, slots=True)
class _Learnt:
    """A password was seen; `verifier` is what is to be remembered of it, if anything."""

    verifier: str | None = field(repr=False)


def concerns(office: Office, account: AccountSnapshot | None) -> bool:
    """Whether a directory has the word on this account, or may know a name without one."""
    if account is None:
        return bool(office.directories)
    return bool(account.origin)


def prove(
    office: Office, account: AccountSnapshot | None, username: str, password: bytes
) -> Vouched | Denied:
    """What the directories say to a name and a password. Slow; only where `concerns` holds.

    Args:
        username: in stored form; an account may have another name in the directory's eyes.

    Raises:
        BackendUnavailable: a directory that must be asked does not answer.
    """
    username = composed(username)
    if not is_askable(username, password) or not _is_usable(account, username):
        office.passwords.verify(None, password)
        if account is None:
            return Denied(Reason.UNKNOWN_ACCOUNT, Method.PORTAL)
        return Denied(Reason.WRONG_PASSWORD, Method.PORTAL, account.account_id)
    if account is not None:
        source = office.directories.of(account.origin)
        if source is None:
            name = account.origin.removeprefix(ORIGIN)
            return _denied(Reason.DIRECTORY_GONE, account, "not_configured", name)
        try:
            return _ask_one(office, source, account, account.username, password)
        except BackendUnavailable as error:
            return _remembered(office, account, source.name, password, error)
    return _ask_all(office, username, password)


def prove_nt(
    office: Office, account: AccountSnapshot | None, username: str, proof: NtProof | None
) -> Vouched | Denied | None:
    """What the directories say to a login whose password does not travel; None: no such name.

    Only MS-CHAPv2 can be proven so, and only where `ntlm_auth` is set.

    Args:
        proof: None for the other methods, which are refused with the reason.

    Raises:
        BackendUnavailable: a directory that must be asked does not answer.
    """
    username = composed(username)
    if not is_askable(username, b"-") or not _is_usable(account, username):
        return None
    if account is not None:
        own = office.directories.of(account.origin)
        if own is None:
            name = account.origin.removeprefix(ORIGIN)
            return _denied(Reason.DIRECTORY_GONE, account, "not_configured", name)
        username = account.username
        sources = [own]
    else:
        sources = list(office.directories)
    absent = _Absent.GONE
    for source in sources:
        if account is not None and (proof is None or not source.proves_nt):
            return _denied(Reason.NOT_RECOVERABLE, account, "keeps_password", source.name)
        found = _find(source, account, username, b"")
        if isinstance(found, Denied):
            return found
        if isinstance(found, _Absent):
            absent = found
            continue
        if proof is None or not source.proves_nt:
            return _denied(Reason.NOT_RECOVERABLE, account, "keeps_password", source.name)
        answer = source.prove_nt(found, username, proof)
        key = b"" if isinstance(answer, Answer) else answer
        verdict = answer if isinstance(answer, Answer) else Answer.PROVEN
        ended = _settle(office, source, account, found, username, verdict, None)
        return replace(ended, nt_key=key) if isinstance(ended, Vouched) else ended
    if account is None:
        return None
    _look_soon(office, account.account_id)
    return _denied(Reason.DIRECTORY_GONE, account, absent.value, sources[0].name)


def _ask_all(office: Office, username: str, password: bytes) -> Vouched | Denied:
    """A name that is not known here: the first directory that has it decides.

    One that does not answer ends it, or somebody of the same name in the next would get in.
    """
    last: Source | None = None
    spelt: list[str] = []
    for source in office.directories:
        last = source
        found = _find(source, None, username, password)
        if isinstance(found, Denied):
            return found
        if isinstance(found, Entry):
            return _conclude(office, source, None, found, username, password)
        if found is _Absent.OTHER_SPELLING:
            spelt.append(source.name)
    assert last is not None
    last.prove(None, password)
    if spelt:
        return _denied(Reason.UNKNOWN_ACCOUNT, None, _Absent.OTHER_SPELLING.value, ",".join(spelt))
    names = ",".join(office.directories.settings)
    return _denied(Reason.UNKNOWN_ACCOUNT, None, "not_found", names)


def _ask_one(
    office: Office, source: Source, account: AccountSnapshot, username: str, password: bytes
) -> Vouched | Denied:
    found = _find(source, account, username, password)
    if isinstance(found, Denied):
        return found
    if isinstance(found, _Absent):
        source.prove(None, password)
        _look_soon(office, account.account_id)
        return _denied(Reason.DIRECTORY_GONE, account, found.value, source.name)
    return _conclude(office, source, account, found, username, password)


def _find(
    source: Source, account: AccountSnapshot | None, username: str, password: bytes
) -> Entry | Denied | _Absent:
    try:
        return source.find(username) or _Absent.GONE
    except OtherSpelling:
        return _Absent.OTHER_SPELLING
    except Ambiguous:
        if password:
            source.prove(None, password)
        return _denied(Reason.DIRECTORY_AMBIGUOUS, account, "found_twice", source.name)


def _conclude(
    office: Office,
    source: Source,
    account: AccountSnapshot | None,
    entry: Entry,
    username: str,
    password: bytes,
) -> Vouched | Denied:
    answer = source.prove(entry, password)
    verifier = None
    if answer is Answer.WRONG and account is not None:
        _forget(office, account.account_id, source.name, password)
    elif answer is Answer.PROVEN:
        verifier = _verifier(office, account, source.name, password)
    learnt = _Learnt(verifier)
    return _settle(office, source, account, entry, username, answer, learnt)


def _settle(
    office: Office,
    source: Source,
    account: AccountSnapshot | None,
    entry: Entry,
    username: str,
    answer: Answer,
    learnt: _Learnt | None,
) -> Vouched | Denied:
    """What an answer about an entry comes to; the account is made or brought in line.

    Args:
        learnt: None: the password itself was not seen, so nothing is known of it.
    """
    if answer is Answer.PROVEN and (why := entry.refusal(office.clock())) is not None:
        answer = Answer(why)
    if answer is not Answer.PROVEN:
        if account is not None and answer in (Answer.DISABLED, Answer.EXPIRED):
            other = directory_accounts.suspend(office, account.account_id, entry, answer.value)
            if other is not None:
                return other
        step = "wrong_password" if answer is Answer.WRONG else answer.value
        return _denied(_REFUSALS[answer], account, step, source.name)
    role = source.role_of(entry, username)
    if not role:
        if account is not None:
            other = directory_accounts.suspend(office, account.account_id, entry, "no_role")
            if other is not None:
                return other
        return _denied(Reason.DIRECTORY_NO_ROLE, account, "no_role", source.name)
    proof = directory_accounts.Proof(
        directory=source.name,
        entry=entry,
        username=username,
        role=role,
        is_of_password=learnt is not None,
        verifier=learnt.verifier if learnt is not None else None,
    )
    admitted = directory_accounts.admit(office, proof)
    if isinstance(admitted, Denied):
        return admitted
    return _vouched(office, admitted, "proven", source.name)


def _remembered(
    office: Office,
    account: AccountSnapshot,
    name: str,
    password: bytes,
    error: BackendUnavailable,
) -> Vouched | Denied:
    """The directory is down: whoever it proved lately, by this very password, gets in.

    Raises:
        BackendUnavailable: nothing is remembered, so nobody can say.
    """
    if error.backend != f"{ORIGIN}{name}":
        raise error
    days = office.directories.settings[name].offline_days
    with office.database.read() as session:
        row = session.get(DirectoryEntry, account.account_id)
        verifier = row.verifier if row is not None else None
        proven_at = row.proven_at if row is not None else None
    if days == 0 or verifier is None or proven_at is None:
        raise error
    if proven_at <= office.clock() - timedelta(days=days):
        raise error
    if not office.passwords.verify(verifier, password):
        # Not "nobody can say": a guesser must be counted while the directory is down, too.
        return _denied(Reason.WRONG_PASSWORD, account, "not_from_memory", name)
    return _vouched(office, account, "from_memory", name)


def _verifier(
    office: Office, account: AccountSnapshot | None, name: str, password: bytes
) -> str | None:
    """What is to be remembered of a password that was proven: the hash there is, or a new one."""
    if not office.directories.settings[name].offline_days:
        return None
    known = _known_verifier(office, account)
    if known and office.passwords.verify(known, password):
        return known
    return office.passwords.hash(password)


def _known_verifier(office: Office, account: AccountSnapshot | None) -> str | None:
    if account is None:
        return None
    with office.database.read() as session:
        row = session.get(DirectoryEntry, account.account_id)
        return row.verifier if row is not None else None


def _forget(office: Office, account_id: int, name: str, password: bytes) -> None:
    """A remembered password that the directory refuses now was changed there."""
    if not office.directories.settings[name].offline_days:
        return
    with office.database.read() as session:
        row = session.get(DirectoryEntry, account_id)
        known = row.verifier if row is not None else None
    if known and office.passwords.verify(known, password):
        with office.database.write() as session:
            row = session.get_one(DirectoryEntry, account_id)
            if row.verifier == known:
                row.verifier = row.proven_at = None


def _look_soon(office: Office, account_id: int) -> None:
    """Let the housekeeper look at once; it sees whether one entry is gone, or a whole branch."""
    with office.database.write() as session:
        row = session.get(DirectoryEntry, account_id)
        if row is not None:
            row.refreshed_at = office.clock() - timedelta(days=1)


def _is_usable(account: AccountSnapshot | None, username: str) -> bool:
    if account is not None:
        return True
    try:
        people.free_username(username)
    except UsageError:
        return False
    return True


def _vouched(office: Office, account: AccountSnapshot, step: str, name: str) -> Vouched:
    return Vouched(
        account=account,
        step=f"{ORIGIN}{step}={name}",
        remember_seconds=float(office.directories.settings[name].remember_seconds),
    )


def _denied(reason: Reason, account: AccountSnapshot | None, step: str, name: str) -> Denied:
    account_id = account.account_id if account is not None else None
    return Denied(reason, Method.PORTAL, account_id, f"{ORIGIN}{step}={name}")
