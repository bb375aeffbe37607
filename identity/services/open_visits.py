"""Visits that gateways have begun and that are still open, by the client's address.

A phone's camera opens the code on a slip in a browser that has no page of ours. The gateway sent
the same phone to us a moment ago, from the same address: the visit is found again by that, and only
when it is the only one (behind a gateway that translates, many phones share one address).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models import OpenVisit

LIFETIME = timedelta(minutes=15)
"""From joining the Wi-Fi to scanning the slip; an address may be another phone's afterwards."""

_AT_ONE_ADDRESS = 64
"""More are not kept: one that shares its address with so many is not told apart anyhow, and
whoever makes visits up fills no table."""


def remember(session: Session, address: str, mac: str, visit: str, now: datetime) -> None:
    """Keep the signed visit of a phone that a gateway has just sent here."""
    known = session.scalar(
        select(func.count()).select_from(OpenVisit).where(OpenVisit.address == address)
    )
    if (known or 0) >= _AT_ONE_ADDRESS:
        return
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    insert: Any = postgresql.insert if on_postgresql else sqlite.insert
    statement = insert(OpenVisit).values(address=address, mac=mac, visit=visit, at=now)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[OpenVisit.address, OpenVisit.mac],
            set_={"visit": statement.excluded.visit, "at": statement.excluded.at},
        )
    )


def recall(session: Session, address: str, now: datetime) -> dict[str, str]:
    """The visits begun from this address, by MAC address; two are enough to be told apart by."""
    rows = session.execute(
        select(OpenVisit.mac, OpenVisit.visit)
        .where(OpenVisit.address == address, OpenVisit.at > now - LIFETIME)
        .limit(2)
    )
    return {mac: visit for mac, visit in rows}


def close(session: Session, address: str, mac: str) -> None:
    """Forget a visit: its phone is handed over."""
    session.execute(delete(OpenVisit).where(OpenVisit.address == address, OpenVisit.mac == mac))


def drop_old(session: Session, now: datetime) -> int:
    """Delete visits that are too old to be found again."""
    result = session.execute(delete(OpenVisit).where(OpenVisit.at <= now - LIFETIME))
    return cast("CursorResult[Any]", result).rowcount
