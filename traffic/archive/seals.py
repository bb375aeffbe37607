"""Signs the head of the manifest with the site's Ed25519 key: `archive/seals.jsonl`.

A seal says: at this time the manifest ended in this line. Each seal names the hash of the
seal before it. Making keys is `yuenyan init`'s work.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from common.errors import ArchiveError, ConfigError, Refused
from common.secret import read_secret_file
from traffic.archive.entries import GENESIS, canonical
from traffic.archive.manifest import Manifest

NAME = "seals.jsonl"
KEY_FILE = "seal.key"
PUBLIC_FILE = "seal.pub"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """One signed statement about the manifest."""

    seq: int
    hash: str
    """Of the manifest entry `seq`."""
    at_ms: int
    prev: str
    """SHA-256 of the seal before this one, signature included."""
    signature: str = ""


def message(seal: Seal) -> bytes:
    """The octets that are signed."""
    tree = asdict(seal)
    del tree["signature"]
    return b"yuenyan-seal-1\n" + canonical(tree)


def seal_hash(seal: Seal) -> str:
    """What the next seal names as `prev`."""
    return hashlib.sha256(canonical(asdict(seal))).hexdigest()


def read_seals(archive: Path) -> list[Seal]:
    """Every seal, oldest first; signatures are not checked here.

    Raises:
        ArchiveError: a line is damaged.
    """
    try:
        octets = (archive / NAME).read_bytes()
    except FileNotFoundError:
        return []
    seals = []
    for number, line in enumerate(octets.splitlines(), 1):
        try:
            seals.append(Seal(**json.loads(line)))
        except (ValueError, TypeError, RecursionError) as error:
            raise ArchiveError(NAME, f"line {number} is damaged") from error
    return seals


def make_seal(archive: Path, keys: Path, now_ms: int) -> Seal:
    """Sign the present end of the manifest; does nothing new when it is sealed already.

    Raises:
        ConfigError: the key is missing or unusable.
        Refused: the archive is empty.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        seed = bytes.fromhex(read_secret_file(keys / KEY_FILE).reveal().decode("ascii"))
        key = Ed25519PrivateKey.from_private_bytes(seed)
    except ValueError as error:
        raise ConfigError(f"{keys / KEY_FILE} holds no Ed25519 key in hex") from error
    manifest = Manifest(archive)
    with manifest.locked():
        last = manifest.last()
        if last is None:
            raise Refused("the archive holds nothing to seal yet")
        seals = read_seals(archive)
        if seals and (seals[-1].seq, seals[-1].hash) == (last.seq, last.hash):
            return seals[-1]
        bare = Seal(
            seq=last.seq,
            hash=last.hash,
            at_ms=now_ms,
            prev=seal_hash(seals[-1]) if seals else GENESIS,
        )
        signed = Seal(**{**asdict(bare), "signature": key.sign(message(bare)).hex()})
        with (archive / NAME).open("ab") as stream:
            stream.write(canonical(asdict(signed)) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
    return signed


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
    path = keys / PUBLIC_FILE
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise ConfigError(f"cannot read {path}; run 'yuenyan init' first") from error
    except ValueError as error:
        raise ConfigError(f"{path} holds no Ed25519 key in hex") from error
    if len(key) != 32:
        raise ConfigError(f"{path} holds no Ed25519 key in hex")
    return key
