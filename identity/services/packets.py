"""The last Accounting-Request of a session, octet for octet as its NAS sent it.

accounting_event has no index but its number: one on the session would cost every packet on
the way in. Numbers rise with the time of receipt, so the place is found by halving.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import AccountingEvent

_SLACK = timedelta(seconds=15)
"""Workers commit side by side: rows received this far apart may stand in the other order."""


@dataclass(frozen=True, slots=True)
class LastPacket:
    """A datagram and where it came from: address without port."""

    address: str
    octets: bytes


def last_packet(session: Session, session_key: str, heard_at: datetime) -> LastPacket | None:
    """The packet received at `heard_at` about a session, or None when it is not kept any more.

    Args:
        heard_at: `last_heard_at` of the session.
    """
    row = session.execute(
        select(AccountingEvent.source, AccountingEvent.octets)
        .where(
            AccountingEvent.id >= first_since(session, heard_at - _SLACK),
            AccountingEvent.id < first_since(session, heard_at + _SLACK),
            AccountingEvent.session_key == session_key,
        )
        .order_by(AccountingEvent.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return LastPacket(row.source.rpartition("#")[0], row.octets)


def first_since(session: Session, moment: datetime) -> int:
    """A number that events received before `moment` are below, and all others are not."""
    first, last = session.execute(
        select(func.min(AccountingEvent.id), func.max(AccountingEvent.id))
    ).one()
    if first is None:
        return 0
    low, high = first, last + 1
    while low < high:
        middle = (low + high) // 2
        found = session.execute(
            select(AccountingEvent.id, AccountingEvent.received_at)
            .where(AccountingEvent.id >= middle)
            .order_by(AccountingEvent.id)
            .limit(1)
        ).one()
        if found.received_at < moment:
            low = found.id + 1
        else:
            high = middle
    return int(low)
