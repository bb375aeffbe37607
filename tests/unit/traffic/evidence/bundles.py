"""A small bundle over a real sealed archive, and ways to put an altered one together."""

from __future__ import annotations

import binascii
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from traffic.archive.kinds import LEASE
from traffic.archive.seals import make_seal
from traffic.archive.tables import TableArchive
from traffic.evidence import verify
from traffic.evidence.bundle import write_bundle
from traffic.evidence.keys import EvidenceKey, load_key, make_key
from traffic.evidence.proofs import prove

CREATED_MS = 1_795_000_000_000
ABOUT: dict[str, Any] = {
    "case": "คดี 12/2569",
    "created_ms": CREATED_MS,
    "created_at": "2026-11-18T18:06:40+07:00",
}


def key_of(seed: int) -> EvidenceKey:
    """A key that is the same in every run."""
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return EvidenceKey(private.public_key().public_bytes_raw(), private)


def seal_keys(keys: Path) -> None:
    """Keys as `init` makes them."""
    keys.mkdir(exist_ok=True)
    private = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
    seed = keys / "seal.key"
    seed.write_text(private.private_bytes_raw().hex())
    seed.chmod(0o600)
    (keys / "seal.pub").write_text(private.public_key().public_bytes_raw().hex() + "\n")
    make_key(keys)


def sealed_archive(folder: Path) -> list[str]:
    """Four segments of leases, the first three sealed together; the record of each one's row."""
    seal_keys(folder / "keys")
    archive = TableArchive(folder / "archive", "node")
    for number in range(4):
        at = CREATED_MS + number
        row = {"received_at": at, "source": "10.0.0.1", "address": f"10.1.0.{number}"}
        archive.append(LEASE, [{**row, "raw": b"line %d" % number}])
        if number >= 2:
            make_seal(folder / "archive", folder / "keys", at)
    return [found.record for found in archive.read(LEASE)]


def small_items(folder: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """(items, what the manifest says) of two leases and a row of the database."""
    records = sealed_archive(folder)
    paths = [record.partition(":")[2].partition("#")[0] for record in records]
    proofs = prove(folder / "archive", folder / "keys", [paths[0], paths[3]])
    raw = b"\x00\xfforiginal"
    lines = [
        {"record": records[0], "raw": "raw/lease/1.bin", "raw_sha256": sha256(raw)},
        {"record": records[3]},
        {"record": "network_session:k1"},
    ]
    items = {
        "records/leases.jsonl": jsonl(lines),
        "raw/lease/1.bin": raw,
        "letter/letter.txt": "ที่ ศธ ๐๔๓๒๑/๑๒".encode(),
        **proofs.items,
    }
    return items, {**ABOUT, "seal_key": proofs.seal_key}


def small_bundle(folder: Path) -> Path:
    """A whole bundle, signed with the key that `seal_keys` has made."""
    items, about = small_items(folder)
    path = folder / "bundle.zip"
    write_bundle(path, items, about, load_key(folder / "keys"))
    return path


def read_items(path: Path) -> dict[str, bytes]:
    """The items of a bundle as they lie in it."""
    with path.open("rb") as stream:
        bundle = verify._Bundle(stream)
        return {entry.name: bundle.read(entry.name) for entry in bundle.entries}


def pack(path: Path, items: list[tuple[str, bytes]], created_ms: int = CREATED_MS) -> Path:
    """A container of `items` in the given order, with every number in it right."""
    stamp, body, directory = verify.dos_time(created_ms), b"", b""
    for name, octets in items:
        entry = verify.Entry(name, binascii.crc32(octets), len(octets), len(body))
        directory += verify.central_header(entry, stamp)
        body += verify.local_header(entry, stamp) + octets
    path.write_bytes(body + directory + verify.end_record(len(items), len(directory), len(body)))
    return path


def sign_again(items: Mapping[str, bytes], key: EvidenceKey) -> dict[str, bytes]:
    """`items` with manifest, key and signature made anew, as a forger with a key would."""
    listed = {name: octets for name, octets in items.items() if name not in verify.UNLISTED}
    manifest = json.loads(items[verify.MANIFEST])
    manifest["public_key"] = key.public.hex()
    manifest["items"] = [
        {"path": name, "octets": len(listed[name]), "sha256": sha256(listed[name])}
        for name in sorted(listed)
    ]
    octets = json.dumps(manifest).encode()
    return {
        **listed,
        verify.MANIFEST: octets,
        verify.SIGNATURE: key.sign(octets),
        verify.KEY: verify.pem(key.public),
    }


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def sha256(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()
