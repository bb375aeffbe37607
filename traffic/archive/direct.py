"""Reads one client's flows out of segments by their places, without DuckDB.

For the command that must be over in a blink. Reads the same rows as traffic.archive.reading does
(a test compares them), or says that it cannot. Imports next to nothing.
"""

from __future__ import annotations

import os
import struct

from common.errors import ArchiveError
from traffic.archive import places
from traffic.archive.pages import (
    DELTAS_BLOCK,
    UnknownPage,
    deltas,
    first_block,
    indices,
    next_block,
)
from traffic.archive.places import CONSTANT, DELTA, DICTIONARY, RUN_STEP, SORT_KEY, Places
from traffic.archive.records import STORED, active_between
from traffic.archive.zstd import HEAD_OCTETS, stored_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from operator import itemgetter
else:
    from _operator import itemgetter  # without the half of it that is written in Python

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from traffic.archive.places import Part, Told
    from traffic.archive.zstd import Decompressor

    Row = tuple[Any, ...]

    Found = tuple[str, int, Row]
    """The path of a segment, the number of a row, and its values."""

    Client = tuple[int, int, int]
    """The sort key: IPv4 address, and the halves of the IPv6 one; what is not used is zero."""

_LARGEST = 1 << 24
"""No page of a row group of ours is so long, packed or unpacked."""

_TABLE_OCTETS = 1 << 14
"""The table is no longer than this, and of a segment of some thousand flows the parts neither."""

_LARGEST_GROUP = 1 << 18
"""Nor has a row group of ours so many rows."""

_READ = ("exported_at", *STORED)
_TIMES = 4
"""So many of the first of them are times."""

_DAMAGE = (IndexError, ValueError, TypeError, OverflowError, struct.error)


class NotPlaced(Exception):  # noqa: N818 - nothing is wrong: the segment is read otherwise
    """The segment does not say where its pages are, or not in a form that is read here."""


class Segment:
    """One open segment; `close` it."""

    def __init__(self, path: str, library: Decompressor) -> None:
        """Open it.

        Raises:
            NotPlaced: it does not say where its pages are.
            OSError: it cannot be read.
        """
        self._library = library
        # What is no file must not keep whoever asks waiting.
        self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            size = os.fstat(self._handle).st_size
            footer_end = self._read(size - places.FOOTER_END, places.FOOTER_END)
            end = size - places.behind(footer_end) - places.MARK_OCTETS
            if end < 0:
                raise NotPlaced
            self._near_at = max(0, end - _TABLE_OCTETS)
            self._near = self._read(self._near_at, end + places.MARK_OCTETS - self._near_at)
            mark = self._near[end - self._near_at :]
            length = places.length_before(mark)
            if not length:
                raise NotPlaced
            self._table_at = end - length
            table = self._read_near(self._table_at, length)
            if not places.is_whole(table, mark):
                raise NotPlaced
            try:
                self.places = Places(table, mark)
            except _DAMAGE as error:
                raise ArchiveError("archive", f"the places are damaged: {error}") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        os.close(self._handle)

    def flows(self, client: Client, from_ms: int, to_ms: int) -> Iterator[tuple[int, Row]]:
        """(number, values of `STORED`) of each flow of `client` that was active in the span.

        Raises:
            NotPlaced: a page is of a form that is not read here.
            ArchiveError: a page is damaged.
        """
        try:
            groups = self.places.groups(client)
        except _DAMAGE as error:
            raise ArchiveError("archive", f"the places are damaged: {error}") from error
        for group in groups:
            start = self.places.starts[group]
            if self.places.end(group) - start > _LARGEST_GROUP:
                raise NotPlaced
            try:
                part = self.part(group)
                low, high = part.near(client)
                told = part.columns()
                low, high = self._of_client(part, told, client, low, high)
                if low == high:
                    continue
                number = self.places.number
                columns = [
                    self._values(part, name, told[number[name]], low, high) for name in _READ
                ]
                columns[:_TIMES] = [_signed(values) for values in columns[:_TIMES]]
            except (UnknownPage, KeyError) as error:
                raise NotPlaced from error
            except _DAMAGE as error:
                raise ArchiveError("archive", f"a page is damaged: {error}") from error
            exported = columns.pop(0)
            rows = enumerate(zip(*columns, strict=True), start + low)
            if _are_active(exported, columns[0], columns[1], columns[2], from_ms, to_ms):
                yield from rows
                continue
            for at, row in rows:
                begins, ends = active_between(row[0], exported[at - start - low], row[1], row[2])
                if begins <= to_ms and ends >= from_ms:
                    yield at, row

    def part(self, group: int) -> Part:
        """What is told of a row group.

        Raises:
            NotPlaced: it is not what was written.
        """
        before, length = self.places.before(group)
        octets = self._read_near(self._table_at - before, length) if length else b""
        part = self.places.part(group, octets)
        if part is None:
            raise NotPlaced
        return part

    def _of_client(
        self, part: Part, told: Sequence[Told], client: Client, low: int, high: int
    ) -> tuple[int, int]:
        """The rows of a client, within a group, among those that may be its own."""
        for name, wanted in zip(SORT_KEY, client, strict=True):
            if low == high:
                break
            values = self._values(part, name, told[self.places.number[name]], low, high, wanted)
            if not values:
                return low, low
            if values[0] == wanted == values[-1]:
                continue
            if wanted not in values:
                return low, low
            begin = values.index(wanted)
            low, high = low + begin, low + begin + values.count(wanted)
        return low, high

    def _values(
        self, part: Part, name: str, told: Told, low: int, high: int, wanted: int | None = None
    ) -> Sequence[Any]:
        """The values of a column in the rows `low` to `high` of a group, the latter left out.

        Nothing where its dictionary lacks the one that is `wanted`.
        """
        offset, other, packed, unpacked, other_packed, other_unpacked, runs, form, width, skip = (
            told
        )
        if form == CONSTANT:
            return (other,) * (high - low)
        if unpacked > _LARGEST or other_unpacked > _LARGEST:
            raise UnknownPage("a page too long to be ours")
        whole = self._library.whole
        if form == DICTIONARY:
            octets = whole(self._read(other, other_packed), other_unpacked)
            words = _words(octets, width)
            if wanted is not None and wanted not in words:
                return ()
            page = whole(self._read(offset, packed), unpacked)
            row, position = part.run(runs + low // RUN_STEP)
            return [words[index] for index in indices(page, skip, position, row, low, high)]
        if form == DELTA:
            noted, mask = part.noted(name), (1 << 8 * width) - 1
            begin, end = _blocks(part, runs, low, high, unpacked)
            if runs and packed > unpacked:
                head = self._read(offset, HEAD_OCTETS)
                stored = stored_at(head, packed, unpacked, begin, end)
                if stored:
                    blocks = b"".join([self._read(offset + at, length) for at, length in stored])
                    return deltas(blocks, 0, noted, low, high, mask)
            page = whole(self._read(offset, packed), unpacked)
            if not runs:
                begin = first_block(page, skip)
                for _ in range(low // DELTAS_BLOCK):
                    begin = next_block(page, begin)
            return deltas(page, begin, noted, low, high, mask)
        page = whole(self._read(offset, packed), unpacked)
        if not width:
            raise UnknownPage("plain texts")
        return page[skip:].cast("I" if width == 4 else "Q")[low:high].tolist()

    def _read_near(self, offset: int, length: int) -> bytes:
        """The same as `_read`, mostly without asking the system again."""
        begin = offset - self._near_at
        if begin < 0 or length > len(self._near) - begin:
            return self._read(offset, length)
        return self._near[begin : begin + length]

    def _read(self, offset: int, length: int) -> bytes:
        if offset < 0 or length > _LARGEST:
            raise NotPlaced
        octets = os.pread(self._handle, length, offset)
        if len(octets) != length:
            raise ArchiveError("archive", "a segment is cut off")
        return octets


def _blocks(part: Part, runs: int, low: int, high: int, end: int) -> tuple[int, int]:
    """(begin, end) of the blocks of deltas that rows are in, where that is noted."""
    if not runs:
        return 0, end
    begin = part.run(runs - 1 + low // DELTAS_BLOCK)[1]
    behind = max(low, high - 2) // DELTAS_BLOCK + 1
    if behind * DELTAS_BLOCK < part.rows:
        end = part.run(runs - 1 + behind)[1]
    return begin, end


def _words(octets: memoryview, width: int) -> Sequence[int | str]:
    """A dictionary: numbers of so many octets, or texts where that is none."""
    if width:
        return octets.cast("I" if width == 4 else "Q").tolist()
    texts, position = [], 0
    while position < len(octets):
        end = position + 4 + int.from_bytes(octets[position : position + 4], "little")
        texts.append(str(octets[position + 4 : end], "utf-8"))
        position = end
    return texts


def _signed(values: Sequence[Any]) -> Sequence[Any]:
    """Times as they are meant: an exporter that knows no date tells some before 1970."""
    if max(values) >> 63 == 0:
        return values
    return [value - (1 << 64) if value >> 63 else value for value in values]


def _are_active(
    exported: Sequence[int],
    received: Sequence[int],
    starts: Sequence[int],
    ends: Sequence[int],
    from_ms: int,
    to_ms: int,
) -> bool:
    """Whether `active_between` must say of each of the rows that it was active in the span.

    By the outermost of their times, which mostly tell; asking for each row takes longer.
    """
    latest = max(*starts, *ends) + max(max(received) - min(exported), 0)
    earliest = min(*starts, *ends) + min(min(received) - max(exported), 0)
    return latest <= to_ms and earliest >= from_ms


def find_flows(
    archive: str,
    paths: Sequence[str],
    client: Client,
    from_ms: int,
    to_ms: int,
    limit: int,
    offset: int,
    library: Decompressor,
) -> tuple[list[Found], bool]:
    """(flows by time, whether there are more), as `FlowReader.find_flows` finds them.

    Only for segments whose sort key finds every flow of the client.

    Raises:
        NotPlaced: a segment has to be read otherwise.
        ArchiveError: a segment is damaged.
        OSError: a segment cannot be read.
    """
    found: list[tuple[Any, str, int, Row]] = []
    for path in paths:
        segment = Segment(f"{archive}/{path}", library)
        try:
            found += [
                (row[1], path, number, row) for number, row in segment.flows(client, from_ms, to_ms)
            ]
        finally:
            segment.close()
    if list(paths) == sorted(paths):
        found.sort(key=itemgetter(0))  # of the same moment they stand in the order of their records
    else:
        found.sort()
    shown = found[offset : offset + limit]
    return [one[1:] for one in shown], len(found) > offset + limit
