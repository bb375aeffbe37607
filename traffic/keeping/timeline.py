"""How much time an archive has certainly lived through. Pure.

A clock that jumps a year ahead makes every record look old enough to be let go. The chain
knows better: its lines and seals stand in the order in which they were made, an hour apart at
most. From one to the next no more than a day is believed, so a jump counts as one day and a
machine that was switched off for a month keeps its records a month longer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol

DAY_MS = 86_400_000
STEP_MS = DAY_MS
"""Seals are an hour apart; a day allows for a night without power."""


class Line(Protocol):
    """A line of the manifest, as far as it matters here."""

    @property
    def seq(self) -> int: ...
    @property
    def written_ms(self) -> int: ...


class Seal(Protocol):
    """A seal, as far as it matters here."""

    @property
    def seq(self) -> int: ...
    @property
    def at_ms(self) -> int: ...


class Timeline:
    """The moments of one archive, in the order of its chain."""

    def __init__(self, lines: Sequence[Line], seals: Sequence[Seal], now_ms: int) -> None:
        self.now_ms = now_ms
        moments = [(line.seq, 0, line.written_ms) for line in lines]
        moments += [(seal.seq, 1, seal.at_ms) for seal in seals]
        moments.sort(key=lambda moment: moment[:2])
        self._lived: list[tuple[int, int]] = []
        """(clock, time lived through when it showed that), in the order of the chain."""
        self._at_line: dict[int, int] = {}
        lived, last = 0, None
        for seq, is_seal, at_ms in moments:
            lived += 0 if last is None else min(max(at_ms - last, 0), STEP_MS)
            last = at_ms
            self._lived.append((at_ms, lived))
            if not is_seal:
                self._at_line[seq] = lived
        self.last_ms = last
        """What the clock showed when the chain was last written to; None when it is empty."""
        self.total_ms = lived + (0 if last is None else min(max(now_ms - last, 0), STEP_MS))

    @property
    def ahead_ms(self) -> int:
        """How far the clock is ahead of the last line or seal."""
        return 0 if self.last_ms is None else max(self.now_ms - self.last_ms, 0)

    def lived_since_line(self, seq: int) -> int:
        """Milliseconds that certainly passed since line `seq` was written."""
        return self.total_ms - self._at_line.get(seq, self.total_ms)

    def lived_since(self, at_ms: int) -> int:
        """Milliseconds that certainly passed since the clock last began to show `at_ms`."""
        below = [place for place, (shown, _lived) in enumerate(self._lived) if shown < at_ms]
        after = below[-1] + 1 if below else 0
        if after < len(self._lived):
            return self.total_ms - self._lived[after][1]
        lived = self._lived[-1][1] if self._lived else 0
        return min(max(self.now_ms - at_ms, 0), self.total_ms - lived)

    def let_go_before(self, keep_ms: int, floor_ms: int) -> int | None:
        """What is stamped at or before this moment is old enough by clock and chain.

        None when nothing is: the archive has not lived through `floor_ms` yet.
        """
        lived = [so_far for _shown, so_far in self._lived]
        position = bisect_right(lived, self.total_ms - floor_ms)
        if position == 0:
            return None
        # The least, because a clock that was ahead for a while is not to be believed.
        shown = self._lived[position - 1][0]
        later = [at_ms for at_ms, _lived in self._lived[position:]]
        return min([shown, self.now_ms - keep_ms, *later])
