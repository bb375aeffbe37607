"""How `manifest.index` is laid out, for its two readers. Pure, and loads nothing.

A head, a row for each line, then for each 256 rows what any of them may be wanted for: whoever
looks for one day passes over a year's rows without reading them.
"""

from __future__ import annotations

import struct

NAME = "manifest.index"

UNINDEXED_OCTETS = 1 << 20
"""So much of the manifest is decoded line by line: 1,500 lines, 50 ms."""

MAGIC = b"yuenyan-index-2\n"
COUNT = struct.Struct("<Q")
"""Rows; stands after the last line that is covered."""

ROW = struct.Struct("<qi16s???qqqq")
"""Offset and octets of a line, its kind, whether it has a path, removes, has translations; when
its flows were active; first and last moment of its gaps."""

STEP = 256
"""Rows that one span speaks of."""

SPANNED = ("flow", "clock")
"""The kinds of segments that are found by spans."""

SPAN = struct.Struct("<qqqqqqq")
"""Of the lines of segments of each of `SPANNED`, then of the gaps: first and last moment. Then
how many lines remove."""

NOTHING = (1 << 62, -(1 << 62))
"""First and last moment where there is none."""

NO_GAP = -(1 << 62)


def spans_of(count: int) -> int:
    """How many spans go with `count` rows."""
    return -(-count // STEP)


def length(count: int) -> int:
    """Octets of `count` rows and their spans."""
    return count * ROW.size + spans_of(count) * SPAN.size
