"""The list of all segments, append-only: `archive/manifest.jsonl`.

A line that is torn by a crash is never an entry: readers pass over an unfinished end, and
`recover` sets it aside. Does not judge whether files agree with it: that is verification.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from common.errors import ArchiveError, BackendUnavailable
from traffic.archive.entries import Entry, decode_entry, encode_entry, seal_entries
from traffic.archive.lines import Lines

NAME = "manifest.jsonl"
ELSEWHERE = "elsewhere.json"
"""Beside it where segments have left this disk; traffic.archive.elsewhere says more."""

_TAIL_OCTETS = 1 << 16
_FIRST_MODE = 0o640


class Manifest:
    """The manifest of one archive directory; opens nothing until asked."""

    def __init__(self, archive: Path) -> None:
        self.archive = archive
        self.path = archive / NAME

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the one lock of the archive: while writing, or while taking a snapshot."""
        self.archive.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(self.archive / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise BackendUnavailable("archive", str(error)) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def lines(self) -> list[bytes]:
        """Every finished line at once, oldest first; see `finished`."""
        return list(self.finished()[0].raw())

    def finished(self) -> tuple[Lines, int]:
        """(every finished line, octets after the last: none unless a write goes on or was cut)."""
        try:
            with self.path.open("rb") as stream:
                size = begin = stream.seek(0, os.SEEK_END)
                end = 0
                while begin and not end:
                    last, begin = begin, max(0, begin - _TAIL_OCTETS)
                    stream.seek(begin)
                    found = stream.read(last - begin).rfind(b"\n") + 1
                    end = begin + found if found else 0
                return Lines(self.path, end), size - end
        except FileNotFoundError:
            return Lines(self.path, 0), 0
        except OSError as error:
            raise ArchiveError(NAME, f"cannot be read: {error.strerror}") from error

    def committed(self) -> Lines:
        """The lines that count now, to go over: an unfinished group at the end does not.

        Raises:
            ArchiveError: a line near the end is damaged.
        """
        return Lines(self.path, self._tail()[2])

    def entries(self) -> list[Entry]:
        """Every committed entry at once: for short lists, two kilobytes each. See `committed`.

        Raises:
            ArchiveError: a line is damaged.
        """
        found = [decode_entry(line, number) for number, line in enumerate(self.lines(), 1)]
        return found[: len(found) - unfinished(found)]

    def last(self) -> Entry | None:
        """The last committed entry, or None; reads the end of the file alone."""
        return self._tail()[0]

    def append(self, entries: Sequence[Entry]) -> list[Entry]:
        """Chain `entries` to the end, as one group; on the disk when this returns.

        Call with `locked` held and after `recover`.
        """
        chained = seal_entries(entries, self.last())
        octets = b"".join(encode_entry(entry) for entry in chained)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        handle = os.open(self.path, flags, _FIRST_MODE)
        try:
            before = os.fstat(handle).st_size
            try:
                left = memoryview(octets)
                while left:
                    left = left[os.write(handle, left) :]
                os.fsync(handle)
            except OSError:
                # A full disk must not leave half a line for the next append to follow.
                os.ftruncate(handle, before)
                raise
        finally:
            os.close(handle)
        return chained

    def recover(self) -> int:
        """Cut off what a crash left unfinished at the end, into `manifest.torn`; its octets."""
        cut = self._tail()[1]
        if not cut:
            return 0
        with (self.archive / "manifest.torn").open("ab") as aside:
            aside.write(cut + b"\n")
            aside.flush()
            os.fsync(aside.fileno())
        with self.path.open("r+b") as stream:
            stream.truncate(stream.seek(0, os.SEEK_END) - len(cut))
            stream.flush()
            os.fsync(stream.fileno())
        return len(cut)

    def _tail(self) -> tuple[Entry | None, bytes, int]:
        """(the last committed entry, what is unfinished after it, octet where that begins).

        Reads no more than it must.

        With an archive of months the manifest is long, and every commit asks this.
        """
        try:
            with self.path.open("rb") as stream:
                size = stream.seek(0, os.SEEK_END)
                amount = _TAIL_OCTETS
                while True:
                    start = max(0, size - amount)
                    stream.seek(start)
                    tail = stream.read(size - start)
                    end = tail.rfind(b"\n") + 1
                    pieces = tail[:end].split(b"\n")[:-1]
                    if start:
                        pieces = pieces[1:]
                    found = [
                        decode_entry(line, number)
                        for number, line in enumerate(pieces, -len(pieces))
                    ]
                    left = unfinished(found)
                    if left < len(found) or not start:
                        cut = b"".join(line + b"\n" for line in pieces[len(pieces) - left :])
                        last = found[len(found) - left - 1] if left < len(found) else None
                        cut += tail[end:]
                        return last, cut, size - len(cut)
                    amount *= 4
        except FileNotFoundError:
            return None, b"", 0
        except OSError as error:
            raise BackendUnavailable("archive", str(error)) from error


def unfinished(entries: Sequence[Entry]) -> int:
    """How many entries at the end belong to a group that is not whole."""
    if not entries or entries[-1].part == entries[-1].parts:
        return 0
    return min(entries[-1].part, len(entries))
