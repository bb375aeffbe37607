"""Shows that the segments of cited records lie under a seal: lines, seals and the key.

A proof of the type `chain` is every line of the manifest from the segment's own to the one
that was sealed. Shorter types can stand beside it in `segments.json`: the check dispatches on
`proof.type`. What a line says of other segments is when and how much, never who.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from common.errors import ArchiveError
from traffic.archive.durable import digest_file
from traffic.archive.elsewhere import recall
from traffic.archive.entries import Entry, decode_entry, entry_hash
from traffic.archive.manifest import Manifest
from traffic.archive.seals import NAME as SEALS_NAME
from traffic.archive.seals import Seal, check_signature, read_public_key, read_seals
from traffic.evidence import verify


@dataclass(frozen=True, slots=True)
class Proofs:
    """The items of a bundle that prove its segments, and what was found about them."""

    items: dict[str, bytes]
    seal_key: str
    """Hex; empty without segments."""
    segments: int


def prove(archive: Path, keys: Path, paths: Iterable[str]) -> Proofs:
    """The proofs of the segments in `paths`; each is read and compared with its line first.

    Raises:
        ArchiveError: a segment is altered, missing, or under no seal.
        ConfigError: the public key of the seals is missing.
    """
    wanted = sorted(set(paths))
    if not wanted:
        return Proofs({}, "", 0)
    public_key = read_public_key(keys)
    manifest = Manifest(archive)
    with manifest.locked():
        lines, seals = manifest.committed(), read_seals(archive)
        seal_lines = (archive / SEALS_NAME).read_bytes().splitlines() if seals else []
    by_path = {entry.path: entry for entry in lines.of_paths(set(wanted))}
    recall(archive, [by_path[path] for path in wanted if path in by_path])
    sealed_at = {seal.seq for seal in seals}
    heads = {
        number: decode_entry(line, number).hash
        for number, line in lines.numbered()
        if number in sealed_at
    }
    shown: list[dict[str, object]] = []
    needed: set[int] = set()
    used: list[int] = []
    for path in wanted:
        entry = by_path.get(path)
        if entry is None:
            raise ArchiveError(path, "is not in the manifest")
        _check_segment(archive, entry)
        number = _covering(seals, entry)
        seal = seals[number]
        if seal.hash != heads.get(seal.seq) or not check_signature(seal, public_key):
            raise ArchiveError(path, "its seal does not fit; run 'yuenyan archive verify'")
        used.append(number)
        needed.update(range(entry.seq, seal.seq + 1))
        shown.append(
            {
                "path": path,
                "kind": entry.kind,
                "seq": entry.seq,
                "sha256": entry.sha256,
                "octets": entry.octets,
                "records": entry.records,
                "proof": {"type": "chain", "seal": seal.seq},
            }
        )
    chosen = b"".join(line + b"\n" for number, line in lines.numbered() if number in needed)
    # From the first seal used to the newest, so that any later copy of a seal can be met.
    sealed = b"".join(line + b"\n" for line in seal_lines[min(used) :])
    tree = json.dumps({"segments": shown}, ensure_ascii=False, indent=1, sort_keys=True)
    return Proofs(
        {
            verify.SEGMENTS: tree.encode() + b"\n",
            verify.LINES: chosen,
            verify.SEALS: sealed,
            verify.SEAL_KEY: verify.pem(public_key),
        },
        public_key.hex(),
        len(shown),
    )


def _check_segment(archive: Path, entry: Entry) -> None:
    path = archive / entry.path
    if entry_hash(entry) != entry.hash:
        raise ArchiveError(entry.path, "its line was altered; run 'yuenyan archive verify'")
    try:
        digest = digest_file(path)
    except OSError as error:
        raise ArchiveError(entry.path, f"cannot be read: {error.strerror}") from error
    if digest != entry.sha256:
        raise ArchiveError(entry.path, "was altered: it is not given out as evidence")


def _covering(seals: list[Seal], entry: Entry) -> int:
    for number, seal in enumerate(seals):
        if seal.seq >= entry.seq:
            return number
    raise ArchiveError(entry.path, "lies under no seal yet; run 'yuenyan archive seal'")
