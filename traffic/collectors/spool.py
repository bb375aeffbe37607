"""Spool files: datagrams on disk until they are in the archive.

`<number>.open` is being written, `<number>.spool` waits for the decoder; numbers only rise.
The receiver owns the first form, the decoder the second. Does not know what is inside.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

OPEN_SUFFIX = ".open"
CLOSED_SUFFIX = ".spool"

SPOOL_OCTETS = 32 << 20
"""A file is handed over at this size: about 600,000 flows, half a second to decode."""


def spool_number(path: Path) -> int:
    """The number in the name of a spool file."""
    return int(path.stem)


def closed_files(directory: Path) -> list[Path]:
    """Files that wait for the decoder, oldest first."""
    return sorted(directory.glob(f"*{CLOSED_SUFFIX}"), key=spool_number)


def close_leftovers(directory: Path) -> int:
    """Close what a killed receiver left open; returns the highest number present, or 0."""
    for left in directory.glob(f"*{OPEN_SUFFIX}"):
        left.rename(left.with_suffix(CLOSED_SUFFIX))
    return max((spool_number(path) for path in directory.glob(f"*{CLOSED_SUFFIX}")), default=0)


class SpoolWriter:
    """Writes one spool file after the other. The file is made when the first octets come."""

    def __init__(self, directory: Path, next_number: int) -> None:
        self.directory = directory
        self.octets = 0
        self.opened_ns = 0
        self._number = next_number
        self._handle: int | None = None
        self._syncer: threading.Thread | None = None

    @property
    def is_open(self) -> bool:
        return self._handle is not None

    def handle(self, now_ns: int) -> int:
        """The descriptor to append to."""
        if self._handle is None:
            path = self.directory / f"{self._number:012d}{OPEN_SUFFIX}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._handle = os.open(path, flags, 0o600)
            self.octets = 0
            self.opened_ns = now_ns
        return self._handle

    def append(self, octets: bytes, now_ns: int) -> None:
        """Append whole records."""
        handle = self.handle(now_ns)
        self.octets += len(octets)
        left = memoryview(octets)
        while left:
            left = left[os.write(handle, left) :]

    def sync_soon(self) -> None:
        """Have another thread force what was written to the disk, unless it still does."""
        if self._handle is None or (self._syncer is not None and self._syncer.is_alive()):
            return
        copy = os.dup(self._handle)
        self._syncer = threading.Thread(target=_sync_and_close, args=(copy,), daemon=True)
        self._syncer.start()

    def close(self) -> Path | None:
        """Hand the file over to the decoder; returns it, or None when none was open."""
        if self._handle is None:
            return None
        os.close(self._handle)
        self._handle = None
        path = self.directory / f"{self._number:012d}{OPEN_SUFFIX}"
        closed = path.with_suffix(CLOSED_SUFFIX)
        path.rename(closed)
        self._number += 1
        return closed


def _sync_and_close(handle: int) -> None:
    try:
        os.fdatasync(handle)
    finally:
        os.close(handle)
