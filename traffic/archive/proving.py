"""Makes the proof that one segment belongs to a signed seal; proofs.py checks it.

Reads the whole manifest; whoever checks needs only the proof, the segment and the key.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from common.errors import ArchiveError, NotFound, Refused
from traffic.archive.durable import digest_file
from traffic.archive.elsewhere import recall
from traffic.archive.entries import decode_entry
from traffic.archive.manifest import NAME
from traffic.archive.proofs import FORMAT, Proven, check_proof, inclusion_path, leaf_hash
from traffic.archive.seals import Seal, read_public_key, seal_tree
from traffic.archive.verification import take_snapshot


def prove(archive: Path, keys: Path, path: str) -> tuple[dict[str, Any], Proven]:
    """The proof for the segment `path` (as the manifest names it), and what it shows.

    The first seal with a tree head over the line is taken, the one nearest in time. A segment
    that was purged has a proof, too: of what its SHA-256 was.

    Raises:
        NotFound: no line names the segment.
        Refused: no seal covers it yet.
        ArchiveError: manifest or segment were altered, so that there is nothing to prove.
    """
    found = take_snapshot(archive)
    name = path.removeprefix(f"{archive}/")
    quoted = f'"path":"{name}"'.encode()
    listed = ((number, line) for number, line in found.lines.numbered() if quoted in line)
    number, named = next(listed, (0, b""))
    if not number:
        raise NotFound(f"the manifest has no segment {name}; 'yuenyan archive status' shows where")
    entry = decode_entry(named, number)
    seal = _covering(found.seals, number)
    if seal is None:
        raise Refused(f"{name} is not sealed yet; run 'yuenyan archive seal'")
    leaves = [leaf_hash(line) for line in islice(found.lines.raw(), seal.seq)]
    if len(leaves) < seal.seq:
        raise ArchiveError(NAME, f"ends at line {len(leaves)}, but {seal.seq} were sealed")
    proof = {
        "format": FORMAT,
        "entry": named.decode(),
        "path": [step.hex() for step in inclusion_path(leaves, number - 1)],
        "seal": seal_tree(seal),
        "public_key": (key := read_public_key(keys)).hex(),
    }
    file = archive / name
    if not file.is_file() and name not in found.lines.purged():
        recall(archive, [entry])
    sha256 = digest_file(file) if file.is_file() else entry.sha256
    try:
        return proof, check_proof(proof, sha256, key)
    except ValueError as error:
        raise ArchiveError(name, str(error)) from error


def _covering(seals: list[Seal], number: int) -> Seal | None:
    return next((seal for seal in seals if seal.root and seal.seq >= number), None)
