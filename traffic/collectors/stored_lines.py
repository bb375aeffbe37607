"""The lines of the segments that may hold what is decoded again, read once and kept up to date.

The manifest is long, and whoever holds the archive's lock keeps everybody else from writing: of
the lines only those that came since the last time are read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from traffic.archive.entries import Entry, decode_entry
from traffic.archive.kinds import NAT
from traffic.archive.lines import REMOVED, Lines
from traffic.archive.manifest import Manifest

FLOW = "flow"
_MARKS = (f'"kind":"{FLOW}"'.encode(), f'"kind":"{NAT.name}"'.encode(), REMOVED)


class StoredLines:
    """Segments of flows and translations that were received in certain spans of time."""

    def __init__(self, manifest: Manifest, spans: Iterable[tuple[int, int]]) -> None:
        """Take the spans, (first, last) in milliseconds since 1970."""
        self._manifest = manifest
        self._spans = _joined(spans)
        self._octets = self._lines = 0
        self._found: dict[str, Entry] = {}

    def catch_up(self) -> list[Entry]:
        """The lines that came since this was called last; at first all.

        Raises:
            ArchiveError: a line is damaged.
        """
        now = self._manifest.committed()
        came: list[Entry] = []
        for number, line in Lines(now.path, now.octets, self._octets, self._lines).numbered():
            self._lines = number
            if not any(mark in line for mark in _MARKS):
                continue
            entry = decode_entry(line, number)
            for path in entry.removed:
                self._found.pop(path, None)
            if entry.path and entry.kind in (FLOW, NAT.name) and self._is_wanted(entry):
                self._found[entry.path] = entry
                came.append(entry)
        self._octets = now.octets
        return [entry for entry in came if entry.path in self._found]

    def touching(self, kind: str, first_ms: int, last_ms: int) -> list[Entry]:
        """The segments of `kind` that were received in part between the two, both included."""
        return [one for one in self._found.values() if touches(one, kind, first_ms, last_ms)]

    def _is_wanted(self, entry: Entry) -> bool:
        place = bisect_right(self._spans, (entry.received_max_ms, 1 << 62))
        return place > 0 and self._spans[place - 1][1] >= entry.received_min_ms


def touches(entry: Entry, kind: str, first_ms: int, last_ms: int) -> bool:
    """Whether a segment is of `kind` and of that time."""
    return (
        entry.kind == kind
        and entry.received_min_ms <= last_ms
        and entry.received_max_ms >= first_ms
    )


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans in order, those that overlap made one."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found
