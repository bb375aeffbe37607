"""Recomputes everything the archive claims: every hash, the chain, the seals, the tree.

Stops at the first thing that is wrong and names it. Never repairs.
"""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.config import RETENTION_FLOOR_DAYS
from common.errors import ArchiveError
from traffic.archive.durable import digest_file
from traffic.archive.elsewhere import read_place
from traffic.archive.entries import (
    GENESIS,
    Entry,
    canonical,
    decode_entry,
    encode_entry,
    line_hash,
)
from traffic.archive.index import NAME as INDEX
from traffic.archive.index import agrees
from traffic.archive.lines import REMOVED, Lines
from traffic.archive.manifest import NAME, Manifest
from traffic.archive.proofs import Tree, leaf_hash
from traffic.archive.sealed import (
    Chain,
    Declared,
    Silence,
    check_seals,
    find_declared,
    find_silences,
    purge_moments,
)
from traffic.archive.seals import Seal, read_public_file, read_public_key, read_seals
from traffic.archive.store import ObjectStore
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
    away: int
    """Segments that are in the object store alone, and whole there."""
    stamped_late: int
    """Seals that an authority first saw more than 25 hours after they say they were made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The archive at one moment; segments are only listed."""

    lines: Lines
    torn: int
    """Octets after the last finished line."""
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
        lines, torn = manifest.finished()
        files = {str(path.relative_to(archive)) for path in archive.rglob("*.parquet")}
        return Snapshot(lines=lines, torn=torn, seals=read_seals(archive), files=files)


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
        BackendUnavailable: segments are in an object store that does not answer.
    """
    found = take_snapshot(archive)
    if found.torn:
        raise ArchiveError(NAME, f"line {found.lines.count() + 1} is cut short")
    stamped_late = 0
    try:
        chain, purges, digest = _check_chain(found.lines, _sealed_lines(found.seals, witnesses))
        if chain.size or found.seals or witnesses:
            key = read_public_file(public_key) if public_key else read_public_key(keys)
            # The witnesses come first: theirs is the word that nobody here could change.
            stamped_late = compare(witnesses, found.seals, chain, key)
            if chain.size or found.seals:
                check_seals(found.seals, chain, key, now_ms)
        moments = purge_moments(found.seals, purges, now_ms)
        removed = _check_purges(found.lines, purges, moments, found.files)
        held = _check_files(archive, found, removed, digest, contents=contents)
        if not agrees(archive):
            raise ArchiveError(INDEX, "does not say what the manifest says; delete it")
    except (TypeError, OverflowError) as error:
        raise ArchiveError(NAME, f"holds a value of the wrong kind: {error}") from error
    sealed = found.seals[-1].seq if found.seals else 0
    return Verified(
        entries=chain.size,
        segments=held.segments,
        records=held.records,
        octets=held.octets,
        purged=len(removed) + held.purged_since,
        seals=len(found.seals),
        sealed_seq=sealed,
        unsealed=chain.size - sealed,
        silences=find_silences(found.seals),
        declared=find_declared(found.seals),
        witnessed={copy.name: len(copy.hashes) for copy in witnesses},
        away=held.away,
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


@dataclass(slots=True)
class _Held:
    """The segments that are there."""

    segments: int = 0
    records: int = 0
    octets: int = 0
    purged_since: int = 0
    """Those that a purge took away meanwhile."""
    away: int = 0
    """Those that are in the object store alone."""


class _Away:
    """Segments that have left this disk; asks the store only when one is not here."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        self._store: ObjectStore | None = None
        self._sizes: dict[str, int] | None = None
        self._met: set[str] = set()

    def check(self, entry: Entry, *, contents: bool) -> bool:
        """Compare the object with its line.

        Raises:
            FileNotFoundError: it is not there either.
            ArchiveError: it is altered.
            BackendUnavailable: the store does not answer.
        """
        if self._sizes is None:
            place = read_place(self._archive)
            self._store = ObjectStore(place) if place else None
            self._sizes = self._store.sizes() if self._store else {}
        octets = self._sizes.get(entry.path)
        if octets is None or self._store is None:
            raise FileNotFoundError(entry.path)
        if entry.path in self._met:
            raise ArchiveError(entry.path, "is listed twice")
        self._met.add(entry.path)
        if octets != entry.octets:
            raise ArchiveError(
                entry.path, f"has {octets} octets instead of {entry.octets} in the object store"
            )
        if contents and self._store.digest(entry.path, entry.octets) != entry.sha256:
            raise ArchiveError(
                entry.path, "was altered in the object store: its SHA-256 is not the recorded one"
            )
        return True


def _sealed_lines(seals: Sequence[Seal], witnesses: Sequence[WitnessCopy]) -> set[int]:
    """The lines that a seal of ours or of a witness ends at."""
    theirs = [seal for copy in witnesses for seal in copy.hashes.values() if seal is not None]
    return {seal.seq for seal in (*seals, *theirs)}


def _check_chain(lines: Lines, sealed: set[int]) -> tuple[Chain, list[Entry], bytes]:
    """(the chain, its lines that remove something, SHA-256 of all lines)."""
    prev, digest, tree = GENESIS, hashlib.sha256(), Tree()
    heads: dict[int, tuple[str, bytes]] = {}
    written = array("q")
    purges: list[Entry] = []
    entry: Entry | None = None
    for number, line in lines.numbered():
        entry = decode_entry(line, number)
        if entry.seq != number:
            raise ArchiveError(NAME, f"line {number} says it is entry {entry.seq}")
        if encode_entry(entry) != line + b"\n" or line_hash(line, entry) != entry.hash:
            raise ArchiveError(NAME, f"line {number} was altered")
        if entry.prev != prev:
            raise ArchiveError(NAME, f"line {number} does not follow line {number - 1}")
        prev = entry.hash
        digest.update(line)
        tree.append(leaf_hash(line))
        written.append(entry.written_ms)
        if number in sealed:
            heads[number] = entry.hash, tree.root()
        if entry.removed:
            purges.append(entry)
    if entry is not None and entry.part != entry.parts:
        raise ArchiveError(NAME, f"the group that ends in line {len(written)} is not whole")
    return Chain(len(written), heads, written), purges, digest.digest()


def _check_purges(
    lines: Lines, purges: Sequence[Entry], moments: dict[int, int], files: set[str]
) -> set[str]:
    """The paths that were purged by the rules; a file may be missing for no other reason.

    Args:
        moments: line of a purge -> when it can have been at the latest.
    """
    wanted = {path for purge in purges for path in purge.removed}
    segments: dict[str, tuple[int, int]] = {}
    for entry in lines.of_paths(wanted) if wanted else ():
        # The first line of a path is the one to judge by; a second one is refused as such.
        segments.setdefault(entry.path, (entry.seq, entry.received_max_ms))
    for purge in purges:
        if purge.kind != PURGE:
            raise ArchiveError(NAME, f"line {purge.seq} removes segments but is no purge")
        for path in purge.removed:
            seq, received_max_ms = segments.get(path, (purge.seq, 0))
            if seq >= purge.seq:
                raise ArchiveError(path, f"was purged by line {purge.seq} before it was listed")
            if received_max_ms > moments[purge.seq] - _FLOOR_MS:
                raise ArchiveError(
                    path,
                    f"was purged by line {purge.seq} within {RETENTION_FLOOR_DAYS} days of receipt",
                )
            if path in files:
                raise ArchiveError(
                    path, f"is still there, though line {purge.seq} purged it; purge again"
                )
    return wanted


def _check_files(
    archive: Path, found: Snapshot, removed: set[str], digest: bytes, *, contents: bool
) -> _Held:
    """Compare the files with their lines, which are read once more.

    Args:
        digest: of the lines whose chain was checked.
    """
    held, read, away = _Held(), hashlib.sha256(), _Away(archive)
    unmet, unmet_removed = set(found.files), set(removed)
    gone: set[str] = set()
    for number, line in found.lines.numbered():
        read.update(line)
        entry = decode_entry(line, number)
        if not entry.path:
            continue
        if entry.path in removed:
            if entry.path not in unmet_removed:
                raise ArchiveError(entry.path, "is listed twice")
            unmet_removed.discard(entry.path)
            continue
        if entry.path in found.files:
            if entry.path not in unmet:
                raise ArchiveError(entry.path, "is listed twice")
            unmet.discard(entry.path)
        if entry.path not in gone:
            try:
                try:
                    _check_file(archive / entry.path, entry, contents=contents)
                except FileNotFoundError:
                    held.away += away.check(entry, contents=contents)
            except FileNotFoundError:
                gone |= _purged_since(archive, found.lines)
                if entry.path not in gone:
                    raise ArchiveError(entry.path, "is missing") from None
        if entry.path in gone:
            held.purged_since += 1
            continue
        held.segments += 1
        held.records += entry.records
        held.octets += entry.octets
    if read.digest() != digest:
        raise ArchiveError(NAME, "was exchanged while it was verified")
    if unmet:
        raise ArchiveError(min(unmet), "is not in the manifest")
    return held


def _check_file(path: Path, entry: Entry, *, contents: bool) -> None:
    if path.is_symlink():
        raise ArchiveError(entry.path, "is a link: what it leads to may change unnoticed")
    octets = path.stat().st_size
    if octets != entry.octets:
        raise ArchiveError(entry.path, f"has {octets} octets instead of {entry.octets}")
    if contents and digest_file(path) != entry.sha256:
        raise ArchiveError(entry.path, "was altered: its SHA-256 is not the recorded one")


def _purged_since(archive: Path, known: Lines) -> set[str]:
    """What purges took away after the snapshot: its line comes first, the file goes then.

    That the lines before are still the same is for the end to say, which has read them again.
    """
    now = Manifest(archive).committed()
    later = Lines(now.path, now.octets, known.octets).having(REMOVED)
    return {path for entry in later if entry.kind == PURGE for path in entry.removed}
