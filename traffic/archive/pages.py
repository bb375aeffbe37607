"""Numbers out of a stretch of rows of one Parquet page, without reading what is before them.

Pure. The encodings are those of the Parquet format (Encodings.md of apache/parquet-format): the
hybrid of repeated and packed dictionary indices, and packed deltas. Only what our own segments
hold: numbers without gaps, one data page a chunk. Imports nothing: it is in the way of a command
that is over in a blink.
"""

from __future__ import annotations

from itertools import accumulate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Octets = bytes | memoryview

DELTAS_BLOCK = 2048
DELTAS_MINI = 256
"""How DuckDB packs deltas: so many in a block, so many in each of its eight parts."""
_MINIS = DELTAS_BLOCK // DELTAS_MINI


_LONGEST_SHIFT = 63


class UnknownPage(ValueError):  # noqa: N818 - nothing is wrong with it; somebody else reads it
    """The page is of a form that is not read here."""


def varint(octets: Octets, position: int) -> tuple[int, int]:
    """(an unsigned LEB128 number, where the next octet is)."""
    value = shift = 0
    while True:
        if shift > _LONGEST_SHIFT:
            raise UnknownPage("a number of more than 64 bits")
        octet = octets[position]
        position += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value, position
        shift += 7


def zigzag(octets: Octets, position: int) -> tuple[int, int]:
    """(a signed number in zigzag form, where the next octet is)."""
    value, position = varint(octets, position)
    return (value >> 1) ^ -(value & 1), position


def unpack(octets: Octets, position: int, width: int, first: int, count: int) -> list[int]:
    """`count` numbers of `width` bits from the `first` on, of those packed at `position`."""
    if not width:
        return [0] * count
    bit = first * width
    begin = position + (bit >> 3)
    end = position + ((bit + count * width + 7) >> 3)
    bits = int.from_bytes(octets[begin:end], "little") >> (bit & 7)
    mask = (1 << width) - 1
    if count <= 32:
        return [bits >> shift & mask for shift in range(0, count * width, width)]
    # Shifting a long number costs its length each time: take it apart in pieces first.
    piece, some = 32 * width, (1 << (32 * width)) - 1
    return [
        part >> shift & mask
        for part in (bits >> start & some for start in range(0, count * width, piece))
        for shift in range(0, piece, width)
    ][:count]


def indices(octets: Octets, width: int, position: int, row: int, first: int, end: int) -> list[int]:
    """Dictionary indices of the rows `first` to `end`, the latter not among them.

    Args:
        width: bits of an index.
        position: where the run stands that begins with row `row`, at or before `first`.
    """
    wide = (width + 7) >> 3
    found: list[int] = []
    while row < end:
        header = octets[position]
        position += 1
        if header >= 0x80:
            header, position = varint(octets, position - 1)
        count = (header >> 1) * 8 if header & 1 else header >> 1
        if not count:
            raise UnknownPage("a run of nothing")
        if row + count > first:
            begin, stop = max(first, row), min(end, row + count)
            if header & 1:
                found += unpack(octets, position, width, begin - row, stop - begin)
            else:
                index = int.from_bytes(octets[position : position + wide], "little")
                found += [index] * (stop - begin)
        position += count * width >> 3 if header & 1 else wide
        row += count
    return found


def runs(octets: Octets, position: int, rows: int, step: int) -> list[tuple[int, int]]:
    """(first row, position) of the run that holds each row whose number is a multiple of `step`.

    `position` is where the width of an index stands, after the definition levels.
    """
    width = octets[position]
    position += 1
    found: list[tuple[int, int]] = []
    row = 0
    while row < rows:
        begin = position
        header, position = varint(octets, position)
        count = (header >> 1) * 8 if header & 1 else header >> 1
        if not count:
            raise UnknownPage("a run of nothing")
        position += count * width >> 3 if header & 1 else (width + 7) >> 3
        while len(found) * step < min(row + count, rows):
            found.append((row, begin))
        row += count
    return found


def deltas(
    octets: Octets, position: int, known: Sequence[int], first: int, end: int, mask: int
) -> list[int]:
    """Delta-packed numbers of the rows `first` to `end`, the latter not among them.

    Args:
        position: where the block stands that begins with row 0, 2048, … at or before `first`.
        known: the number of each 256th row.
        mask: the octets that a number has, all bits set.
    """
    number = first // DELTAS_MINI
    value, skip = known[number], first - number * DELTAS_MINI
    if not skip and end - first == 1:
        return [value & mask]  # behind the last number there are no deltas any more
    mini = number % _MINIS
    least, position = zigzag(octets, position)
    widths = bytes(octets[position : position + _MINIS])
    position += _MINIS + 32 * sum(widths[:mini])
    steps = [value + skip * least + _total(octets, position, widths[mini], skip)]
    while True:
        for width in widths[mini:]:
            count = min(DELTAS_MINI - skip, end - first - len(steps))
            if count <= 0:
                return [value & mask for value in accumulate(steps)]
            steps += [least + delta for delta in unpack(octets, position, width, skip, count)]
            position += 32 * width
            skip = 0
        if len(steps) == end - first:
            return [value & mask for value in accumulate(steps)]
        mini = 0
        least, position = zigzag(octets, position)
        widths = bytes(octets[position : position + _MINIS])
        position += _MINIS


def first_block(octets: Octets, position: int) -> int:
    """Where the first block of deltas stands, behind the header at `position`.

    Raises:
        UnknownPage: they are packed otherwise than DuckDB does.
    """
    block, position = varint(octets, position)
    minis, position = varint(octets, position)
    if block != DELTAS_BLOCK or minis != _MINIS:
        raise UnknownPage("blocks of another size")
    _, position = varint(octets, position)
    return varint(octets, position)[1]


def next_block(octets: Octets, position: int) -> int:
    """Where the block after the one at `position` stands."""
    while octets[position] >= 0x80:
        position += 1
    widths = bytes(octets[position + 1 : position + 1 + _MINIS])
    return position + 1 + _MINIS + 32 * sum(widths)


_LANES: dict[int, int] = {}
"""For a width: every second of 256 numbers, all bits set."""


def _total(octets: Octets, position: int, width: int, count: int) -> int:
    """The sum of the first `count` of up to 256 numbers of `width` bits, packed at `position`.

    Without taking them apart: numbers that stand in twice the room each leave, divided by all
    bits of one such room, their sum.
    """
    if width < 8:  # 128 of them might need more room
        return sum(unpack(octets, position, width, 0, count))
    lanes = _LANES.get(width)
    if lanes is None:
        every = ((1 << DELTAS_MINI * width) - 1) // ((1 << 2 * width) - 1)
        lanes = _LANES[width] = every * ((1 << width) - 1)
    end = position + (count * width + 7 >> 3)
    bits = int.from_bytes(octets[position:end], "little") & (1 << count * width) - 1
    room = (1 << 2 * width) - 1
    return (bits & lanes) % room + (bits >> width & lanes) % room
