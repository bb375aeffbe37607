"""How wrong this machine's clock may have been between two moments, by what was measured.

Pure, and loads next to nothing: a command that is over in a blink asks it too.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

AROUND_MS = 90 * 60_000
"""The samples before and after a moment both count, also when one of them came late."""

FAR_MS = 7 * 24 * 3_600_000
"""So far a step is looked for when no good sample comes before it."""

GOOD, STEP = "synchronised", "step"
"""`traffic.clock.judgement.State`, which takes long to load."""


class Reading:
    """One sample of this machine's own clock."""

    __slots__ = ("at_ms", "error_us", "offset_us", "state")

    def __init__(self, at_ms: int, state: str, offset_us: int | None, error_us: int | None) -> None:
        self.at_ms = at_ms
        self.state = state
        self.offset_us = offset_us
        self.error_us = error_us

    @property
    def is_good(self) -> bool:
        return self.state == GOOD

    @property
    def step_us(self) -> int:
        """By how much the clock was set; 0: it was not."""
        return abs(self.offset_us or 0) if self.state == STEP else 0


def error_us(read: Callable[[int, int], Sequence[Reading]], low_ms: int, high_ms: int) -> int:
    """The greatest bound of the samples around two moments, and every step among them.

    Where no good sample stands between the moments and a step, the clock may have been wrong by
    that step all along, up to a week. Zero where nothing was measured: what is assumed then is
    the asker's business.

    Args:
        read: the samples of a span, both its ends among them, oldest first.
    """
    around = read(low_ms - AROUND_MS, high_ms + AROUND_MS)
    bounds = [
        abs(one.offset_us) + one.error_us
        for one in around
        if one.offset_us is not None and one.error_us is not None
    ]
    steps = sum(one.step_us for one in around)
    if not any(one.is_good and one.at_ms >= high_ms for one in around):
        steps += _steps_until_good(read(high_ms + AROUND_MS + 1, high_ms + FAR_MS))
    if not any(one.is_good and one.at_ms <= low_ms for one in around):
        steps += _steps_until_good(reversed(read(low_ms - FAR_MS, low_ms - AROUND_MS - 1)))
    return max([0, *bounds]) + steps


def _steps_until_good(readings: Iterable[Reading]) -> int:
    """The steps before the first good sample."""
    steps = 0
    for one in readings:
        if one.is_good:
            break
        steps += one.step_us
    return steps
