"""Every question of a test is asked as if all segments were in an object store.

What they mention then decides which of them are read, so a test that finds what it looks for also
shows that nothing of it is ruled out.
"""

from __future__ import annotations

from typing import Any

import pytest

from traffic.archive.about import About, FlowsOf
from traffic.archive.entries import Entry
from traffic.archive.index import ManifestIndex
from traffic.archive.manifest import Manifest
from traffic.archive.mentions import decode, read_where, rules_out


class LeftOut:
    """How many segments were left out, and how many were read."""

    def __init__(self) -> None:
        self.out = 0
        self.read = 0


def leave_out_everywhere(patch: pytest.MonkeyPatch) -> LeftOut:
    """Have `ManifestIndex.find` leave out what it may, also of what is on this disk."""
    counted, find = LeftOut(), ManifestIndex.find

    def fewer(
        index: ManifestIndex, *asked: Any, about: About | None = None, **more: Any
    ) -> list[Entry]:
        found = find(index, *asked, about=about, **more)
        if about is None:
            return found
        wanted = [entry for entry in found if not _is_ruled_out(index, entry, about)]
        counted.out += len(found) - len(wanted)
        counted.read += len(wanted)
        return wanted

    patch.setattr(ManifestIndex, "find", fewer)
    return counted


def _is_ruled_out(index: ManifestIndex, entry: Entry, about: About) -> bool:
    manifest: Manifest = index._manifest
    where = read_where(entry.mentions)
    path = manifest.archive / entry.path
    if where is None or not path.exists():
        return False
    if isinstance(about, FlowsOf) and entry.inside != about.inside:
        return False
    octets = path.read_bytes()[where.at :][: where.octets]
    assert where.fits(octets), entry.path
    return rules_out(decode(octets), about)
