"""What is known to be missing for a window, from the rows and notes that say so.

A process that died is believed up to its last sign of life, no longer. Loads nothing, so that a
command that is over in a blink may ask it; traffic.lookup.coverage asks it for all others.
"""

from __future__ import annotations

import os
from datetime import timedelta

from traffic.collectors.first_record import HEAD_OCTETS, first_received_ns
from traffic.collectors.gap_kinds import kind_of_source
from traffic.lookup.spans import GapSpan, Window, uncovered
from traffic.moments import from_micros, from_milliseconds, to_micros

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from traffic.lookup.store import Store

ALIVE = timedelta(seconds=60)
"""A run without an end, heard of this recently, is running; beats come every 5 to 30 s."""

EXPORT_DELAY = timedelta(minutes=30)
"""A datagram that was lost may have told of flows this much older: the longest usual active
time-out of an exporter."""

NOT_RUNNING = "not_running"
PENDING = "pending"

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


def not_running(store: Store, process: str, window: Window, now: datetime) -> list[GapSpan]:
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


def recorded(store: Store, window: Window, kinds: set[str]) -> list[GapSpan]:
    """Gaps of `kinds` that the database knows of."""
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
    return [span for span in spans if matters(span, window)]


def noted(notes: Iterable[Mapping[str, str | int]], window: Window, kind: str) -> list[GapSpan]:
    """Gaps of `kind` among the notes of manifest lines, as the lines have them."""
    spans = (
        GapSpan(
            kind=kind,
            source=str(note["source"]),
            reason=str(note["reason"]),
            from_at=from_milliseconds(int(note["from_ms"])),
            to_at=from_milliseconds(int(note["to_ms"])),
            lost=int(note["lost"]),
        )
        for note in notes
        if kind_of_source(str(note["source"])) == kind
    )
    return [span for span in spans if matters(span, window)]


def distinct(found: Iterable[GapSpan]) -> list[GapSpan]:
    """The copy of a gap in the database and its record in the manifest are one."""
    unique = {(gap.kind, gap.source, gap.from_at, gap.to_at, gap.reason): gap for gap in found}
    return sorted(unique.values(), key=lambda gap: (gap.from_at, gap.kind, gap.source))


def matters(gap: GapSpan, window: Window) -> bool:
    """True when the gap may hide something of `window`."""
    begins = gap.from_at - EXPORT_DELAY if gap.kind in ("flow", LOGGED) else gap.from_at
    return window.overlaps(begins, gap.to_at)


def waiting_since(spool: str) -> datetime | None:
    """When the oldest datagram that is not in the archive yet was received, or None."""
    try:
        names = os.listdir(spool)  # noqa: PTH208 - pathlib is slow to load
    except OSError:
        return None
    waiting = [name for name in names if name.endswith((".spool", ".open"))]
    for name in sorted(waiting, key=lambda one: one.rpartition(".")[0]):
        received_ns = first_received_ns(_head(spool, name))
        if received_ns is not None:
            return from_micros(received_ns // 1000)
    return None


def _head(spool: str, name: str) -> bytes:
    """The beginning of a spool file; nothing of one that has gone into the archive meanwhile."""
    stem, dot, _ = name.rpartition(".")
    for one in (name, f"{stem}{dot}spool"):  # where it was closed since it was listed
        try:
            with open(f"{spool}/{one}", "rb") as stream:  # noqa: PTH123 - pathlib is slow to load
                return stream.read(HEAD_OCTETS)
        except OSError:
            continue
    return b""


def pending_from(
    since: datetime | None, segment_seconds: int, window: Window, now: datetime
) -> Sequence[GapSpan]:
    """The gap of what is received but not in the archive yet, when it touches `window`.

    Args:
        since: what `waiting_since` has found.
    """
    if since is None or since > window.to_at or window.from_at > now:
        return ()
    until = max(since, now) + timedelta(seconds=segment_seconds)
    return (GapSpan(kind="flow", source="collector", reason=PENDING, from_at=since, to_at=until),)
