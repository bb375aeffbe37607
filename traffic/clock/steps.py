"""Notices when the wall clock is set instead of led: it jumps against a clock nobody can set.

Both run at the same, corrected rate, so a clock that chrony leads slowly makes no step.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from common import clock

SMALLEST_US = 5_000
"""Half of what the law tolerates; a reading that was interrupted is taken again."""

_QUIET_NS = 200_000
_TRIES = 5

Reading = tuple[int, int]
"""(wall, steady) in nanoseconds, read at the same moment."""


def read_clocks() -> Reading:
    """The wall clock and one that only runs forward, also while the machine sleeps."""
    for _ in range(_TRIES):
        before = _steady_ns()
        wall = clock.unix_nanoseconds()
        after = _steady_ns()
        if after - before < _QUIET_NS:
            break
    return wall, (before + after) // 2


def _steady_ns() -> int:
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic_ns() if boot is None else time.clock_gettime_ns(boot)


class StepWatch:
    """Say `look()` every few seconds; it tells of a step since the last time."""

    def __init__(self, read: Callable[[], Reading] = read_clocks) -> None:
        self._read = read
        self._before: Reading | None = None

    def look(self) -> int | None:
        """By how many microseconds the wall clock was set, forward positive; None: it was not."""
        now = self._read()
        before, self._before = self._before, now
        if before is None:
            return None
        moved_us = ((now[0] - before[0]) - (now[1] - before[1])) // 1000
        return moved_us if abs(moved_us) >= SMALLEST_US else None
