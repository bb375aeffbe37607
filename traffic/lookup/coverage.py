"""What is known to be missing for a window: times nobody was receiving, and recorded gaps.

A process that died is believed up to its last sign of life, no longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from common.config import Config
from db.models import Gap, ServiceRun
from db.models.base import from_micros
from traffic.archive.entries import Entry
from traffic.collectors.records import RECORD_HEADER, decode_records
from traffic.lookup.attribution import GapSpan, Window, uncovered

ALIVE = timedelta(seconds=60)
"""A run without an end, heard of this recently, is running; beats come every 5 to 30 s."""

EXPORT_DELAY = timedelta(minutes=30)
"""A datagram that was lost may have told of flows this much older: the longest usual active
time-out of an exporter."""

PROCESS_KINDS = {"radius": "radius", "collector": "flow"}


def find_gaps(
    session: Session,
    entries: Iterable[Entry],
    window: Window,
    now: datetime,
    processes: Sequence[str],
) -> list[GapSpan]:
    """Gaps of `processes` (radius, collector) that overlap `window`."""
    found: list[GapSpan] = []
    for process in processes:
        found.extend(_not_running(session, process, window, now))
    found.extend(_recorded(session, window, [PROCESS_KINDS[one] for one in processes]))
    if "collector" in processes:
        found.extend(_in_manifest(entries, window))
    unique = {(gap.kind, gap.source, gap.from_at, gap.to_at, gap.reason): gap for gap in found}
    return sorted(unique.values(), key=lambda gap: (gap.from_at, gap.kind, gap.source))


def pending_since(spool: Path) -> datetime | None:
    """When the oldest datagram that is not in the archive yet was received, or None."""
    waiting = [*spool.glob("*.spool"), *spool.glob("*.open")]
    for path in sorted(waiting, key=lambda one: one.stem):
        try:
            with path.open("rb") as stream:
                head = stream.read(RECORD_HEADER.itemsize + 65_535)
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
    return GapSpan(kind="flow", source="collector", reason="pending", from_at=since, to_at=until)


def _not_running(session: Session, process: str, window: Window, now: datetime) -> list[GapSpan]:
    """Parts of `window`, up to now, in which `process` ran nowhere."""
    end = window.to_at
    if window.from_at <= now < end:
        end = now
    query = select(ServiceRun.started_at, ServiceRun.alive_at, ServiceRun.stopped_at).where(
        ServiceRun.process == process,
        ServiceRun.started_at <= window.to_at,
        or_(ServiceRun.alive_at >= window.from_at - ALIVE, ServiceRun.stopped_at >= window.from_at),
    )
    runs = []
    for started_at, alive_at, stopped_at in session.execute(query):
        until = max(alive_at, stopped_at or alive_at)
        if stopped_at is None and now - alive_at <= ALIVE:
            until = max(until, now)
        runs.append((started_at, until))
    return [
        GapSpan(
            kind=PROCESS_KINDS[process],
            source=process,
            reason="not_running",
            from_at=from_at,
            to_at=to_at,
        )
        for from_at, to_at in uncovered(Window(window.from_at, end), runs)
    ]


def _recorded(session: Session, window: Window, kinds: Sequence[str]) -> list[GapSpan]:
    query = select(Gap).where(
        Gap.kind.in_(kinds),
        Gap.from_at <= window.to_at + EXPORT_DELAY,
        Gap.to_at >= window.from_at,
    )
    spans = [
        GapSpan(
            kind=row.kind,
            source=row.source,
            reason=row.reason,
            from_at=row.from_at,
            to_at=row.to_at,
            lost=row.lost,
        )
        for row in session.scalars(query)
    ]
    return [span for span in spans if _matters(span, window)]


def _in_manifest(entries: Iterable[Entry], window: Window) -> list[GapSpan]:
    spans = (
        GapSpan(
            kind="flow",
            source=note.source,
            reason=note.reason,
            from_at=from_micros(note.from_ms * 1000),
            to_at=from_micros(note.to_ms * 1000),
            lost=note.lost,
        )
        for entry in entries
        for note in entry.gaps
    )
    return [span for span in spans if _matters(span, window)]


def _matters(gap: GapSpan, window: Window) -> bool:
    """True when the gap may hide something of `window`."""
    begins = gap.from_at - EXPORT_DELAY if gap.kind == "flow" else gap.from_at
    return window.overlaps(begins, gap.to_at)
