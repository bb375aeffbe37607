"""Signs the head of the manifest with the site's Ed25519 key: `archive/seals.jsonl`.

A seal says: at this time the manifest ended in this line, and its lines have this tree head.
Each names the hash of the seal before it. Making keys is `yuenyan init`'s work.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import ArchiveError, BackendUnavailable, ConfigError, Refused
from common.secret import read_secret_file
from traffic.archive.checkpoint import (
    Checkpoint,
    read_checkpoint,
    sum_up,
    tree_of,
    write_checkpoint,
)
from traffic.archive.entries import GENESIS, canonical
from traffic.archive.manifest import Manifest
from traffic.archive.proofs import SEAL_PREFIX

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAME = "seals.jsonl"
KEY_FILE = "seal.key"
PUBLIC_FILE = "seal.pub"

HEARTBEAT_MS = 50 * 60 * 1000
"""When nothing new came, the end is signed again after this: silence is not a stopped sealer."""

CLOCK_TOLERANCE_MS = 120_000
"""How far a clock that is set right may go back without a word."""

_VERSION_1 = b"yuenyan-seal-1\n"
_OPTIONAL = ("root", "note")
"""Left out where empty: seals that are older than these fields keep their hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """One signed statement about the manifest."""

    seq: int
    hash: str
    """Of the manifest entry `seq`."""
    at_ms: int
    prev: str
    """SHA-256 of the seal before this one, signature included."""
    root: str = ""
    """Tree head (RFC 6962) of the lines 1 to `seq`; empty in seals of version 1."""
    note: str = ""
    """Why the clock went back before this seal, where the operator has said so."""
    signature: str = ""


def seal_tree(seal: Seal) -> dict[str, object]:
    """The seal as it stands in its line."""
    tree = {name: getattr(seal, name) for name in Seal.__slots__}
    return {name: value for name, value in tree.items() if value or name not in _OPTIONAL}


def encode_seal(seal: Seal) -> bytes:
    """The line of `seal`, without a line feed."""
    return canonical(seal_tree(seal))


def message(seal: Seal) -> bytes:
    """The octets that are signed."""
    tree = seal_tree(seal)
    del tree["signature"]
    return (SEAL_PREFIX if seal.root else _VERSION_1) + canonical(tree)


def seal_hash(seal: Seal) -> str:
    """What the next seal names as `prev`, and what witnesses are shown."""
    return hashlib.sha256(encode_seal(seal)).hexdigest()


def decode_seal(line: bytes) -> Seal:
    """The seal in one line; its signature is not checked here.

    Raises:
        ValueError: the line is none, or not in the one form that a seal has.
    """
    try:
        seal = Seal(**json.loads(line))
        if encode_seal(seal) != line or type(seal.seq) is not int or type(seal.at_ms) is not int:
            raise ValueError("not in the form of a seal")
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return seal


def read_seals(archive: Path) -> list[Seal]:
    """Every seal, oldest first; signatures are not checked here.

    Raises:
        ArchiveError: a line is damaged.
    """
    try:
        octets = (archive / NAME).read_bytes()
    except FileNotFoundError:
        return []
    *lines, rest = octets.split(b"\n")
    if rest:
        raise ArchiveError(NAME, f"line {len(lines) + 1} is cut short")
    seals = []
    for number, line in enumerate(lines, 1):
        try:
            seals.append(decode_seal(line))
        except ValueError as error:
            raise ArchiveError(NAME, f"line {number} is damaged") from error
    return seals


def make_seal(
    archive: Path, keys: Path, now: int | Callable[[], int], *, clock_note: str = ""
) -> Seal:
    """Sign the present end of the manifest.

    An end that was signed within the hour is not signed again.

    Args:
        now: milliseconds since 1970. A clock is read when the archive's lock is ours: whoever
            waits for it long must not sign lines that are younger than the seal says.
        clock_note: why the clock went back since the last seal, for whoever verifies.

    Raises:
        ConfigError: the key is missing or unusable.
        Refused: the archive is empty.
        ArchiveError: the clock is behind the last seal and nobody said why.
    """
    key = _read_key(keys)
    manifest = Manifest(archive)
    with manifest.locked():
        now_ms = now if isinstance(now, int) else now()
        last, lines = manifest.last(), manifest.committed()
        if last is None:
            raise Refused("the archive holds nothing to seal yet")
        _cut_torn_end(archive / NAME)
        seals = read_seals(archive)
        before = seals[-1] if seals else None
        if before and not clock_note:
            if now_ms < before.at_ms - CLOCK_TOLERANCE_MS:
                raise ArchiveError(NAME, _behind(before.at_ms - now_ms))
            fresh = now_ms - before.at_ms < HEARTBEAT_MS
            if fresh and (before.seq, before.hash) == (last.seq, last.hash):
                return before
        known = read_checkpoint(archive, lines, seals, key.public_key().public_bytes_raw())
        tree = tree_of(lines, known)
        bare = Seal(
            seq=last.seq,
            hash=last.hash,
            at_ms=now_ms,
            prev=seal_hash(before) if before else GENESIS,
            root=tree.root().hex(),
            note=clock_note,
        )
        signed = replace(bare, signature=key.sign(message(bare)).hex())
        with (archive / NAME).open("ab") as stream:
            stream.write(encode_seal(signed) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
    # Not under the lock: after a purge all lines are summed up anew. A damaged line is not this
    # one's to tell; what it says was signed as it stands.
    with suppress(ArchiveError, BackendUnavailable, TypeError):
        made = Checkpoint(
            seq=last.seq,
            hash=last.hash,
            octets=lines.octets,
            tree=tree,
            summary=sum_up(lines, known),
        )
        write_checkpoint(archive, made, key)
    return signed


def _cut_torn_end(path: Path) -> None:
    """Take away what a full disk or a crash left of a seal; it counts from its line feed on."""
    try:
        octets = path.read_bytes()
    except FileNotFoundError:
        return
    whole = octets.rfind(b"\n") + 1
    if whole < len(octets):
        os.truncate(path, whole)


def check_signature(seal: Seal, public_key: bytes) -> bool:
    """True when the site's key signed `seal`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        signature = bytes.fromhex(seal.signature)
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message(seal))
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def read_public_key(keys: Path) -> bytes:
    """The 32 octets of keys/seal.pub.

    Raises:
        ConfigError: it is missing or no key.
    """
    return read_public_file(keys / PUBLIC_FILE)


def read_public_file(path: Path) -> bytes:
    """The 32 octets of a public key kept in hex, such as a witness's copy of seal.pub.

    Raises:
        ConfigError: it is missing or no key.
    """
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise ConfigError(f"cannot read {path}; run 'yuenyan init' first") from error
    except ValueError as error:
        raise ConfigError(f"{path} holds no Ed25519 key in hex") from error
    if len(key) != 32:
        raise ConfigError(f"{path} holds no Ed25519 key in hex")
    return key


def write_public_key(keys: Path) -> None:
    """Write keys/seal.pub, the public half of the key that is there.

    Raises:
        ConfigError: there is no key.
    """
    public = _read_key(keys).public_key().public_bytes_raw().hex()
    (keys / PUBLIC_FILE).write_text(public + "\n", encoding="ascii")


def require_key_pair(keys: Path) -> None:
    """Return when keys/seal.pub is the public half of keys/seal.key.

    Raises:
        ConfigError: either is missing or no key, or they do not belong together.
    """
    if _read_key(keys).public_key().public_bytes_raw() != read_public_key(keys):
        raise ConfigError(f"{keys / PUBLIC_FILE} is not the public half of {KEY_FILE}")


def _read_key(keys: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        seed = bytes.fromhex(read_secret_file(keys / KEY_FILE).reveal().decode("ascii"))
        return Ed25519PrivateKey.from_private_bytes(seed)
    except ValueError as error:
        raise ConfigError(f"{keys / KEY_FILE} holds no Ed25519 key in hex") from error


def _behind(milliseconds: int) -> str:
    return (
        f"the clock is {milliseconds // 1000} s behind the last seal: set it right; if it ran"
        " ahead before, say so: yuenyan archive seal --clock-went-back REASON"
    )
