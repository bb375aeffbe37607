"""How much time an archive has certainly lived through. Pure.

A clock that jumps a year ahead makes every record look old enough to be let go. The chain
knows better: its lines and seals stand in the order in which they were made, an hour apart at
most. From one to the next no more than a day is believed, so a jump counts as one day and a
machine that was switched off for a month keeps its records a month longer.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from heapq import merge
from typing import Protocol

from common.errors import ArchiveError

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

    def __init__(self, lines: Iterable[Line], seals: Iterable[Seal], now_ms: int) -> None:
        """Take the moments of lines and seals, both in the order of their numbers.

        Raises:
            ArchiveError: they are not in that order.
        """
        self.now_ms = now_ms
        # Of a year there are hundreds of thousands: eight octets a number.
        self._shown, self._lived = array("q"), array("q")
        """What the clock showed, and the time lived through then, in the order of the chain."""
        self._seqs, self._at_line = array("q"), array("q")
        """Number of each line, and the time lived through when it was written."""
        moments = merge(
            ((line.seq, 0, line.written_ms) for line in lines),
            ((seal.seq, 1, seal.at_ms) for seal in seals),
            key=lambda moment: moment[:2],
        )
        lived, last, place = 0, None, (0, 0)
        for seq, is_seal, at_ms in moments:
            if (seq, is_seal) < place:
                raise ArchiveError("manifest.jsonl", f"line {seq} stands after line {place[0]}")
            place = seq, is_seal
            lived += 0 if last is None else min(max(at_ms - last, 0), STEP_MS)
            last = at_ms
            self._shown.append(at_ms)
            self._lived.append(lived)
            if not is_seal:
                self._seqs.append(seq)
                self._at_line.append(lived)
        self.last_ms = last
        """What the clock showed when the chain was last written to; None when it is empty."""
        self.total_ms = lived + (0 if last is None else min(max(now_ms - last, 0), STEP_MS))

    @property
    def ahead_ms(self) -> int:
        """How far the clock is ahead of the last line or seal."""
        return 0 if self.last_ms is None else max(self.now_ms - self.last_ms, 0)

    def lived_since_line(self, seq: int) -> int:
        """Milliseconds that certainly passed since line `seq` was written."""
        place = bisect_left(self._seqs, seq)
        if place == len(self._seqs) or self._seqs[place] != seq:
            return 0
        return self.total_ms - self._at_line[place]

    def lived_since(self, at_ms: int) -> int:
        """Milliseconds that certainly passed since the clock last began to show `at_ms`."""
        after = len(self._shown)
        while after and self._shown[after - 1] >= at_ms:
            after -= 1
        if after < len(self._lived):
            return self.total_ms - self._lived[after]
        lived = self._lived[-1] if self._lived else 0
        return min(max(self.now_ms - at_ms, 0), self.total_ms - lived)

    def let_go_before(self, keep_ms: int, floor_ms: int) -> int | None:
        """What is stamped at or before this moment is old enough by clock and chain.

        None when nothing is: the archive has not lived through `floor_ms` yet.
        """
        position = bisect_right(self._lived, self.total_ms - floor_ms)
        if position == 0:
            return None
        # The least, because a clock that was ahead for a while is not to be believed.
        shown = min(self._shown[position - 1 :])
        return min(self.now_ms - keep_ms, shown)
