"""How far the manifest was read when it was sealed last: `archive/manifest.checkpoint`.

Holds the tree head in the making and the sums, so that nobody reads a year's lines to seal an
hour's or to show a page. Signed with the seals' key, and believed only where signature, seal,
tree head and the manifest's own line agree; without it everything is read. `verify` never
uses it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import ArchiveError
from traffic.archive.entries import canonical
from traffic.archive.lines import REMOVED, Lines
from traffic.archive.proofs import Tree, leaf_hash
from traffic.archive.summary import Summary, read_summary, summarise

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from traffic.archive.seals import Seal

NAME = "manifest.checkpoint"

_PREFIX = b"yuenyan-checkpoint-1\n"
_LARGEST = 1 << 20
"""Octets; one with a hundred gaps and a dozen kinds takes some twenty thousand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What the lines up to a seal come to."""

    seq: int
    hash: str
    """Of line `seq`."""
    octets: int
    """Where that line ends in the manifest."""
    tree: Tree
    summary: Summary


def read_checkpoint(
    archive: Path, lines: Lines, seals: Sequence[Seal], public_key: bytes
) -> Checkpoint | None:
    """The checkpoint, if everything agrees with it; None when all of `lines` must be read.

    It may be of an earlier seal: then only more is left to read.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        with (archive / NAME).open("rb") as stream:
            tree: dict[str, Any] = json.loads(stream.read(_LARGEST))
        signature = bytes.fromhex(tree.pop("signature"))
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _PREFIX + canonical(tree))
        made = _decode(tree)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, InvalidSignature):
        return None
    sealed = (made.seq, made.hash, made.tree.root().hex())
    if not any(sealed == (seal.seq, seal.hash, seal.root) for seal in reversed(seals)):
        return None
    return made if _fits(lines, made) else None


def write_checkpoint(archive: Path, made: Checkpoint, key: Ed25519PrivateKey) -> None:
    """Keep `made`; where the disk refuses, the next seal only takes longer."""
    tree: dict[str, Any] = {
        "seq": made.seq,
        "hash": made.hash,
        "octets": made.octets,
        "peaks": [[height, peak.hex()] for height, peak in made.tree.peaks],
        "summary": asdict(made.summary),
    }
    tree["signature"] = key.sign(_PREFIX + canonical(tree)).hex()
    aside = archive / f"{NAME}.{os.getpid()}"
    with suppress(OSError):
        aside.write_bytes(canonical(tree) + b"\n")
        aside.rename(archive / NAME)
    with suppress(OSError):
        aside.unlink(missing_ok=True)


def tree_of(lines: Lines, known: Checkpoint | None) -> Tree:
    """The tree over all of `lines`; those that `known` covers are not read again."""
    tree = Tree(known.tree.peaks) if known else Tree()
    for line in _rest(lines, known).raw():
        tree.append(leaf_hash(line))
    return tree


def sum_up(lines: Lines, known: Checkpoint | None) -> Summary:
    """The sums over all of `lines`; those that `known` covers are read only after a purge.

    Raises:
        ArchiveError: a line that was read is damaged.
    """
    if known is None or any(True for _ in _rest(lines, known).having(REMOVED)):
        # Sums cannot tell what a segment that goes has added to them.
        return summarise(lines, lines.purged())
    summary = deepcopy(known.summary)
    for entry in _rest(lines, known):
        summary.add(entry)
    return summary


def _rest(lines: Lines, known: Checkpoint | None) -> Lines:
    if known is None:
        return lines
    return Lines(lines.path, lines.octets, known.octets, known.seq)


def _decode(tree: dict[str, Any]) -> Checkpoint:
    return Checkpoint(
        seq=int(tree["seq"]),
        hash=str(tree["hash"]),
        octets=int(tree["octets"]),
        tree=Tree([(int(height), bytes.fromhex(peak)) for height, peak in tree["peaks"]]),
        summary=read_summary(tree["summary"]),
    )


def _fits(lines: Lines, made: Checkpoint) -> bool:
    """Whether the line that ends there is the one the checkpoint was made at."""
    if not 0 < made.octets <= lines.octets:
        return False
    try:
        return next(Lines(lines.path, made.octets).backward()).hash == made.hash
    except (ArchiveError, StopIteration):
        return False
