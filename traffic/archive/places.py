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

MAGIC = b"YYplace1"
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


class Places:
    """What stands at the end of one segment."""

    def __init__(self, octets: bytes) -> None:
        self.rows, groups, self._columns, noted = _HEAD.unpack_from(octets)
        position = _HEAD.size
        (length,) = struct.unpack_from("<I", octets, position)
        position += 4
        names = octets[position : position + length].decode().split("\n")
        self.number = dict(zip(names, range(len(names)), strict=True))
        """Of each column, among those of a row group."""
        position += length
        self.starts = struct.unpack_from(f"<{groups}Q", octets, position)
        """The first row of each row group."""
        position += 8 * groups
        self._octets = octets
        self._chunks = position
        position += _CHUNK.size * groups * self._columns
        self._count = -(-self.rows // STEP)
        self._noted: dict[str, tuple[int, int]] = {}
        """Of a column with noted values: where they stand, octets a value."""
        for _ in range(noted):
            number, width = _NOTED.unpack_from(octets, position)
            position += _NOTED.size
            if width not in (4, 8):
                raise ValueError("its noted values are of no width")
            self._noted[names[number]] = position, width
            position += width * self._count
        self._runs = position

    def columns(self, group: int) -> list[Told]:
        """Where the columns of a row group are, in the order of `number`."""
        begin = self._chunks + group * self._columns * _CHUNK.size
        octets = self._octets[begin : begin + self._columns * _CHUNK.size]
        return list(_CHUNK.iter_unpack(octets))

    def run(self, place: int) -> tuple[int, int]:
        """(first row, position) of what is noted at `place`: both within the group."""
        first, position = _RUN.unpack_from(self._octets, self._runs + place * _RUN.size)
        return first, position

    def noted(self, name: str, group: int) -> Sequence[int]:
        """The values of a column at each 256th row, from the first of a row group on."""
        return self._values(name)[self.starts[group] // STEP :]

    def near(self, key: tuple[int, int, int]) -> tuple[int, int]:
        """(first, end) of the rows that a client's can only be among."""
        first4 = SORT_KEY[0]
        if key[0] and first4 in self._noted:  # IPv4: nothing else tells two clients apart
            values4 = self._values(first4)
            first, end = bisect_left(values4, key[0]), bisect_right(values4, key[0])
            return max(0, first - 1) * STEP, min(end * STEP, self.rows)
        noted = [self._values(name) if name in self._noted else None for name in SORT_KEY]

        def at(step: int) -> tuple[int, ...]:
            return tuple(0 if values is None else values[step] for values in noted)

        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if at(middle) < key else (low, middle)
        first, high = low, self._count
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if at(middle) <= key else (low, middle)
        return max(0, first - 1) * STEP, min(low * STEP, self.rows)

    def _values(self, name: str) -> Sequence[int]:
        position, width = self._noted[name]
        values = memoryview(self._octets)[position : position + width * self._count]
        if len(values) != width * self._count:
            raise ValueError("it ends in noted values")
        return values.cast("I" if width == 4 else "Q")


def encode(
    rows: int,
    names: Sequence[str],
    starts: Sequence[int],
    chunks: Sequence[Sequence[Chunk]],
    noted: Sequence[tuple[str, int, bytes]],
    runs: Sequence[tuple[int, int]],
) -> bytes:
    """The octets that go before the footer.

    Args:
        chunks: of each row group, in the order of `names`.
        noted: columns with octets a value and the values, little-endian.
        runs: of all chunks of dictionary indices, one behind the other.
    """
    listed = "\n".join(names).encode()
    body = [_HEAD.pack(rows, len(starts), len(names), len(noted))]
    body += [struct.pack("<I", len(listed)), listed, struct.pack(f"<{len(starts)}Q", *starts)]
    body += [chunk.encode() for group in chunks for chunk in group]
    for name, width, values in noted:
        body += [_NOTED.pack(names.index(name), width), values]
    body += [_RUN.pack(*run) for run in runs]
    octets = b"".join(body)
    return octets + _END.pack(len(octets), crc32(octets), MAGIC)


def behind(tail: bytes) -> int:
    """Octets from the end of the places to the end of a file whose last eight are `tail`."""
    return int.from_bytes(tail[:4], "little") + FOOTER_END


def length_before(mark: bytes) -> int:
    """Octets of the places that end with `mark`, its own not among them; 0: there are none."""
    length, _, magic = _END.unpack(mark)
    return length if magic == MAGIC else 0


def is_whole(octets: bytes, mark: bytes) -> bool:
    """Whether the places are the ones that were written: they are read without a library's care."""
    checksum: int = _END.unpack(mark)[1]
    return crc32(octets) == checksum
