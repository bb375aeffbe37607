"""What a manifest says in sum: segments by kind, gaps, what was purged. Grows line by line.

Pure. A purge takes from the sums what it removed, which a sum cannot: then `summarise` counts
all lines anew.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from traffic.archive.entries import Entry, GapNote

SHOWN_GAPS = 100
"""The newest gaps listed; their whole number is always told."""


@dataclass(slots=True)
class KindSum:
    """The segments of one kind that are still there; times in milliseconds since 1970."""

    records: int = 0
    octets: int = 0
    segments: int = 0
    oldest_ms: int = 0
    newest_ms: int = 0


@dataclass(slots=True)
class Summary:
    """The sums over the first `entries` lines."""

    entries: int = 0
    kinds: dict[str, KindSum] = field(default_factory=dict)
    gaps: list[GapNote] = field(default_factory=list)
    """The newest."""
    gaps_total: int = 0
    purged: int = 0

    def add(self, entry: Entry, *, gone: bool = False) -> None:
        """Count the next line; with `gone`, a purge has taken its segment away."""
        self.entries += 1
        self.gaps_total += len(entry.gaps)
        self.gaps = [*self.gaps, *entry.gaps][-SHOWN_GAPS:] if entry.gaps else self.gaps
        self.purged += len(entry.removed)
        if not entry.path or gone:
            return
        held = self.kinds.setdefault(entry.kind, KindSum())
        oldest, newest = entry.received_min_ms, entry.received_max_ms
        held.oldest_ms = min(held.oldest_ms, oldest) if held.segments else oldest
        held.newest_ms = max(held.newest_ms, newest) if held.segments else newest
        held.records += entry.records
        held.octets += entry.octets
        held.segments += 1


def summarise(entries: Iterable[Entry], gone: Container[str] = ()) -> Summary:
    """The sums over `entries`, those whose path is in `gone` left out."""
    found = Summary()
    for entry in entries:
        found.add(entry, gone=entry.path in gone)
    return found


def read_summary(tree: Mapping[str, Any]) -> Summary:
    """The sums in a tree of JSON.

    Raises:
        TypeError, ValueError, KeyError, AttributeError: it is none.
    """
    kinds = {str(kind): KindSum(**held) for kind, held in tree["kinds"].items()}
    gaps = [GapNote(**gap) for gap in tree["gaps"]]
    return Summary(
        entries=int(tree["entries"]),
        kinds=kinds,
        gaps=gaps,
        gaps_total=int(tree["gaps_total"]),
        purged=int(tree["purged"]),
    )
