"""The committed lines of a manifest, gone over as often as need be and never held all at once.

After a year there are hundreds of thousands of them: a list of their entries takes two
kilobytes each. Does not judge them; that is verification.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from common.errors import ArchiveError, BackendUnavailable
from traffic.archive.entries import Entry, decode_entry

REMOVED = b'"removed":['
ORIGIN = b'"origin":"'
ROWS = b'"rows":"'
"""How a line shows, before it is decoded, that it has a field: inside a JSON text the quotation
marks would be escaped."""

_PATH = re.compile(rb'"path":"([^"\\]+)"')
_BLOCK_OCTETS = 1 << 20
_DIGEST_OCTETS = 16


@dataclass(frozen=True, slots=True)
class Lines:
    """The manifest up to an octet where a group of lines ends; what is added later is not in it."""

    path: Path
    octets: int
    """Where it ends."""
    begin: int = 0
    """Octet at which it begins; a line begins there."""
    before: int = 0
    """Lines before that one."""

    def __iter__(self) -> Iterator[Entry]:
        """Every entry, oldest first.

        Raises:
            ArchiveError: a line is damaged.
        """
        return (decode_entry(line, number) for number, line in self.numbered())

    def numbered(self) -> Iterator[tuple[int, bytes]]:
        """(number, line without its line feed), oldest first."""
        return enumerate(self.raw(), self.before + 1)

    def raw(self) -> Iterator[bytes]:
        """Every line without its line feed, oldest first.

        Raises:
            ArchiveError: the file is shorter than it was.
        """
        left = self.octets - self.begin
        if not left:
            return
        try:
            with self.path.open("rb") as stream:
                stream.seek(self.begin)
                rest = b""
                while left:
                    block = stream.read(min(left, _BLOCK_OCTETS))
                    if not block:
                        raise ArchiveError(self.path.name, "was cut while it was read")
                    left -= len(block)
                    *whole, rest = (rest + block).split(b"\n")
                    yield from whole
        except OSError as error:
            raise BackendUnavailable("archive", str(error)) from error

    def having(self, *marks: bytes) -> Iterator[Entry]:
        """The entries of the lines in which one of `marks` stands; no other is decoded."""
        for number, line in self.numbered():
            if any(mark in line for mark in marks):
                yield decode_entry(line, number)

    def of_paths(self, wanted: Container[str]) -> Iterator[Entry]:
        """The entries of the segments in `wanted`; no other line is decoded."""
        for number, line in self.numbered():
            found = _PATH.search(line)
            if found and found[1].decode(errors="replace") in wanted:
                yield decode_entry(line, number)

    def present(self, kind: str | None = None) -> Iterator[Entry]:
        """The entries (of `kind`) that have a segment which no purge has taken away."""
        gone = self.purged()
        entries = iter(self) if kind is None else self.having(f'"kind":"{kind}"'.encode())
        return (
            entry
            for entry in entries
            if entry.path and entry.path not in gone and kind in (None, entry.kind)
        )

    def purged(self) -> PathSet:
        """Every path that a line says was taken away."""
        return PathSet(path for entry in self.having(REMOVED) for path in entry.removed)

    def backward(self) -> Iterator[Entry]:
        """Every entry, newest first: for what stands near the end, however long the list is."""
        rest, end, number = b"", self.octets, 0
        while end > self.begin:
            start = max(self.begin, end - _BLOCK_OCTETS)
            block = self._block(start, end) + rest
            first, *whole = block.split(b"\n")[:-1]
            if start == self.begin:
                whole.insert(0, first)
            else:
                rest = first + b"\n"  # without its beginning it waits for the block before
            for line in reversed(whole):
                number -= 1
                yield decode_entry(line, number)
            end = start

    def count(self) -> int:
        """How many lines there are."""
        return sum(1 for _ in self.raw())

    def _block(self, start: int, end: int) -> bytes:
        try:
            with self.path.open("rb") as stream:
                stream.seek(start)
                block = stream.read(end - start)
        except OSError as error:
            raise BackendUnavailable("archive", str(error)) from error
        if len(block) < end - start:
            raise ArchiveError(self.path.name, "was cut while it was read")
        return block


class PathSet(Container[str]):
    """Paths of segments, sixteen octets each: after years a million of them were purged."""

    def __init__(self, paths: Iterable[str]) -> None:
        digests = sorted(set(map(_digest, paths)))
        self._size = len(digests)
        self._digests = b"".join(digests)

    def __contains__(self, path: object) -> bool:
        digest = _digest(str(path))
        place = bisect_left(range(self._size), digest, key=self._at)
        return place < self._size and self._at(place) == digest

    def __len__(self) -> int:
        return self._size

    def _at(self, place: int) -> bytes:
        return self._digests[_DIGEST_OCTETS * place : _DIGEST_OCTETS * (place + 1)]


def _digest(path: str) -> bytes:
    return blake2b(path.encode(errors="replace"), digest_size=_DIGEST_OCTETS).digest()
