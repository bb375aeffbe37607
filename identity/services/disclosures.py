"""The log of whose identity was shown to whom, when and for which case (R67).

Written with the thing itself, in its transaction. What a person may be told of it leaves out
what an order of secrecy still covers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from db.models import Disclosure


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """One occasion on which identities were shown."""

    shown_by: str
    case: str
    reason: str
    means: str
    """export | lookup | ..."""
    recipient: str = ""
    exhibit_id: int | None = None
    secret_until: datetime | None = None


def record(session: Session, now: datetime, showing: Showing, accounts: Iterable[int]) -> None:
    """Note that the identity behind each of `accounts` was shown."""
    session.add_all(
        Disclosure(
            at=now,
            account_id=number,
            shown_by=showing.shown_by,
            recipient=showing.recipient,
            case_reference=showing.case,
            reason=showing.reason,
            means=showing.means,
            exhibit_id=showing.exhibit_id,
            secret_until=showing.secret_until,
        )
        for number in sorted(set(accounts))
    )


def told_to(session: Session, account_id: int, now: datetime) -> list[Disclosure]:
    """What the person behind an account may be told, newest first."""
    query = (
        select(Disclosure)
        .where(
            Disclosure.account_id == account_id,
            or_(Disclosure.secret_until.is_(None), Disclosure.secret_until <= now),
        )
        .order_by(Disclosure.id.desc())
    )
    return list(session.scalars(query))
