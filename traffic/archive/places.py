"""Where in a segment the pages of its columns lie, and which client each 256th row is of.

Stands in the file itself, between the last page and the footer, where readers of Parquet do not
look; so it is under the hash of the manifest like the rest and goes where the file goes. Without
it a segment is read by way of its footer, which takes longer. Pure: octets in, values out.
"""

from __future__ import annotations

import struct
from binascii import crc32
from bisect import bisect_left, bisect_right

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Told = tuple[int, int, int, int, int, int, int, int, int, int]
    """A `Chunk` as it is read, in the order of `_CHUNK`: making one takes longer than using it."""

    Key = tuple[int, int, int]
    """The sort key of a client."""

MAGIC = b"YYplace2"
IN_ONE_PIECE = b"YYplace1"
"""The mark of segments from before each row group had a part of its own."""
STEP = 256
"""Rows between two that are noted: as many as are packed together where numbers are deltas."""

SORT_KEY = ("client4", "client6_high", "client6_low")

CONSTANT, DICTIONARY, DELTA, PLAIN, ABSENT = range(5)

_HEAD = struct.Struct("<QIHH")
"""Rows, groups, columns, columns with noted values."""
RUN_STEP = 1024
"""Rows between two whose run of dictionary indices is noted."""

_CHUNK = struct.Struct("<QQIIIIIBBH")
"""Offset of the data page's body; offset of the dictionary's body, or the value of all rows;
octets of both, packed and unpacked; where its runs are noted, or one more than where its blocks of
deltas are (0: they are not); encoding; octets a value takes (0: a text); octets before the values,
of dictionary indices the bits of one."""
_RUN = struct.Struct("<II")
"""First row of a run or block within its group, its position in the page."""
_NOTED = struct.Struct("<HH4x")
"""Number of the column, octets a value."""
_PART = struct.Struct("<II")
"""Octets of what is told of a row group, and their CRC-32."""
_END = struct.Struct("<II8s")
"""Octets of the table, its CRC-32, and the mark."""
MARK_OCTETS = _END.size
FOOTER_END = 8
"""Octets of a Parquet file's end: length of the footer, and its own magic."""


class Chunk:
    """One column of one row group, as it is put together."""

    __slots__ = (
        "dictionary_offset",
        "dictionary_packed",
        "dictionary_unpacked",
        "encoding",
        "offset",
        "packed",
        "runs",
        "skip",
        "unpacked",
        "width",
    )

    def __init__(
        self,
        offset: int,
        dictionary_offset: int,
        packed: int,
        unpacked: int,
        dictionary_packed: int,
        dictionary_unpacked: int,
        runs: int,
        encoding: int,
        width: int,
        skip: int,
    ) -> None:
        self.offset = offset
        self.dictionary_offset = dictionary_offset
        self.packed = packed
        self.unpacked = unpacked
        self.dictionary_packed = dictionary_packed
        self.dictionary_unpacked = dictionary_unpacked
        self.runs = runs
        self.encoding = encoding
        self.width = width
        self.skip = skip

    def encode(self) -> bytes:
        """As `_CHUNK` has it."""
        return _CHUNK.pack(
            self.offset,
            self.dictionary_offset,
            self.packed,
            self.unpacked,
            self.dictionary_packed,
            self.dictionary_unpacked,
            self.runs,
            self.encoding,
            self.width,
            self.skip,
        )


class Part:
    """What is told of one row group: where its columns are, and what is noted of them."""

    __slots__ = ("_chunks", "_columns", "_count", "_noted", "_octets", "_runs", "rows")

    def __init__(
        self,
        octets: bytes,
        rows: int,
        columns: int,
        chunks: int,
        noted: dict[str, tuple[int, int]],
        runs: int,
    ) -> None:
        """Take it out of `octets`.

        Args:
            rows: of the group.
            chunks: where they stand.
            noted: of a column with noted values, where these stand and the octets of one.
            runs: where they stand.
        """
        self._octets = octets
        self.rows = rows
        self._columns = columns
        self._chunks = chunks
        self._noted = noted
        self._runs = runs
        self._count = -(-rows // STEP)

    def columns(self) -> list[Told]:
        """Where the columns are, in the order of `Places.number`."""
        octets = self._octets[self._chunks : self._chunks + self._columns * _CHUNK.size]
        return list(_CHUNK.iter_unpack(octets))

    def run(self, place: int) -> tuple[int, int]:
        """(first row, position) of what is noted at `place`: both within the group."""
        first, position = _RUN.unpack_from(self._octets, self._runs + place * _RUN.size)
        return first, position

    def noted(self, name: str) -> Sequence[int]:
        """The values of a column at each 256th row."""
        position, width = self._noted[name]
        return _numbers(self._octets, position, width, self._count)

    def near(self, key: Key) -> tuple[int, int]:
        """(first, end) of the rows of the group that a client's can only be among."""
        noted = [self.noted(name) if name in self._noted else None for name in SORT_KEY]
        first, end = _around(key, noted, self._count)
        return first * STEP, min(end * STEP, self.rows)


class Places:
    """What stands at the end of one segment; of each row group, where the rest stands."""

    def __init__(self, octets: bytes, mark: bytes) -> None:
        """Read the table `octets` that ends with `mark`."""
        self.rows, groups, self._columns, noted = _HEAD.unpack_from(octets)
        position = _HEAD.size
        (length,) = struct.unpack_from("<I", octets, position)
        position += 4
        names = octets[position : position + length].decode().split("\n")
        self.number = dict(zip(names, range(len(names)), strict=True))
        """Of each column, among those of a row group."""
        position += length
        self.starts: Sequence[int] = struct.unpack_from(f"<{groups}Q", octets, position)
        """The first row of each row group."""
        position += 8 * groups
        self._octets = octets
        self._noted: dict[str, tuple[int, int]] = {}
        """Of a column with noted values: where they stand in one piece, octets a value."""
        self._firsts: dict[str, Sequence[int]] = {}
        """Of a column of the sort key that is not zero throughout: its value at each start."""
        self._parts: list[tuple[int, int]] = []
        self._chunks = position
        if mark[-len(MAGIC) :] == MAGIC:
            self._read_firsts(names, noted)
        else:
            self._read_one_piece(names, noted)

    def _read_firsts(self, names: Sequence[str], noted: int) -> None:
        position, groups = self._chunks, len(self.starts)
        for _ in range(noted):
            number, width = _NOTED.unpack_from(self._octets, position)
            self._noted[names[number]] = 0, width
            position += _NOTED.size
        for name, (_, width) in self._noted.items():
            if name in SORT_KEY:
                self._firsts[name] = _numbers(self._octets, position, width, groups)
                position += width * groups
        self._parts = list(_PART.iter_unpack(self._octets[position:]))
        if len(self._parts) != groups:
            raise ValueError("it does not tell of each row group")

    def _read_one_piece(self, names: Sequence[str], noted: int) -> None:
        position, count = self._chunks, -(-self.rows // STEP)
        position += _CHUNK.size * len(self.starts) * self._columns
        for _ in range(noted):
            number, width = _NOTED.unpack_from(self._octets, position)
            position += _NOTED.size
            name = names[number]
            self._noted[name] = position, width
            if name in SORT_KEY:
                values = _numbers(self._octets, position, width, count)
                self._firsts[name] = [values[start // STEP] for start in self.starts]
            position += width * count
        self._runs = position

    def groups(self, key: Key) -> range:
        """The row groups that rows of a client can only be in."""
        return range(*_around(key, [self._firsts.get(name) for name in SORT_KEY], len(self.starts)))

    def end(self, group: int) -> int:
        """The row behind the last one of a row group."""
        return self.starts[group + 1] if group + 1 < len(self.starts) else self.rows

    def before(self, group: int) -> tuple[int, int]:
        """(octets from where a row group's part begins to the table, octets of the part).

        No octets: it is in the table.
        """
        if not self._parts:
            return 0, 0
        return sum(length for length, _ in self._parts[group:]), self._parts[group][0]

    def part(self, group: int, octets: bytes) -> Part | None:
        """What is told of a row group, by its part; None: that is not what was written."""
        start, rows = self.starts[group], self.end(group) - self.starts[group]
        if not self._parts:
            noted = {
                name: (position + start // STEP * width, width)
                for name, (position, width) in self._noted.items()
            }
            chunks = self._chunks + group * self._columns * _CHUNK.size
            return Part(self._octets, rows, self._columns, chunks, noted, self._runs)
        if crc32(octets) != self._parts[group][1]:
            return None
        noted, position = {}, self._columns * _CHUNK.size
        for name, (_, width) in self._noted.items():
            noted[name] = position, width
            position += width * -(-rows // STEP)
        return Part(octets, rows, self._columns, 0, noted, position)


def _numbers(octets: bytes, position: int, width: int, count: int) -> Sequence[int]:
    if width not in (4, 8):
        raise ValueError("its noted values are of no width")
    values = memoryview(octets)[position : position + width * count]
    if len(values) != width * count:
        raise ValueError("it ends in noted values")
    return values.cast("I" if width == 4 else "Q")


def _around(key: Key, noted: Sequence[Sequence[int] | None], count: int) -> tuple[int, int]:
    """(first, end) of the noted rows behind which a client's rows can be."""
    values4 = noted[0]
    if key[0] and values4 is not None:  # IPv4: nothing else tells two clients apart
        return max(0, bisect_left(values4, key[0]) - 1), bisect_right(values4, key[0])

    def at(step: int) -> Key:
        four, high, low = (0 if values is None else values[step] for values in noted)
        return four, high, low

    steps = range(count)
    return max(0, bisect_left(steps, key, key=at) - 1), bisect_right(steps, key, key=at)


def encode(
    rows: int,
    names: Sequence[str],
    starts: Sequence[int],
    chunks: Sequence[Sequence[Chunk]],
    noted: Sequence[tuple[str, int, bytes]],
    runs: Sequence[Sequence[tuple[int, int]]],
) -> bytes:
    """The octets that go before the footer.

    Args:
        chunks: of each row group, in the order of `names`.
        noted: columns with octets a value and the values, little-endian.
        runs: of each row group, of its chunks of dictionary indices, one behind the other.
    """
    parts = []
    for start, end, group, own in zip(starts, (*starts[1:], rows), chunks, runs, strict=True):
        told = [chunk.encode() for chunk in group]
        begin, stop = start // STEP, -(-end // STEP)
        told += [values[begin * width : stop * width] for _, width, values in noted]
        told += [_RUN.pack(*run) for run in own]
        parts.append(b"".join(told))
    listed = "\n".join(names).encode()
    body = [_HEAD.pack(rows, len(starts), len(names), len(noted))]
    body += [struct.pack("<I", len(listed)), listed, struct.pack(f"<{len(starts)}Q", *starts)]
    body += [_NOTED.pack(names.index(name), width) for name, width, _ in noted]
    body += [
        values[start // STEP * width :][:width]
        for name, width, values in noted
        if name in SORT_KEY
        for start in starts
    ]
    body += [_PART.pack(len(part), crc32(part)) for part in parts]
    table = b"".join(body)
    return b"".join(parts) + table + _END.pack(len(table), crc32(table), MAGIC)


def behind(tail: bytes) -> int:
    """Octets from the end of the places to the end of a file whose last eight are `tail`."""
    return int.from_bytes(tail[:4], "little") + FOOTER_END


def length_before(mark: bytes) -> int:
    """Octets of the places that end with `mark`, its own not among them; 0: there are none."""
    length, _, magic = _END.unpack(mark)
    return length if magic in (MAGIC, IN_ONE_PIECE) else 0


def is_whole(octets: bytes, mark: bytes) -> bool:
    """Whether the places are the ones that were written: they are read without a library's care."""
    checksum: int = _END.unpack(mark)[1]
    return crc32(octets) == checksum
