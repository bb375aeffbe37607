"""Which rows of the database the lines of the manifest say are in segments, and which notes stand.

Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

from traffic.archive.entries import Entry

RESTATED = "restated"
"""Kind of the line that says: notes of these rows from before it no longer count."""

_KIND_OF = {"audit_event": "admin", "auth_event": "access", "accounting_event": "session"}


def split_range(text: str) -> tuple[str, int, int]:
    """(table, first, last) of `audit_event:1-5000`; an empty range when it is none."""
    name, _, numbers = text.partition(":")
    first, _, last = numbers.partition("-")
    try:
        return name, int(first), int(last or first)
    except ValueError:
        return name, 0, -1


class Moves:
    """What was moved: only segments of the right kind count, whatever else a line says."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        sums: dict[tuple[str, int, int], int] = {}
        for entry in entries:
            if not entry.path or ":" not in entry.origin or entry.records <= 0:
                continue
            span = split_range(entry.origin)
            if _KIND_OF.get(span[0]) == entry.kind and span[1] <= span[2]:
                sums[span] = sums.get(span, 0) + entry.records
        self._tables: dict[str, list[tuple[int, int, int]]] = {}
        for (name, first, last), records in sorted(sums.items()):
            self._tables.setdefault(name, []).append((first, last, records))
        self._furthest = {
            name: list(accumulate((last for _, last, _ in spans), max))
            for name, spans in self._tables.items()
        }

    def records(self, name: str, first: int, last: int) -> int:
        """How many records lie in the segments whose rows meet this range."""
        spans, found = self._tables.get(name, []), 0
        place = bisect_right(spans, last, key=lambda span: span[0]) - 1
        while place >= 0 and self._furthest[name][place] >= first:
            if spans[place][1] >= first:
                found += spans[place][2]
            place -= 1
        return found


def standing_notes(entries: Sequence[Entry]) -> list[Entry]:
    """The notes of rows that no later line restates, oldest first."""
    restated: dict[str, int] = {}
    standing: list[Entry] = []
    for entry in reversed(entries):
        if not entry.rows:
            continue
        name, first, last = split_range(entry.rows)
        if entry.kind == RESTATED:
            restated[name] = min(first, restated.get(name, first))
        elif last < restated.get(name, last + 1):
            standing.append(entry)
    return standing[::-1]
