"""Files of the archive on the disk: their hash, and that they are there after a power cut.

Apart from what writes flows, so that whoever only reads rows loads none of that.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_HASH_OCTETS = 1 << 20


def digest_and_sync(path: Path) -> tuple[str, int]:
    """(SHA-256 in hex, octets) of a file that is on the disk when this returns."""
    with path.open("rb") as stream:
        digest = digest_file(path)
        os.fsync(stream.fileno())
        return digest, os.fstat(stream.fileno()).st_size


def digest_file(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_HASH_OCTETS):
            digest.update(piece)
    return digest.hexdigest()


def sync_directory(path: Path) -> None:
    """Force the names in a directory to the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
