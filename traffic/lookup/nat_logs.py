"""Translations that gateways told by log lines: who stood behind a public address.

A beginning and an end make a binding; one of the two may be missing, and then the binding is
as long as it can have been. Reads the kind `nat`; knows neither sessions nor people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from traffic.archive.about import RowsOf, asked_names
from traffic.archive.index import ManifestIndex
from traffic.archive.kinds import NAT
from traffic.archive.reading import CLOCK_AGREES_MS, Translation
from traffic.archive.tables import Found, TableArchive
from traffic.decoders.syslog.lines import NatEvent
from traffic.lookup.attribution import Binding, Window
from traffic.lookup.question import Question
from traffic.moments import from_milliseconds, to_milliseconds

LOOK_BACK = timedelta(hours=24)
"""How long a translation may be open, and how long after its beginning its end is told."""

MAX_ROWS = 20_000
"""Lines read for one question; beyond it the answer says that it was cut."""

_LOOK_BACKS = (LOOK_BACK, timedelta(hours=1), timedelta(minutes=1))
"""Tried one after the other while there are too many lines: those about the moment asked for
matter most, and an answer without the others says that it was cut."""

_EVIDENCE_SHOWN = 5
_ICMP = (1, 58)
_BEGINS = (NatEvent.CREATE, NatEvent.BLOCK_CREATE)
_ENDS = (NatEvent.DELETE, NatEvent.BLOCK_DELETE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One translation, from when to when in milliseconds."""

    inside_address: str
    inside_port: int | None
    protocol: int
    from_ms: int
    to_ms: int
    records: tuple[str, ...]

    def binding(self) -> Binding:
        """As attribution wants it."""
        return Binding(
            inside_address=self.inside_address,
            inside_port=self.inside_port,
            from_at=from_milliseconds(self.from_ms),
            to_at=from_milliseconds(self.to_ms),
            evidence=self.records,
        )


def find_logged(
    tables: TableArchive,
    index: ManifestIndex,
    question: Question,
    window: Window,
    held_ms: int,
) -> tuple[list[Span], bool]:
    """(translations asked for that may have been open in `window`, whether there are more).

    A line that does not say where the traffic went stays, whatever destination is asked for.
    """
    port, protocols = question.asked_port, question.protocol_numbers
    if not index.holds(NAT.name):
        return [], False
    # Blocks of ports are told far apart: traffic.lookup.blocks pairs them.
    where = "outside_address = ? AND event NOT IN ('block-create', 'block-delete')"
    values: list[Any] = [str(question.address)]
    if port is not None:
        where += (
            " AND (outside_port = ? OR ? BETWEEN outside_port AND outside_port_to OR "
            f"(outside_port IS NULL AND coalesce(protocol, 0) NOT IN {_ICMP}))"
        )
        values += [port, port]
    if protocols:
        where += " AND (protocol IS NULL OR list_contains(?, protocol))"
        values.append(list(protocols))
    if question.destination is not None:
        where += " AND (destination_address IS NULL OR destination_address = ?)"
        values.append(str(question.destination))
        if question.destination_port is not None:
            where += " AND (destination_port IS NULL OR destination_port = ?)"
            values.append(question.destination_port)
    about = RowsOf(asked_names(str(question.address), port))
    for back in _LOOK_BACKS:
        first, last = (
            to_milliseconds(moment) for moment in (window.from_at - back, window.to_at + back)
        )
        rows = tables.read(
            *(NAT, where, values),
            from_ms=first,
            to_ms=last,
            limit=MAX_ROWS + 1,
            among=index,
            about=about,
        )
        if len(rows) <= MAX_ROWS:
            break
    spans = pair(rows[:MAX_ROWS], first, last, held_ms)
    from_ms, to_ms = to_milliseconds(window.from_at), to_milliseconds(window.to_at)
    open_then = [span for span in spans if span.from_ms <= to_ms and span.to_ms >= from_ms]
    return open_then, len(rows) > MAX_ROWS or back is not LOOK_BACK


def pair(
    rows: Iterable[Found], earliest_ms: int, latest_ms: int, held_ms: int = CLOCK_AGREES_MS
) -> list[Span]:
    """The spans of `rows`; `earliest_ms` and `latest_ms` stand in for what was not told.

    Gateways reuse one outside port for several destinations at once, so the destination is
    part of what makes two lines speak of the same translation.
    """
    groups: dict[tuple[Any, ...], list[Found]] = {}
    for row in rows:
        groups.setdefault(_key(row.values), []).append(row)
    found: list[Span] = []
    for group in groups.values():
        opened: Found | None = None
        for row in group:
            event = row.values["event"]
            begins, ends = moments(row.values, held_ms)
            started = _started(row.values, begins)
            if event in _BEGINS:
                if opened is not None:
                    found.append(_span(opened, moments(opened.values, held_ms)[0], ends))
                opened = row
            elif event in _ENDS:
                first = earliest_ms if started is None else started
                if opened is not None:
                    first = moments(opened.values, held_ms)[0]
                found.append(_span(row, first, ends, opened))
                opened = None
            elif event == NatEvent.SESSION:
                found.append(_span(row, earliest_ms if started is None else started, ends))
            else:
                found.append(_span(row, begins if started is None else started, ends))
        if opened is not None:
            found.append(_span(opened, moments(opened.values, held_ms)[0], latest_ms))
    return found


def shown(spans: Sequence[Span]) -> list[Translation]:
    """The spans as the answer lists translations: those of one inside address and port as one."""
    groups: dict[tuple[str, int | None, int], list[Span]] = {}
    for span in spans:
        key = (span.inside_address, span.inside_port, span.protocol)
        groups.setdefault(key, []).append(span)
    return [
        Translation(
            inside_address=address,
            inside_port=port or 0,
            protocol=protocol,
            nat_event=0,
            from_ms=min(span.from_ms for span in group),
            to_ms=max(span.to_ms for span in group),
            flows=sum(len(span.records) for span in group),
            records=tuple(record for span in group for record in span.records)[:_EVIDENCE_SHOWN],
        )
        for (address, port, protocol), group in groups.items()
    ]


def _key(values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(
        values[name]
        for name in (
            *("source", "protocol", "inside_address", "inside_port", "outside_port"),
            *("outside_port_to", "destination_address", "destination_port"),
        )
    )


def moments(values: Mapping[str, Any], held_ms: int) -> tuple[int, int]:
    """(at the earliest, at the latest) an event took place.

    What the device tells may be truer than when its line came: a relay holds lines back while
    it cannot send. Both count then, because a wider net never misleads. A line that tells of
    the future, or of longer ago than `held_ms`, has a wrong clock, which is not listened to;
    lines that were really held back longer are a silence, and that is a gap. Where the two differ
    by more than clocks that agree do, the device's clock is all there is, and may be that wrong.
    """
    received, told = values["received_at"], values["event_at"]
    if told is None or not -CLOCK_AGREES_MS <= received - told <= held_ms:
        return received, received
    if received - told > CLOCK_AGREES_MS:
        return told - CLOCK_AGREES_MS, received
    return min(received, told), max(received, told)


def _started(values: Mapping[str, Any], begins: int) -> int | None:
    """When what is told with its duration began, if it was told at `begins` already.

    The archive's column was reckoned from when the line came, which may be long after it was told.
    """
    if values["started_at"] is None:
        return None
    lasted: int = values["received_at"] - values["started_at"]
    return begins - lasted


def _span(row: Found, from_ms: int, to_ms: int, opened: Found | None = None) -> Span:
    values = row.values
    return Span(
        inside_address=values["inside_address"] or "",
        inside_port=values["inside_port"],
        protocol=values["protocol"] or 0,
        from_ms=min(from_ms, to_ms),
        to_ms=to_ms,
        records=(*((opened.record,) if opened else ()), row.record),
    )
