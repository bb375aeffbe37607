"""What is known to be missing for a window: times nobody was receiving, and recorded gaps.

A process that died is believed up to its last sign of life, no longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from common.config import Config
from traffic.archive.entries import Entry
from traffic.archive.reading import FlowReader
from traffic.collectors.gap_kinds import gap_kind
from traffic.collectors.records import HEADER_OCTETS, decode_records
from traffic.decoders.sequences import GapReason
from traffic.lookup.attribution import LET_GO, GapSpan, Window, uncovered
from traffic.lookup.store import Store
from traffic.moments import from_micros, from_milliseconds, to_micros, to_milliseconds

ALIVE = timedelta(seconds=60)
"""A run without an end, heard of this recently, is running; beats come every 5 to 30 s."""

EXPORT_DELAY = timedelta(minutes=30)
"""A datagram that was lost may have told of flows this much older: the longest usual active
time-out of an exporter."""

NOT_RUNNING = "not_running"
PENDING = "pending"

GAP_REASONS = frozenset({*GapReason, NOT_RUNNING, PENDING, LET_GO})
"""Every reason a gap of an answer can have."""

_RUNS = (
    "SELECT started_at, alive_at, stopped_at FROM service_run WHERE process = :process "
    "AND started_at <= :last AND (alive_at >= :first OR stopped_at >= :first)"
)
_GAPS = (
    "SELECT kind, source, reason, from_at, to_at, lost FROM gap "
    "WHERE from_at <= :last AND to_at >= :first"
)

PROCESS_KINDS = {"radius": "radius", "collector": "flow"}

LOGGED = "syslog"
"""The kind of a gap of log lines; the collector receives them beside the flows."""


def find_gaps(
    store: Store,
    reader: FlowReader,
    window: Window,
    now: datetime,
    processes: Sequence[str],
) -> list[GapSpan]:
    """Gaps of `processes` (radius, collector) that overlap `window`."""
    found: list[GapSpan] = []
    for process in processes:
        found.extend(_not_running(store, process, window, now))
    found.extend(_recorded(store, window, {PROCESS_KINDS[one] for one in processes}))
    if "collector" in processes:
        found.extend(_in_manifest(_with_gaps(reader, window), window, "flow"))
    return _distinct(found)


def find_logged_gaps(store: Store, reader: FlowReader, window: Window) -> list[GapSpan]:
    """Recorded gaps of log lines that overlap `window`."""
    recorded = _recorded(store, window, {LOGGED})
    return _distinct([*recorded, *_in_manifest(_with_gaps(reader, window), window, LOGGED)])


def _with_gaps(reader: FlowReader, window: Window) -> list[Entry]:
    """Lines of the manifest with a gap that may touch `window`."""
    from_ms = to_milliseconds(window.from_at)
    return reader.with_gaps(from_ms, to_milliseconds(window.to_at + EXPORT_DELAY))


def _distinct(found: Iterable[GapSpan]) -> list[GapSpan]:
    """The copy of a gap in the database and its record in the manifest are one."""
    unique = {(gap.kind, gap.source, gap.from_at, gap.to_at, gap.reason): gap for gap in found}
    return sorted(unique.values(), key=lambda gap: (gap.from_at, gap.kind, gap.source))


def pending_since(spool: Path) -> datetime | None:
    """When the oldest datagram that is not in the archive yet was received, or None."""
    waiting = [*spool.glob("*.spool"), *spool.glob("*.open")]
    for path in sorted(waiting, key=lambda one: one.stem):
        try:
            with path.open("rb") as stream:
                head = stream.read(HEADER_OCTETS + 65_535)
        except OSError:
            continue
        for record in decode_records(memoryview(head)):
            return from_micros(record.received_ns // 1000)
    return None


def find_pending(config: Config, window: Window, now: datetime) -> GapSpan | None:
    """The gap of what is received but not in the archive yet, when it touches `window`."""
    since = pending_since(config.data_dir / "spool")
    if since is None or since > window.to_at or window.from_at > now:
        return None
    until = max(since, now) + timedelta(seconds=config.archive.segment_seconds)
    return GapSpan(kind="flow", source="collector", reason=PENDING, from_at=since, to_at=until)


def _not_running(store: Store, process: str, window: Window, now: datetime) -> list[GapSpan]:
    """Parts of `window`, up to now, in which `process` ran nowhere."""
    end = window.to_at
    if window.from_at <= now < end:
        end = now
    runs = []
    for row in store.rows(
        _RUNS,
        process=process,
        first=to_micros(window.from_at - ALIVE),
        last=to_micros(window.to_at),
    ):
        started_at, alive_at, stopped_at = (
            None if value is None else from_micros(int(value)) for value in row
        )
        assert started_at is not None
        assert alive_at is not None
        until = max(alive_at, stopped_at or alive_at)
        if stopped_at is None and now - alive_at <= ALIVE:
            until = max(until, now)
        runs.append((started_at, until))
    return [
        GapSpan(
            kind=PROCESS_KINDS[process],
            source=process,
            reason=NOT_RUNNING,
            from_at=from_at,
            to_at=to_at,
        )
        for from_at, to_at in uncovered(Window(window.from_at, end), runs)
    ]


def _recorded(store: Store, window: Window, kinds: set[str]) -> list[GapSpan]:
    rows = store.rows(
        _GAPS, first=to_micros(window.from_at), last=to_micros(window.to_at + EXPORT_DELAY)
    )
    spans = [
        GapSpan(
            kind=kind,
            source=source,
            reason=reason,
            from_at=from_micros(int(from_at)),
            to_at=from_micros(int(to_at)),
            lost=int(lost),
        )
        for kind, source, reason, from_at, to_at, lost in rows
        if kind in kinds
    ]
    return [span for span in spans if _matters(span, window)]


def _in_manifest(entries: Iterable[Entry], window: Window, kind: str) -> list[GapSpan]:
    spans = (
        GapSpan(
            kind=kind,
            source=note.source,
            reason=note.reason,
            from_at=from_milliseconds(note.from_ms),
            to_at=from_milliseconds(note.to_ms),
            lost=note.lost,
        )
        for entry in entries
        for note in entry.gaps
        if gap_kind(note) == kind
    )
    return [span for span in spans if _matters(span, window)]


def _matters(gap: GapSpan, window: Window) -> bool:
    """True when the gap may hide something of `window`."""
    begins = gap.from_at - EXPORT_DELAY if gap.kind in ("flow", LOGGED) else gap.from_at
    return window.overlaps(begins, gap.to_at)
