"""Which memory is gathered into huge pages."""

from __future__ import annotations

from common.hugepages import PAGE_OCTETS, gather, spans

MAPS = """\
00400000-00a00000 r-xp 00000000 fe:00 1234   /usr/bin/python3.11
00e00000-01a00000 rw-p 00000000 00:00 0      [heap]
7f0000100000-7f0000700000 rw-p 00000000 00:00 0
7f0000800000-7f0000900000 rw-p 00000000 00:00 0
7f0001000000-7f0001400000 rw-p 00000000 fe:00 99     /tmp/a file
7f0002000000-7f0002400000 rw-s 00000000 00:01 7      /dev/zero (deleted)
7ffd00000000-7ffd00400000 rw-p 00000000 00:00 0      [stack]
"""


def test_whole_huge_pages_of_the_heap_and_of_nameless_private_memory_are_gathered() -> None:
    assert list(spans(MAPS)) == [
        (0x00E00000, 6 * PAGE_OCTETS),
        (0x7F0000200000, 2 * PAGE_OCTETS),
    ]


def test_a_process_goes_on_with_what_it_had_after_its_memory_was_gathered() -> None:
    kept = [bytes((number % 251,)) * 1000 for number in range(20_000)]
    assert gather() >= 0
    assert all(value == bytes((number % 251,)) * 1000 for number, value in enumerate(kept))
