"""Blocks of outside ports: which inside address had the port asked for, from when to when.

RFC 7422 and RFC 8158: a translator that gives each client a block of ports tells of the block
alone, when it is given and when it is freed. One of the two may be missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from traffic.archive.about import RowsOf, asked_names, freed_name
from traffic.archive.index import ManifestIndex
from traffic.archive.kinds import NAT
from traffic.archive.reading import Translation
from traffic.archive.tables import Found, TableArchive
from traffic.collectors.aside import BLOCK_CREATE, BLOCK_DELETE
from traffic.lookup.attribution import Window
from traffic.moments import to_milliseconds

LOOK_BACKS = tuple(timedelta(days=days) for days in (1, 7, 366))
"""A block is given for hours as a rule; the archive is searched further back only while nobody
has been found who had the port. Without one port of one protocol others may have older blocks
beside those that were found, and it is searched as far back as it goes."""

LOOK_AHEAD = timedelta(days=1)

MAX_EVENTS = 10_000

CLOCK_AGREES_MS = 60_000
"""Events are told at once; one whose own time is further from that of receipt has a wrong clock."""


def find_blocks(
    archive: TableArchive,
    index: ManifestIndex,
    public: str,
    port: int | None,
    protocols: Sequence[int],
    window: Window,
) -> tuple[list[Translation], bool]:
    """(who had a block of `public` with `port` in it during `window`, whether there is more)."""
    if not index.holds(NAT.name):
        return [], False
    found: list[Translation] = []
    more = False
    exact = port is not None and len(protocols) == 1
    for back in LOOK_BACKS:
        begins = window.from_at - back
        events, more = _events(archive, index, public, port, protocols, begins, window)
        if more and found:
            break  # the newest would be cut: what is nearer to the window counts more
        spans = pair_blocks(events, to_milliseconds(begins), _latest(window))
        first, last = to_milliseconds(window.from_at), to_milliseconds(window.to_at)
        found = [one for one in spans if one.from_ms <= last and one.to_ms >= first]
        if more or (exact and any(one.from_ms > to_milliseconds(begins) for one in found)):
            break
    return found, more


def pair_blocks(events: Sequence[Found], earliest_ms: int, latest_ms: int) -> list[Translation]:
    """One translation for each time an inside address had a block.

    `earliest_ms` and `latest_ms` stand in for an event that is missing; a block that is given
    anew was free before.
    """
    found: list[Translation] = []
    opened: dict[tuple[Any, ...], Found] = {}
    for event in sorted(events, key=_order):
        place = _place(event)
        given = opened.get(place)
        if event.values["event"] == BLOCK_CREATE:
            if given is not None and _inside(given) == _inside(event):
                continue  # told again
            if given is not None:
                found.append(_span(given, event, _times(given)[0], _times(event)[1]))
            opened[place] = event
        elif given is None:
            found.append(_span(event, None, earliest_ms, _times(event)[1]))
        elif _inside(given) == _inside(event):
            found.append(_span(given, event, _times(given)[0], _times(event)[1]))
            del opened[place]
        else:
            # Somebody else gives it back: they had it since, and both ends between were lost; or
            # the one before, whose end is told late. Either way both may have had it meanwhile.
            found.append(_span(event, None, _times(given)[0], _times(event)[1]))
    found += [_span(given, None, _times(given)[0], latest_ms) for given in opened.values()]
    return sorted(found, key=lambda one: (one.from_ms, one.inside_address))


def _events(
    archive: TableArchive,
    index: ManifestIndex,
    public: str,
    port: int | None,
    protocols: Sequence[int],
    begins: datetime,
    window: Window,
) -> tuple[list[Found], bool]:
    """Events of the blocks of `public`, those that name it and those that free without it."""
    span = {
        "from_ms": to_milliseconds(begins),
        "to_ms": to_milliseconds(window.to_at + LOOK_AHEAD),
        "limit": MAX_EVENTS + 1,
    }
    matching, values = "", []
    if port is not None:
        matching = " AND ? BETWEEN outside_port AND coalesce(outside_port_to, outside_port)"
        values.append(port)
    if protocols:
        marks = ", ".join("?" for _ in protocols)
        matching += f" AND (protocol IS NULL OR protocol IN ({marks}))"
        values += [int(number) for number in protocols]
    told = archive.read(
        NAT,
        f"outside_address = ? AND event IN (?, ?){matching}",
        (public, BLOCK_CREATE, BLOCK_DELETE, *values),
        among=index,
        about=RowsOf(asked_names(public, port)),
        **span,
    )
    places = {(_inside(one), one.values["outside_port"]) for one in told}
    inside = sorted({address for address, _ in places if address})
    if not inside:
        return told, len(told) > MAX_EVENTS
    marks = ", ".join("?" for _ in inside)
    freed = archive.read(
        NAT,
        f"outside_address IS NULL AND event = ? AND inside_address IN ({marks})",
        (BLOCK_DELETE, *inside),
        among=index,
        about=RowsOf(tuple(map(freed_name, inside))),
        **span,
    )
    told += [one for one in freed if (_inside(one), one.values["outside_port"]) in places]
    return told, max(len(told), len(freed)) > MAX_EVENTS


def _span(given: Found, other: Found | None, from_ms: int, to_ms: int) -> Translation:
    return Translation(
        inside_address=_inside(given) or "0.0.0.0",  # noqa: S104
        inside_port=0,
        protocol=given.values["protocol"] or 0,
        nat_event=0,
        from_ms=from_ms,
        to_ms=max(from_ms, to_ms),
        flows=1 if other is None else 2,
        records=(given.record,) if other is None else (given.record, other.record),
    )


def _inside(event: Found) -> str | None:
    address: str | None = event.values["inside_address"]
    return address


def _place(event: Found) -> tuple[Any, ...]:
    """What a block is known by: who told, and its first port, for which protocol.

    Not by its last port or its outside address: some who free a block name neither.
    """
    values = event.values
    return values["source"], values["outside_port"], values["protocol"]


def _times(event: Found) -> tuple[int, int]:
    """(earliest, latest) the event can have been, in milliseconds: ours, and its own if right."""
    received: int = event.values["received_at"]
    told: int | None = event.values["event_at"]
    if told is None or abs(told - received) > CLOCK_AGREES_MS:
        return received, received
    return min(told, received), max(told, received)


def _order(event: Found) -> tuple[int, bool, str]:
    return _times(event)[0], event.values["event"] == BLOCK_CREATE, event.record


def _latest(window: Window) -> int:
    return to_milliseconds(window.to_at + LOOK_AHEAD)
