"""Purges once more what was purged since a back-up that was restored.

A restored archive holds segments that the site has let go meanwhile. A later copy of its
manifest, at a witness or in a newer back-up, says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common.config import RETENTION_FLOOR_DAYS
from common.errors import ArchiveError, Refused
from traffic.archive.entries import GENESIS, Entry, decode_entry, entry_hash, present
from traffic.keeping.policy import HoldTerms, Plan, is_held
from traffic.keeping.timeline import DAY_MS, Timeline


def purged_since(
    entries: Sequence[Entry], copy: Path, now_ms: int
) -> tuple[list[Entry], list[Entry]]:
    """(segments of ours that `copy` says are gone in lines that only it has, its lines).

    Both begin with the same lines: those that were there when the back-up was made.

    Raises:
        Refused: `copy` is of another archive.
        ArchiveError: it is damaged or cannot be read.
    """
    later = _read(copy)
    common = 0
    for ours, theirs in zip(entries, later, strict=False):
        if ours.hash != theirs.hash:
            break
        common += 1
    if not common:
        raise Refused(f"{copy} is no manifest of this archive: its first line is another")
    gone = {path: line for line in later[common:] for path in line.removed}
    floor_ms = RETENTION_FLOOR_DAYS * DAY_MS
    due = [
        entry
        for entry in present(entries)
        # A line that takes away what was younger than the floor is nobody's purge.
        if entry.seq <= common
        and entry.path in gone
        and entry.written_ms + floor_ms <= min(gone[entry.path].written_ms, now_ms)
    ]
    return due, later


def without_held(due: Sequence[Entry], holds: Sequence[HoldTerms], timeline: Timeline) -> Plan:
    """The plan to purge `due`, but for what a hold of today covers."""
    held = tuple(entry for entry in due if is_held(entry, holds, timeline))
    kept = {entry.path for entry in held}
    return Plan(
        due=tuple(entry for entry in due if entry.path not in kept), held=held, holds=tuple(holds)
    )


def _read(copy: Path) -> list[Entry]:
    try:
        octets = copy.read_bytes()
    except OSError as error:
        raise ArchiveError(str(copy), f"cannot be read: {error.strerror}") from error
    found: list[Entry] = []
    prev = GENESIS
    for number, line in enumerate(octets[: octets.rfind(b"\n") + 1].split(b"\n")[:-1], 1):
        entry = decode_entry(line, number)
        if entry.seq != number or entry.prev != prev or entry_hash(entry) != entry.hash:
            raise ArchiveError(str(copy), f"line {number} was altered")
        prev = entry.hash
        found.append(entry)
    return found
