"""Codes that go out by mail and work once: made, found, used up by one conditional UPDATE."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.orm import Session

from db.models import Credential, MailedCode
from identity.domain.admission import ALPHABET
from identity.office import Office

LIFETIME = timedelta(minutes=30)
"""A letter may take some minutes; a code that lies in a mailbox for longer serves a thief."""

KEPT = timedelta(days=1)
"""Then housekeeping may drop it: limits a day are counted from these rows."""

LENGTH = 12
"""59 bits: with the limits on tries nobody hits one of a school's codes by guessing."""

_THAI_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")


class Purpose(StrEnum):
    RESET = "reset"
    CONTACT = "contact"


def make(
    session: Session,
    office: Office,
    account_id: int,
    purpose: Purpose,
    mailbox: str,
    client_address: str,
) -> str:
    """A fresh code in groups of four; those made before for the same purpose are void."""
    now = office.clock()
    session.execute(
        update(MailedCode)
        .where(
            MailedCode.account_id == account_id,
            MailedCode.purpose == purpose,
            MailedCode.used_at.is_(None),
            MailedCode.expires_at > now,
        )
        .values(expires_at=now)
    )
    code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    session.add(
        MailedCode(
            account_id=account_id,
            purpose=purpose,
            code_hmac=_hash(office, purpose, code),
            mailbox=mailbox,
            client_address=client_address,
            created_at=now,
            expires_at=now + LIFETIME,
        )
    )
    return "-".join(code[at : at + 4] for at in range(0, LENGTH, 4))


def made_since(session: Session, account_id: int, purpose: Purpose, since: datetime) -> int:
    """How many were made for this account since then."""
    found = session.scalar(
        select(func.count())
        .select_from(MailedCode)
        .where(
            MailedCode.account_id == account_id,
            MailedCode.purpose == purpose,
            MailedCode.created_at > since,
        )
    )
    return found or 0


def askers_since(
    session: Session, account_id: int, purpose: Purpose, since: datetime
) -> Sequence[str]:
    """From which address each code since then was asked for."""
    return session.scalars(
        select(MailedCode.client_address).where(
            MailedCode.account_id == account_id,
            MailedCode.purpose == purpose,
            MailedCode.created_at > since,
        )
    ).all()


def find(session: Session, office: Office, purpose: Purpose, typed: str) -> MailedCode | None:
    """The code in what somebody typed while it is good; None otherwise.

    A code from before the password's last change is none: it may be what made that needed.
    """
    code = _clean(typed)
    if code is None:
        return None
    row = session.scalar(
        select(MailedCode).where(
            MailedCode.code_hmac == _hash(office, purpose, code),
            MailedCode.used_at.is_(None),
            MailedCode.expires_at > office.clock(),
        )
    )
    if row is None:
        return None
    credential = session.get(Credential, row.account_id)
    if credential is not None and credential.changed_at > row.created_at:
        return None
    return row


def use_up(session: Session, office: Office, row: MailedCode) -> bool:
    """Whether this use was the first; of two at the same moment one is."""
    result = cast(
        "CursorResult[Any]",
        session.execute(
            update(MailedCode)
            .where(MailedCode.id == row.id, MailedCode.used_at.is_(None))
            .values(used_at=office.clock())
            .execution_options(synchronize_session=False)
        ),
    )
    return result.rowcount == 1


def drop_old(session: Session, now: datetime) -> int:
    """Delete codes that have been dead for a day; how many there were."""
    result: Any = session.execute(delete(MailedCode).where(MailedCode.expires_at <= now - KEPT))
    return int(result.rowcount)


def _hash(office: Office, purpose: Purpose, code: str) -> str:
    return office.vault.lookup_hash(f"{purpose} {code}")


def _clean(typed: str) -> str | None:
    cleaned = "".join(
        symbol for symbol in typed.translate(_THAI_DIGITS).upper() if symbol not in " -\u200b\t"
    )
    if len(cleaned) == LENGTH and all(symbol in ALPHABET for symbol in cleaned):
        return cleaned
    return None
