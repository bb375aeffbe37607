"""Writes a bundle: items into one file whose every octet follows from them and the manifest.

The items lie in it uncompressed and in the order of their names, with the time the bundle was
made; `traffic.evidence.verify` holds the layout, since it must be able to stand alone. Does not
know what the items mean.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import BackendUnavailable, UsageError
from traffic.evidence import verify
from traffic.evidence.keys import EvidenceKey

MAX_ITEMS = 60_000
"""A ZIP file without extensions, which every tool reads, counts them in sixteen bits."""

MAX_OCTETS = 2 << 30
"""Half of what such a file can hold; more than anybody reads."""


@dataclass(frozen=True, slots=True)
class Written:
    """A bundle on the disk."""

    sha256: str
    octets: int
    items: int


def list_items(items: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """What the manifest says of each item, in the order of the names."""
    return [
        {
            "path": name,
            "octets": len(items[name]),
            "sha256": hashlib.sha256(items[name]).hexdigest(),
        }
        for name in sorted(items)
    ]


def write_bundle(
    path: Path, items: Mapping[str, bytes], about: Mapping[str, Any], key: EvidenceKey
) -> Written:
    """Write `items` to a new file, with SHA256SUMS, manifest, key and signature added.

    Args:
        about: what the manifest says beside the items; `created_ms` among it.

    Raises:
        UsageError: it is too much for one bundle.
        BackendUnavailable: the disk refused.
    """
    listed = dict(items)
    sums = "".join(f"{item['sha256']}  {item['path']}\n" for item in list_items(items))
    listed[verify.SUMS] = sums.encode("ascii")
    size = sum(map(len, listed.values()))
    if len(listed) + len(verify.UNLISTED) > MAX_ITEMS or size > MAX_OCTETS:
        raise UsageError("that is too much for one bundle: ask for a shorter period or fewer")
    manifest = {
        **about,
        "format": verify.FORMAT,
        "public_key": key.public.hex(),
        "items": list_items(listed),
    }
    octets = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"
    listed[verify.MANIFEST] = octets
    listed[verify.SIGNATURE] = key.sign(octets)
    listed[verify.KEY] = verify.pem(key.public)
    try:
        return _write(path, listed, verify.dos_time(int(about["created_ms"])))
    except OSError as error:
        raise BackendUnavailable("disk", f"{path}: {error.strerror}") from error


def _write(path: Path, items: Mapping[str, bytes], stamp: int) -> Written:
    digest, at, directory = hashlib.sha256(), 0, b""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as stream:

        def add(octets: bytes) -> None:
            nonlocal at
            stream.write(octets)
            digest.update(octets)
            at += len(octets)

        for name in sorted(items):
            entry = verify.Entry(name, binascii.crc32(items[name]), len(items[name]), at)
            directory += verify.central_header(entry, stamp)
            add(verify.local_header(entry, stamp))
            add(items[name])
        begin = at
        add(directory)
        add(verify.end_record(len(items), len(directory), begin))
        stream.flush()
        os.fsync(stream.fileno())
    return Written(digest.hexdigest(), at, len(items))
