"""Whether people of a directory are still there, and in which groups: looked at without a login.

Who is gone, disabled or in no group any more is suspended, and the equipment is told as for
any suspension. A directory that does not answer changes nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from common.errors import BackendUnavailable, NotFound
from common.logging import get_logger
from db.models import Account, DirectoryEntry, NetworkSession
from identity.domain.directory import Ambiguous, Entry, OtherSpelling, Source
from identity.office import Office
from identity.services import directory_accounts, dynamic

CHUNK = 200
"""Entries of one directory a pass: some 24,000 an hour, whoever is on line first."""

SUSPICIOUS = 10
SUSPICIOUS_SHARE = 0.2
"""So many missing in one pass are a mistake in base_dn or a lost permission, not a holiday."""


@dataclass(frozen=True, slots=True)
class _Due:
    """An account to look at, and the name the directory has for it."""

    account_id: int
    name: str


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was found: no entry, or one and the role its groups come to."""

    due: _Due
    entry: Entry | None
    role: str = ""


def refresh(office: Office) -> int:
    """Look at whoever is due in every directory; how many accounts were looked at.

    Raises:
        BackendUnavailable: the database does not answer.
    """
    return sum(_refresh_one(office, name) for name in office.directories.settings)


def _refresh_one(office: Office, name: str) -> int:
    settings = office.directories.settings[name]
    before = office.clock() - timedelta(minutes=settings.refresh_minutes)
    with office.database.read() as session:
        due = _due(session, name, before)
    if not due:
        return 0
    log = get_logger("directory")
    seen: list[_Seen] = []
    try:
        source = office.directories.get(name)
        for one in due:
            found = _look(source, one)
            if found is not None:
                seen.append(found)
    except BackendUnavailable as error:
        log.warning("directory_not_refreshed", directory=name, error=str(error))
    missing = sum(found.entry is None for found in seen)
    if missing >= SUSPICIOUS and missing > len(seen) * SUSPICIOUS_SHARE:
        log.error("directory_entries_missing", directory=name, missing=missing, of=len(seen))
        seen = [found for found in seen if found.entry is not None]
    for found in seen:
        try:
            _apply(office, found)
        except BackendUnavailable:
            raise
        except Exception:
            # One entry that nobody can write must not keep the others back for ever.
            log.exception("directory_entry_not_applied", directory=name, name=found.due.name)
            _put_off(office, found.due.account_id)
    return len(seen)


def _look(source: Source, due: _Due) -> _Seen | None:
    """None when it cannot be told who is meant: then nothing changes."""
    try:
        entry = source.find(due.name)
    except Ambiguous:
        return None
    except OtherSpelling:
        entry = None  # renamed; the next login under the new name brings the account back
    role = source.role_of(entry, due.name) if entry is not None else ""
    return _Seen(due, entry, role)


def _apply(office: Office, seen: _Seen) -> None:
    with office.database.write() as session:
        account = session.get_one(Account, seen.due.account_id)
        row = session.get_one(DirectoryEntry, seen.due.account_id)
        entry = seen.entry
        if entry is not None and not directory_accounts.is_same_person(row, entry):
            entry = None  # somebody else has this name now
        try:
            directory_accounts.follow(session, office, account, row, entry, seen.role)
        except NotFound:
            directory_accounts.refuse(session, office, account, row, "no_role")


def _put_off(office: Office, account_id: int) -> None:
    with office.database.write() as session:
        session.get_one(DirectoryEntry, account_id).refreshed_at = office.clock()


def _due(session: Session, name: str, before: datetime) -> Sequence[_Due]:
    """Accounts that were not looked at since `before`; those with an open session first."""
    is_on_line = (
        select(NetworkSession.session_key)
        .where(NetworkSession.account_id == Account.id, *dynamic.open_conditions())
        .exists()
    )
    suspended_by_it = and_(Account.state == "suspended", DirectoryEntry.refused.is_not(None))
    wanted: ColumnElement[bool] = or_(Account.state == "active", suspended_by_it)
    rows = session.execute(
        select(DirectoryEntry.account_id, DirectoryEntry.name)
        .join(Account, Account.id == DirectoryEntry.account_id)
        .where(DirectoryEntry.directory == name, DirectoryEntry.refreshed_at <= before, wanted)
        .order_by(is_on_line.desc(), DirectoryEntry.refreshed_at)
        .limit(CHUNK)
    )
    return [_Due(account_id, entry_name) for account_id, entry_name in rows]
