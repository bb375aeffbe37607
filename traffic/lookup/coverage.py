"""What is known to be missing for a window: times nobody was receiving, and recorded gaps.

A process that died is believed up to its last sign of life, no longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from common.config import Config
from traffic.archive.entries import Entry
from traffic.archive.inside import Inside
from traffic.archive.reading import FlowReader
from traffic.decoders.sequences import GapReason
from traffic.lookup.attribution import LET_GO, GapSpan, Window
from traffic.lookup.missing import ALIVE as ALIVE
from traffic.lookup.missing import (
    EXPORT_DELAY,
    PENDING,
    PROCESS_KINDS,
    distinct,
    not_running,
    noted,
    pending_from,
    recorded,
    waiting_since,
)
from traffic.lookup.missing import LOGGED as LOGGED
from traffic.lookup.missing import NOT_RUNNING as NOT_RUNNING
from traffic.lookup.spans import SAMPLED
from traffic.lookup.store import Store
from traffic.moments import to_milliseconds

GAP_REASONS = frozenset({*GapReason, NOT_RUNNING, PENDING, LET_GO, SAMPLED})
"""Every reason a gap of an answer can have."""


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
        found.extend(not_running(store, process, window, now))
    found.extend(recorded(store, window, {PROCESS_KINDS[one] for one in processes}))
    if "collector" in processes:
        found.extend(_in_manifest(_with_gaps(reader, window), window, "flow"))
    return distinct(found)


def find_logged_gaps(store: Store, reader: FlowReader, window: Window) -> list[GapSpan]:
    """Recorded gaps of log lines that overlap `window`."""
    known = recorded(store, window, {LOGGED})
    return distinct([*known, *_in_manifest(_with_gaps(reader, window), window, LOGGED)])


def _with_gaps(reader: FlowReader, window: Window) -> list[Entry]:
    """Lines of the manifest with a gap that may touch `window`."""
    from_ms = to_milliseconds(window.from_at)
    return reader.with_gaps(from_ms, to_milliseconds(window.to_at + EXPORT_DELAY))


def pending_since(spool: Path) -> datetime | None:
    """When the oldest datagram that is not in the archive yet was received, or None."""
    return waiting_since(str(spool))


def open_reader(config: Config) -> FlowReader:
    """The flows of the site's archive.

    What waits is asked before the manifest is read: what is committed between the two is in
    neither when they are asked the other way round, and nobody were told.
    """
    since = pending_since(config.data_dir / "spool")
    return FlowReader(config.data_dir / "archive", Inside(config.collector.inside), since)


def find_pending(
    config: Config, reader: FlowReader, window: Window, now: datetime
) -> GapSpan | None:
    """The gap of what was received but not what `reader` reads, when it touches `window`."""
    seconds = config.archive.segment_seconds
    found = pending_from(reader.waiting_since, seconds, window, now)
    return found[0] if found else None


def _in_manifest(entries: Iterable[Entry], window: Window, kind: str) -> list[GapSpan]:
    return noted((asdict(note) for entry in entries for note in entry.gaps), window, kind)
