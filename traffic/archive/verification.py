"""Recomputes everything the archive claims: every hash, the chain, the seals, the tree.

Stops at the first thing that is wrong and names it. Never repairs.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from common.errors import ArchiveError
from traffic.archive.entries import GENESIS, Entry, canonical, decode_entry, entry_hash
from traffic.archive.manifest import NAME, Manifest
from traffic.archive.seals import NAME as SEALS
from traffic.archive.seals import Seal, check_signature, read_public_key, read_seals, seal_hash
from traffic.archive.segments import digest_file

MARK = "verified.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found to be whole."""

    entries: int
    segments: int
    records: int
    octets: int
    seals: int
    sealed_seq: int
    """The last entry a seal covers."""
    unsealed: int
    """Entries after it."""


def verify_archive(archive: Path, keys: Path) -> Verified:
    """Check the whole archive.

    Raises:
        ArchiveError: naming the first item that is altered, missing, moved or unlisted, or
            saying that nothing was ever sealed.
        ConfigError: the public key is missing.
    """
    manifest = Manifest(archive)
    with manifest.locked():
        # One snapshot: a segment appears in the tree before its line, under this lock.
        lines, torn = manifest.lines(), manifest.torn()
        seals = read_seals(archive)
        present = _parquet_files(archive)
    if torn:
        raise ArchiveError(NAME, f"line {len(lines) + 1} is cut short")
    try:
        entries = _check_chain(lines)
        _check_files(archive, entries, present)
        _check_seals(seals, entries, keys)
    except TypeError as error:
        raise ArchiveError(NAME, f"holds a value of the wrong kind: {error}") from error
    sealed = seals[-1].seq if seals else 0
    return Verified(
        entries=len(entries),
        segments=sum(1 for entry in entries if entry.path),
        records=sum(entry.records for entry in entries),
        octets=sum(entry.octets for entry in entries),
        seals=len(seals),
        sealed_seq=sealed,
        unsealed=len(entries) - sealed,
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


def _parquet_files(archive: Path) -> set[str]:
    return {str(path.relative_to(archive)) for path in archive.rglob("*.parquet")}


def _check_chain(lines: list[bytes]) -> list[Entry]:
    entries: list[Entry] = []
    prev = GENESIS
    for number, line in enumerate(lines, 1):
        entry = decode_entry(line, number)
        if entry.seq != number:
            raise ArchiveError(NAME, f"line {number} says it is entry {entry.seq}")
        if entry_hash(entry) != entry.hash:
            raise ArchiveError(NAME, f"line {number} was altered")
        if entry.prev != prev:
            raise ArchiveError(NAME, f"line {number} does not follow line {number - 1}")
        prev = entry.hash
        entries.append(entry)
    if entries and entries[-1].part != entries[-1].parts:
        raise ArchiveError(NAME, f"the group that ends in line {len(entries)} is not whole")
    return entries


def _check_files(archive: Path, entries: list[Entry], present: set[str]) -> None:
    listed = set()
    purged = {path for entry in entries for path in entry.removed}
    for entry in entries:
        if not entry.path:
            continue
        if entry.path in listed:
            raise ArchiveError(entry.path, "is listed twice")
        listed.add(entry.path)
        path = archive / entry.path
        if entry.path not in present:
            if entry.path in purged:
                continue
            raise ArchiveError(entry.path, "is missing")
        if path.is_symlink():
            raise ArchiveError(entry.path, "is a link: what it leads to may change unnoticed")
        octets = path.stat().st_size
        if octets != entry.octets:
            raise ArchiveError(entry.path, f"has {octets} octets instead of {entry.octets}")
        if digest_file(path) != entry.sha256:
            raise ArchiveError(entry.path, "was altered: its SHA-256 is not the recorded one")
    for extra in sorted(present - listed):
        raise ArchiveError(extra, "is not in the manifest")


def _check_seals(seals: list[Seal], entries: list[Entry], keys: Path) -> None:
    if not entries and not seals:
        return
    if not seals:
        raise ArchiveError(SEALS, "nothing was ever sealed; run 'yuenyan archive seal'")
    public_key = read_public_key(keys)
    prev, reached = GENESIS, 0
    for number, seal in enumerate(seals, 1):
        if seal.prev != prev:
            raise ArchiveError(SEALS, f"seal {number} does not follow seal {number - 1}")
        if not check_signature(seal, public_key):
            raise ArchiveError(SEALS, f"seal {number} has no valid signature")
        if seal.seq > len(entries):
            raise ArchiveError(NAME, f"ends at line {len(entries)}, but line {seal.seq} was sealed")
        if seal.seq <= reached or seal.hash != entries[seal.seq - 1].hash:
            raise ArchiveError(NAME, f"line {seal.seq} is not the one that seal {number} covers")
        prev, reached = seal_hash(seal), seal.seq
