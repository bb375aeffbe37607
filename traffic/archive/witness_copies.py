"""What witnesses hold, read from the files they give us, and compared with the archive.

A copy is any file with seals in it: lines of JSON, a saved e-mail, an answer of an HTTPS
witness, or a token of a time-stamping authority. Does not fetch anything.
"""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import ArchiveError, NotFound
from traffic.archive.entries import canonical
from traffic.archive.sealed import Chain
from traffic.archive.seals import (
    CLOCK_TOLERANCE_MS,
    Seal,
    check_signature,
    decode_seal,
    seal_hash,
)
from traffic.archive.stamps import STAMP_SUFFIX, read_stamp

LATE_STAMP_MS = 25 * 3_600_000

_KEPT = frozenset({".jsonl", ".eml", STAMP_SUFFIX})
"""What counts in a folder; any file that is named itself is read."""

_LARGEST = 256 << 20
"""Octets of a file; a century of hourly seals takes less."""


@dataclass(frozen=True, slots=True)
class WitnessCopy:
    """The seals that one witness has seen."""

    name: str
    hashes: Mapping[str, Seal | None]
    """SHA-256 of a seal -> the seal; a time-stamping authority has the hash alone."""
    times: Mapping[str, int]
    """When the authority saw it, milliseconds since 1970; empty for other witnesses."""


def read_copy(path: Path, authorities: Path | None = None) -> WitnessCopy:
    """The seals in a witness's file, or in all files of a folder of it.

    Args:
        authorities: the certificates that time-stamps must be signed under.

    Raises:
        NotFound: there is no such file, or no seal in it.
        ArchiveError: a seal or time-stamp in it is damaged.
    """
    if path.is_dir():
        files = sorted(item for item in path.iterdir() if item.suffix in _KEPT and item.is_file())
    elif path.is_file():
        files = [path]
    else:
        raise NotFound(f"there is no witness copy {path}; is the disk plugged in?")
    hashes: dict[str, Seal | None] = {}
    times: dict[str, int] = {}
    for file in files:
        if file.stat().st_size > _LARGEST:
            raise ArchiveError(str(file), "is too large to be a witness's copy")
        if file.suffix == STAMP_SUFFIX:
            stamp = read_stamp(file, authorities)
            hashes.setdefault(stamp.digest, None)
            times[stamp.digest] = stamp.at_ms
        else:
            for seal in _seals_in(file):
                hashes[seal_hash(seal)] = seal
    if not hashes:
        raise NotFound(f"{path} holds no seal; name the folder or file that the witness keeps")
    return WitnessCopy(str(path), hashes, times)


def compare(
    copies: Sequence[WitnessCopy],
    seals: Sequence[Seal],
    chain: Chain,
    public_key: bytes,
) -> int:
    """How many seals were stamped late, once every seal that a witness has is in the archive.

    An authority that first saw a seal more than a day after its own time says nothing of that
    day: it was away, or the seal was made later than it claims.

    Raises:
        ArchiveError: naming the first seal that is not: the archive was written anew or cut.
    """
    known = {seal_hash(seal): (number, seal) for number, seal in enumerate(seals, 1)}
    late = 0
    for copy in copies:
        for digest, seal in copy.hashes.items():
            if digest not in known:
                raise ArchiveError(copy.name, _missing(digest, seal, chain, public_key))
            number, ours = known[digest]
            seen_ms = copy.times.get(digest)
            if seen_ms is None:
                continue
            late += seen_ms > ours.at_ms + LATE_STAMP_MS
            if seen_ms < ours.at_ms - CLOCK_TOLERANCE_MS:
                raise ArchiveError(
                    copy.name, f"seal {number} says it was made after the authority stamped it"
                )
    return late


def _missing(digest: str, seal: Seal | None, chain: Chain, public_key: bytes) -> str:
    if seal is None:
        return f"a seal with SHA-256 {digest} was stamped, but the archive has none: it was cut"
    if not check_signature(seal, public_key):
        return (
            f"has a seal over line {seal.seq} that this key did not sign: it is of another site, "
            "or damaged, or the key here was replaced"
        )
    if seal.seq > chain.size:
        return f"saw line {seal.seq} sealed, but the manifest ends at line {chain.size}"
    if seal.seq not in chain.heads or chain.heads[seal.seq][0] != seal.hash:
        return f"saw another line {seal.seq} sealed: the manifest was written anew"
    return f"has a seal over line {seal.seq} that is not in the archive: the seals were made anew"


def _seals_in(file: Path) -> Iterator[Seal]:
    octets = file.read_bytes()
    if file.suffix == ".eml":
        octets = b"\n".join(_parts(octets))
    for number, line in enumerate(octets.split(b"\n"), 1):
        text = line.strip()
        if not text.startswith(b"{"):
            continue
        try:
            tree = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ArchiveError(str(file), f"line {number} is damaged") from error
        listed = tree.get("seals", [tree])
        if not isinstance(listed, list):
            raise ArchiveError(str(file), f"line {number} is damaged")
        for one in listed:
            yield _seal(file, number, one)


def _seal(file: Path, number: int, tree: Any) -> Seal:
    try:
        return decode_seal(canonical(tree))
    except ValueError as error:
        raise ArchiveError(str(file), f"line {number} is no seal: {error}") from error


def _parts(octets: bytes) -> Iterator[bytes]:
    """The texts of a saved e-mail, attachments included."""
    message = email.message_from_bytes(octets, policy=email.policy.default)
    for part in message.walk():
        if not part.is_multipart():
            body = part.get_payload(decode=True)
            if isinstance(body, bytes):
                yield body
