"""Visits that gateways have begun and that are still open, by the client's address.

A phone's camera opens the code on a slip in a browser that has no page of ours. The gateway sent
the same phone to us a moment ago, from the same address: the visit is found again by that, and only
when it is the only one (behind a gateway that translates, many phones share one address).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models import OpenVisit

LIFETIME = timedelta(minutes=15)
"""From joining the Wi-Fi to scanning the slip; an address may be another phone's afterwards."""

AT_ONE_ADDRESS = 64
"""More are not kept: one that shares its address with so many is not told apart anyhow, and
whoever makes visits up fills no table."""

_AT_ALL = 20_000
"""As many phones as a whole district brings in `LIFETIME`; 20 MB, whoever makes them up."""

Visits = Mapping[tuple[str, str], str]
"""The signed visit by the client's address and the device's."""


def remember(session: Session, visits: Visits, now: datetime) -> None:
    """Keep the signed visits of phones that gateways have just sent here, in one go."""
    addresses = {address for address, _ in visits}
    known = {
        address: count
        for address, count in session.execute(
            select(OpenVisit.address, func.count())
            .where(OpenVisit.address.in_(addresses))
            .group_by(OpenVisit.address)
        )
    }
    room = _AT_ALL - (session.scalar(select(func.count()).select_from(OpenVisit)) or 0)
    rows: list[dict[str, object]] = []
    # In one order always: two workers that write at once do not wait for each other in a circle.
    for (address, mac), visit in sorted(visits.items()):
        if len(rows) >= room:
            break
        known[address] = known.get(address, 0) + 1
        if known[address] <= AT_ONE_ADDRESS:
            rows.append({"address": address, "mac": mac, "visit": visit, "at": now})
    if not rows:
        return
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    insert: Any = postgresql.insert if on_postgresql else sqlite.insert
    statement = insert(OpenVisit).values(rows)
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
