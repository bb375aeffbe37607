"""Leases as a second source of who had an address: address -> MAC -> session -> account.

A lease and RADIUS are two witnesses. Where they agree both are cited; where they do not, both
are candidates, and the answer is ambiguous. Neither ever overwrites the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from common.config import Config
from common.errors import ArchiveError
from common.net import find_mac, format_mac
from traffic.archive.index import ManifestIndex
from traffic.archive.kinds import LEASE
from traffic.archive.tables import Found, TableArchive
from traffic.decoders.syslog.lines import LeaseEvent
from traffic.decoders.syslog.message import parse_message
from traffic.lookup.attribution import Holder, Window
from traffic.lookup.holders import find_stations
from traffic.lookup.nat_logs import moments
from traffic.moments import from_milliseconds, to_milliseconds

LOOK_BACK = timedelta(hours=48)
"""How long before the window a lease may have been given or renewed: clients renew at half of
a lease, and a lease of more than four days has no place in a school."""

_SHORTER = (timedelta(hours=4), timedelta(minutes=10))
"""For an address of which too many lines came; what was given before is renewed by then."""

MAX_ROWS = 50_000
"""Read at once."""

_GIVES = (LeaseEvent.ASSIGN, LeaseEvent.RENEW)
_ANY_ZONE = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A device had an address, from when to when."""

    address: str
    mac: str
    from_at: datetime
    to_at: datetime
    record: str


def find_leases(
    tables: TableArchive,
    index: ManifestIndex,
    addresses: Iterable[str],
    window: Window,
    held_ms: int,
) -> list[Lease]:
    """The leases of `addresses` that touch `window`."""
    wanted = sorted(set(addresses))
    if not wanted or not index.holds(LEASE.name):
        return []
    rows = _read(tables, index, wanted, window, held_ms)
    return [one for one in lease_spans(rows, held_ms) if window.overlaps(one.from_at, one.to_at)]


def _read(
    tables: TableArchive,
    index: ManifestIndex,
    addresses: Sequence[str],
    window: Window,
    held_ms: int,
) -> list[Found]:
    """Every line of `addresses` that counts for `window`, in order for each address.

    None is left out for being one too many: a lease that is not seen would name somebody else.
    """
    for back in (LOOK_BACK, *_SHORTER):
        rows = tables.read(
            LEASE,
            "list_contains(?, address)",
            [addresses],
            from_ms=to_milliseconds(window.from_at - back),
            to_ms=to_milliseconds(window.to_at) + held_ms,
            limit=MAX_ROWS + 1,
            among=index,
        )
        if len(rows) <= MAX_ROWS:
            return rows
        if len(addresses) > 1:
            half = len(addresses) // 2
            parts = addresses[:half], addresses[half:]
            return [row for part in parts for row in _read(tables, index, part, window, held_ms)]
    raise ArchiveError(
        LEASE.name, f"has more than {MAX_ROWS} lines of {addresses[0]}; ask for a shorter time"
    )


def lease_spans(rows: Iterable[Found], held_ms: int) -> list[Lease]:
    """Who had which address from when to when, by `rows` in the order of their receipt.

    A lease ends when it is given back, when its server gives the address to another, or when
    its time is over; a server that does not tell that time is believed for LOOK_BACK. What one
    server does ends no lease of another's: schools use the same private addresses.
    """
    found: list[Lease] = []
    held: dict[tuple[str, str, str], Lease] = {}
    for row in rows:
        values = row.values
        address, mac = values["address"], values["mac"]
        at, latest = (from_milliseconds(one) for one in moments(values, held_ms))
        place = (*_server(values), address)
        before = held.get(place)
        if values["event"] in _GIVES:
            if mac is None:
                continue
            seconds = values["lease_seconds"]
            until = latest + (LOOK_BACK if seconds is None else timedelta(seconds=seconds))
            if before is not None and before.mac == mac and at <= before.to_at:
                held[place] = replace(before, to_at=max(before.to_at, until), record=row.record)
                continue
            if before is not None:
                found.append(replace(before, to_at=min(before.to_at, latest)))
            held[place] = Lease(
                address=address, mac=mac, from_at=at, to_at=until, record=row.record
            )
        elif before is not None and mac in (None, before.mac):
            found.append(replace(before, to_at=min(before.to_at, latest)))
            del held[place]
    return [*found, *held.values()]


def _server(values: dict[str, Any]) -> tuple[str, str]:
    """Who gave a lease: who sent the line and, because a relay sends for many, the name in it."""
    return values["source"], parse_message(bytes(values["raw"] or b""), 0, _ANY_ZONE).host


def join_leases(
    session: Session,
    config: Config,
    leases: Sequence[Lease],
    window: Window,
    holders: Sequence[Holder],
) -> list[Holder]:
    """`holders`, and who held the addresses according to `leases`."""
    if not leases:
        return list(holders)
    stations = find_stations(session, config, {one.mac for one in leases}, window)
    found = list(holders)
    for lease in leases:
        part = window.within(lease.from_at, lease.to_at)
        said = [
            index
            for index, holder in enumerate(found)
            if holder.address == lease.address and part.overlaps(holder.from_at, holder.to_at)
        ]
        agreeing = [index for index in said if _mac(found[index]) == lease.mac]
        for index in agreeing:
            evidence = (*found[index].evidence, lease.record)
            found[index] = replace(found[index], evidence=tuple(dict.fromkeys(evidence)))
        known = {found[index].session_key for index in agreeing}
        had = [
            _held(station, lease)
            for station in stations
            if _mac(station) == lease.mac
            and part.overlaps(station.from_at, station.to_at)
            and station.session_key not in known
        ]
        found += had
        if had or agreeing or any(_mac(found[index]) is None for index in said):
            continue  # a session without a MAC address may be this very device's
        found.append(_device(lease))
    return found


def _held(station: Holder, lease: Lease) -> Holder:
    """The station's session with the leased address, as long as both lasted."""
    until = lease.to_at if station.to_at is None else min(lease.to_at, station.to_at)
    from_at, certain_to = max(station.from_at, lease.from_at), station.certain_to
    return replace(
        station,
        address=lease.address,
        from_at=from_at,
        to_at=until,
        # The session was heard of later, but not with this address.
        certain_to=None if certain_to is None else max(from_at, min(certain_to, until)),
        evidence=(*station.evidence, lease.record),
    )


def _device(lease: Lease) -> Holder:
    """A device of which RADIUS knows nothing: it has a MAC address and no account."""
    return Holder(
        session_key=lease.record,
        account_id=None,
        account=None,
        full_name="",
        user_name="",
        mac=format_mac(lease.mac),
        nas="",
        address=lease.address,
        from_at=lease.from_at,
        to_at=lease.to_at,
        last_heard_at=lease.from_at,
        closed_by=None,
        evidence=(lease.record,),
    )


def _mac(holder: Holder) -> str | None:
    return find_mac(holder.mac) if holder.mac else None
