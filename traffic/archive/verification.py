"""Recomputes everything the archive claims: every hash, the chain, the seals, the tree.

Stops at the first thing that is wrong and names it. Never repairs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.config import RETENTION_FLOOR_DAYS
from common.errors import ArchiveError
from traffic.archive.entries import (
    GENESIS,
    Entry,
    canonical,
    decode_entry,
    encode_entry,
    entry_hash,
)
from traffic.archive.index import NAME as INDEX
from traffic.archive.index import agrees
from traffic.archive.manifest import NAME, Manifest
from traffic.archive.sealed import (
    Declared,
    Silence,
    check_seals,
    find_declared,
    find_silences,
    purge_moments,
)
from traffic.archive.seals import Seal, read_public_file, read_public_key, read_seals
from traffic.archive.segments import digest_file
from traffic.archive.witness_copies import WitnessCopy, compare

MARK = "verified.json"

PURGE = "purge"
_FLOOR_MS = RETENTION_FLOOR_DAYS * 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found to be whole."""

    entries: int
    segments: int
    records: int
    octets: int
    purged: int
    """Segments that a purge took away, by the rules."""
    seals: int
    sealed_seq: int
    """The last entry a seal covers."""
    unsealed: int
    """Entries after it."""
    silences: tuple[Silence, ...]
    """Spans without any seal; whoever had the machine then was watched by nobody."""
    declared: tuple[Declared, ...]
    """Where the operator said that the clock went back."""
    witnessed: dict[str, int]
    """Name of each witness copy -> how many seals of it are in the archive, all of them."""
    stamped_late: int
    """Seals that an authority first saw more than 25 hours after they say they were made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The archive at one moment; segments are only listed."""

    lines: list[bytes]
    torn: bytes
    seals: list[Seal]
    files: set[str]


def take_snapshot(archive: Path) -> Snapshot:
    """Read manifest, seals and file names under the archive's lock.

    Raises:
        ArchiveError: a file of them is damaged.
    """
    manifest = Manifest(archive)
    with manifest.locked():
        # A segment appears in the tree before its line, under this lock.
        return Snapshot(
            lines=manifest.lines(),
            torn=manifest.torn(),
            seals=read_seals(archive),
            files={str(path.relative_to(archive)) for path in archive.rglob("*.parquet")},
        )


def verify_archive(
    archive: Path,
    keys: Path,
    *,
    now_ms: int | None = None,
    witnesses: Sequence[WitnessCopy] = (),
    public_key: Path | None = None,
    contents: bool = True,
) -> Verified:
    """Check the whole archive.

    Args:
        now_ms: the present; None leaves out what depends on it (was anything sealed lately?).
        witnesses: copies of seals from outside; every one of them must be in the archive.
        public_key: a copy of seal.pub from outside, instead of the one beside the key.
        contents: False leaves out reading the segments; their presence and size are checked.

    Raises:
        ArchiveError: naming the first item that is altered, missing, moved or unlisted, or
            saying that nothing was sealed.
        ConfigError: the public key is missing.
    """
    found = take_snapshot(archive)
    if found.torn:
        raise ArchiveError(NAME, f"line {len(found.lines) + 1} is cut short")
    stamped_late = 0
    try:
        entries = _check_chain(found.lines)
        if entries or found.seals or witnesses:
            key = read_public_file(public_key) if public_key else read_public_key(keys)
            # The witnesses come first: theirs is the word that nobody here could change.
            stamped_late = compare(witnesses, found.seals, entries, key)
            if entries or found.seals:
                check_seals(found.seals, entries, found.lines, key, now_ms)
        moments = purge_moments(found.seals, entries, now_ms)
        removed = _check_purges(entries, moments, found.files)
        removed |= _check_files(archive, entries, removed, found.files, contents=contents)
        if not agrees(archive):
            raise ArchiveError(INDEX, "does not say what the manifest says; delete it")
    except TypeError as error:
        raise ArchiveError(NAME, f"holds a value of the wrong kind: {error}") from error
    sealed = found.seals[-1].seq if found.seals else 0
    held = [entry for entry in entries if entry.path and entry.path not in removed]
    return Verified(
        entries=len(entries),
        segments=len(held),
        records=sum(entry.records for entry in held),
        octets=sum(entry.octets for entry in held),
        purged=len(removed),
        seals=len(found.seals),
        sealed_seq=sealed,
        unsealed=len(entries) - sealed,
        silences=find_silences(found.seals),
        declared=find_declared(found.seals),
        witnessed={copy.name: len(copy.hashes) for copy in witnesses},
        stamped_late=stamped_late,
    )


def mark_verified(archive: Path, at_ms: int, verified: Verified) -> None:
    """Remember that the archive was whole, for `archive status`."""
    aside = archive / f"{MARK}.{os.getpid()}"
    tree = {"at_ms": at_ms, "entries": verified.entries, "sealed_seq": verified.sealed_seq}
    aside.write_bytes(canonical(tree) + b"\n")
    aside.rename(archive / MARK)


def verified_at_ms(archive: Path) -> int | None:
    """When the archive was last found whole, or None."""
    try:
        return int(json.loads((archive / MARK).read_bytes())["at_ms"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _check_chain(lines: list[bytes]) -> list[Entry]:
    entries: list[Entry] = []
    prev = GENESIS
    for number, line in enumerate(lines, 1):
        entry = decode_entry(line, number)
        if entry.seq != number:
            raise ArchiveError(NAME, f"line {number} says it is entry {entry.seq}")
        if entry_hash(entry) != entry.hash or encode_entry(entry) != line + b"\n":
            raise ArchiveError(NAME, f"line {number} was altered")
        if entry.prev != prev:
            raise ArchiveError(NAME, f"line {number} does not follow line {number - 1}")
        prev = entry.hash
        entries.append(entry)
    if entries and entries[-1].part != entries[-1].parts:
        raise ArchiveError(NAME, f"the group that ends in line {len(entries)} is not whole")
    return entries


def _check_purges(entries: list[Entry], moments: dict[int, int], files: set[str]) -> set[str]:
    """The paths that were purged by the rules; a file may be missing for no other reason.

    Args:
        moments: line of a purge -> when it can have been at the latest.
    """
    earlier: dict[str, Entry] = {}
    removed: set[str] = set()
    for entry in entries:
        if entry.removed and entry.kind != PURGE:
            raise ArchiveError(NAME, f"line {entry.seq} removes segments but is no purge")
        for path in entry.removed:
            segment = earlier.get(path)
            if segment is None:
                raise ArchiveError(path, f"was purged by line {entry.seq} before it was listed")
            if segment.received_max_ms > moments[entry.seq] - _FLOOR_MS:
                raise ArchiveError(
                    path,
                    f"was purged by line {entry.seq} within {RETENTION_FLOOR_DAYS} days of receipt",
                )
            if path in files:
                raise ArchiveError(
                    path, f"is still there, though line {entry.seq} purged it; purge again"
                )
            removed.add(path)
        if entry.path:
            earlier[entry.path] = entry
    return removed


def _check_files(
    archive: Path, entries: list[Entry], removed: set[str], present: set[str], *, contents: bool
) -> set[str]:
    """Compare the files with their lines; the paths that a purge took away meanwhile."""
    listed = set()
    gone: set[str] = set()
    for entry in entries:
        if not entry.path:
            continue
        if entry.path in listed:
            raise ArchiveError(entry.path, "is listed twice")
        listed.add(entry.path)
        if entry.path in removed:
            continue
        path = archive / entry.path
        if entry.path not in present:
            raise ArchiveError(entry.path, "is missing")
        if entry.path in gone:
            continue
        try:
            _check_file(path, entry, contents=contents)
        except FileNotFoundError:
            gone |= _purged_since(archive, entries)
            if entry.path not in gone:
                raise ArchiveError(entry.path, "is missing") from None
    for extra in sorted(present - listed):
        raise ArchiveError(extra, "is not in the manifest")
    return gone


def _check_file(path: Path, entry: Entry, *, contents: bool) -> None:
    if path.is_symlink():
        raise ArchiveError(entry.path, "is a link: what it leads to may change unnoticed")
    octets = path.stat().st_size
    if octets != entry.octets:
        raise ArchiveError(entry.path, f"has {octets} octets instead of {entry.octets}")
    if contents and digest_file(path) != entry.sha256:
        raise ArchiveError(entry.path, "was altered: its SHA-256 is not the recorded one")


def _purged_since(archive: Path, entries: list[Entry]) -> set[str]:
    """What purges took away after the snapshot: its line comes first, the file goes then."""
    lines = Manifest(archive).entries()
    if [entry.hash for entry in lines[: len(entries)]] != [entry.hash for entry in entries]:
        raise ArchiveError(NAME, "was exchanged while it was verified")
    later = lines[len(entries) :]
    return {path for entry in later if entry.kind == PURGE for path in entry.removed}
