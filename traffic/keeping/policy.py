"""What may go and what must stay. Pure: no clock, no disk, no database.

No setting can make anything go before the floor: the numbers are checked here once more,
wherever they came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from common.config import RETENTION_CEILING_DAYS, RETENTION_FLOOR_DAYS
from common.errors import Refused
from traffic.archive.entries import Entry
from traffic.keeping.timeline import DAY_MS, Timeline

ADMIN_FLOOR_DAYS = 180
"""What administrators did is kept half a year (R52)."""

HOLD_CEILING_DAYS = 730
"""Section 26: an order reaches no further than two years from the entry of the data."""

EARLIER_MS = {"lease": 2 * DAY_MS, "nat": DAY_MS}
LATER_MS = {"nat": DAY_MS}
"""How far from a moment a look-up of it reads what was told of it: who had an address then was told
when it was given out, and what was translated then when that began or ended."""

PURGE = "purge"
"""Kind of the manifest lines that tell what was taken away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldTerms:
    """One order that records be kept; times in milliseconds since 1970."""

    hold_id: int
    from_ms: int
    to_ms: int
    until_ms: int
    created_ms: int
    account_id: int | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a purge would do."""

    due: tuple[Entry, ...] = ()
    """Segments that go."""
    held: tuple[Entry, ...] = ()
    """Segments that would go, but for a hold."""
    holds: tuple[HoldTerms, ...] = field(default=())
    """Holds in force."""


def keep_days(retention_days: int, kind: str = "") -> int:
    """How many days records of `kind` are kept.

    Raises:
        Refused: `retention_days` is outside what the law allows.
    """
    if not RETENTION_FLOOR_DAYS <= retention_days <= RETENTION_CEILING_DAYS:
        raise Refused(
            f"archive.retention_days is {retention_days}; nothing is purged unless it is between "
            f"{RETENTION_FLOOR_DAYS} and {RETENTION_CEILING_DAYS}"
        )
    return max(retention_days, ADMIN_FLOOR_DAYS) if kind == "admin" else retention_days


def in_force(holds: Sequence[HoldTerms], timeline: Timeline) -> tuple[HoldTerms, ...]:
    """Those whose time is not over, by the clock and by what the chain has lived through."""
    return tuple(
        hold
        for hold in holds
        if timeline.now_ms < hold.until_ms
        or timeline.lived_since(hold.created_ms) < hold.until_ms - hold.created_ms
    )


def is_held(entry: Entry, holds: Sequence[HoldTerms], timeline: Timeline) -> bool:
    """Whether any of `holds`, all in force, covers something of the segment.

    A segment is kept whole: cut in two, its hash would prove nothing any more.
    """
    ceiling_ms = HOLD_CEILING_DAYS * DAY_MS
    if (
        entry.written_ms + ceiling_ms <= timeline.now_ms
        and timeline.lived_since_line(entry.seq) >= ceiling_ms
    ):
        return False
    first, last = entry.received_min_ms, entry.received_max_ms
    if entry.kind == "flow":
        first, last = min(first, entry.active_min_ms), max(last, entry.active_max_ms)
    told = "nat" if entry.nat_events else entry.kind
    last, first = last + EARLIER_MS.get(told, 0), first - LATER_MS.get(told, 0)
    return any(hold.from_ms <= last and hold.to_ms >= first for hold in holds)


def plan_purge(
    segments: Iterable[Entry],
    timeline: Timeline,
    retention_days: int,
    holds: Sequence[HoldTerms],
) -> Plan:
    """Which segments may go: older than they are kept, by their newest record and their entry.

    Args:
        segments: the lines of those that are still there.

    Raises:
        Refused: `retention_days` is outside what the law allows.
    """
    keep_days(retention_days)
    valid = in_force(holds, timeline)
    due: list[Entry] = []
    held: list[Entry] = []
    for entry in segments:
        if not _is_over(entry, timeline, retention_days):
            continue
        (held if is_held(entry, valid, timeline) else due).append(entry)
    return Plan(due=tuple(due), held=tuple(held), holds=valid)


def _is_over(entry: Entry, timeline: Timeline, retention_days: int) -> bool:
    kept_ms = keep_days(retention_days, entry.kind) * DAY_MS
    newest = max(entry.received_max_ms, entry.written_ms)
    return (
        newest + kept_ms < timeline.now_ms
        and timeline.lived_since_line(entry.seq) >= RETENTION_FLOOR_DAYS * DAY_MS
    )
