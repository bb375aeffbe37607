"""Sessions as such, with or without an address: of one device, of one person.

A device that never got an address was there all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from common.config import Config
from db.models import NetworkSession
from traffic.lookup.attribution import Holder, Window
from traffic.lookup.holders import alive, holders_of, whole_sessions

MAX_STAYS = 5000
"""Sessions in one answer; a school has as many in a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One session, and each address it had."""

    whole: Holder
    """From its start to its end, under no address."""
    addresses: tuple[Holder, ...]
    called_station_id: str | None
    input_octets: int
    output_octets: int


def of_device(mac: str) -> ColumnElement[bool]:
    """Sessions of a device; `mac` is twelve hex digits."""
    return NetworkSession.calling_station_id == mac


def find_stays(
    session: Session, config: Config, wanted: ColumnElement[bool], window: Window
) -> tuple[list[Stay], bool]:
    """(sessions that may have gone on during `window`, by start, whether there are more)."""
    rows = session.scalars(
        select(NetworkSession)
        .where(wanted, *alive(window))
        .order_by(NetworkSession.started_at)
        .limit(MAX_STAYS + 1)
    ).all()
    more = len(rows) > MAX_STAYS
    rows = rows[:MAX_STAYS]
    held: dict[str, list[Holder]] = {}
    for holder in holders_of(session, config, {row.session_key for row in rows}):
        held.setdefault(holder.session_key, []).append(holder)
    found = []
    for whole, row in zip(whole_sessions(session, config, rows), rows, strict=True):
        if not window.overlaps(whole.from_at, whole.to_at):
            continue
        addresses = [
            one for one in held.get(row.session_key, ()) if window.overlaps(one.from_at, one.to_at)
        ]
        found.append(
            Stay(
                # Nobody else has the device: what is uncertain of its address is not of it.
                whole=replace(whole, certain_to=None),
                addresses=tuple(sorted(addresses, key=lambda one: (one.from_at, one.address))),
                called_station_id=row.called_station_id,
                input_octets=row.input_octets,
                output_octets=row.output_octets,
            )
        )
    return found, more
