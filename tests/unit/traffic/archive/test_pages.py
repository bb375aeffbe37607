"""Runs of indices and packed deltas, by the format's own page (apache/parquet-format)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from traffic.archive.pages import (
    UnknownPage,
    deltas,
    first_block,
    indices,
    next_block,
    runs,
    unpack,
    varint,
    zigzag,
)

PACKED_0_TO_7 = bytes((0x88, 0xC6, 0xFA))
"""Encodings.md, "RLE/bit-packing hybrid": the numbers 0 to 7 in three bits each."""


def test_the_example_of_the_format_is_unpacked_whole_and_in_part() -> None:
    assert unpack(PACKED_0_TO_7, 0, 3, 0, 8) == list(range(8))
    assert unpack(PACKED_0_TO_7, 0, 3, 3, 4) == [3, 4, 5, 6]


@pytest.mark.parametrize("width", [1, 5, 13, 32, 33, 64])
@pytest.mark.parametrize("count", [1, 31, 32, 33, 200])
def test_any_stretch_of_packed_numbers_is_unpacked(width: int, count: int) -> None:
    numbers = [(number * 0x9E3779B97F4A7C15) % (1 << width) for number in range(256)]
    bits = sum(number << place * width for place, number in enumerate(numbers))
    octets = bits.to_bytes(32 * width, "little")
    for first in (0, 1, 50):
        assert unpack(octets, 0, width, first, count) == numbers[first : first + count]


def test_nothing_wide_numbers_are_zero() -> None:
    assert unpack(b"", 0, 0, 5, 3) == [0, 0, 0]


HYBRID = bytes((3, 10 << 1, 5, 1 << 1 | 1)) + PACKED_0_TO_7 + bytes((200 << 1 & 0x7F | 0x80, 3, 6))
"""The width; ten times 5; eight packed ones; two hundred times 6 (400 = 0x190 as a varint)."""
NUMBERS = [5] * 10 + list(range(8)) + [6] * 200


def test_repeated_and_packed_indices_are_read_from_any_noted_run() -> None:
    noted = runs(HYBRID, 0, len(NUMBERS), 8)
    assert noted[0] == (0, 1)
    assert len(noted) == -(-len(NUMBERS) // 8)
    for first in range(0, len(NUMBERS), 7):
        row, position = noted[first // 8]
        for end in (first + 1, min(first + 23, len(NUMBERS))):
            assert indices(HYBRID, 3, position, row, first, end) == NUMBERS[first:end]


def test_a_run_of_nothing_is_refused_and_never_turned_round_in() -> None:
    with pytest.raises(UnknownPage):
        indices(bytes((0, 0, 0)), 3, 0, 0, 0, 5)
    with pytest.raises(UnknownPage):
        runs(bytes((3, 0, 0)), 0, 5, 8)


def test_signed_and_long_numbers_are_read() -> None:
    assert varint(bytes((0xE5, 0x8E, 0x26)), 0) == (624485, 3)  # the example of DWARF 3, 7.6
    assert [zigzag(bytes((code,)), 0)[0] for code in range(5)] == [0, -1, 1, -2, 2]


def packed_deltas(numbers: list[int], bits: int) -> bytes:
    """`numbers` as DuckDB packs them: blocks of 2048 in eight parts, each as wide as it needs."""

    def number(value: int) -> bytes:
        octets = bytearray()
        while value > 0x7F:
            octets.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes((*octets, value))

    def signed(value: int) -> bytes:
        return number(value << 1 if value >= 0 else (-value << 1) - 1)

    octets = number(2048) + number(8) + number(len(numbers)) + signed(numbers[0])
    steps = [after - before for before, after in pairwise(numbers)]
    for start in range(0, len(steps), 2048):
        block = steps[start : start + 2048]
        least = min(block)
        parts = [block[place : place + 256] for place in range(0, 2048, 256)]
        widths = [max((step - least for step in part), default=0).bit_length() for part in parts]
        octets += signed(least) + bytes(widths)
        for part, width in zip(parts, widths, strict=True):
            whole = sum(step - least << place * width for place, step in enumerate(part))
            octets += whole.to_bytes(32 * width, "little")
    assert all(number < 1 << bits for number in numbers)
    return octets


@pytest.mark.parametrize("bits", [16, 32, 64])
@pytest.mark.parametrize("length", [1, 2, 256, 257, 2048, 2049, 5000])
def test_deltas_are_undone_from_the_nearest_noted_number(bits: int, length: int) -> None:
    numbers = [(number * number * 0x9E3779B97F4A7C15) % (1 << bits) for number in range(length)]
    octets = packed_deltas(numbers, bits)
    for first in {0, 1, 255, 256, 300, 2047, 2048, 4097, length - 1}:
        for end in (first + 1, first + 40, first + 600):
            if first < length and end <= length:
                block = first_block(octets, 0)
                for _ in range(first // 2048):
                    block = next_block(octets, block)
                found = deltas(octets, block, numbers[::256], first, end, (1 << bits) - 1)
                assert found == numbers[first:end]


def test_a_number_without_end_is_refused_before_it_takes_long() -> None:
    assert varint(b"\xff" * 9 + b"\x01", 0) == ((1 << 64) - 1, 10)
    with pytest.raises(UnknownPage):
        varint(b"\x80" * 11, 0)


def test_blocks_of_another_size_are_not_read_here() -> None:
    with pytest.raises(UnknownPage):
        first_block(bytes((0x80, 1, 4, 5, 0)), 0)
