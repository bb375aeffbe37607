"""Gathers what a process has made at its start into huge pages of memory, where Linux can.

A login touches a thousand small objects all over the heap. Whenever something else has used the
processor meanwhile, each costs a walk through the page tables, and a virtual machine walks twice;
with pages of 2 MB there is hardly anything to walk through.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path

PAGE_OCTETS = 2 << 20
"""Of x86-64 and of ARM with 4 kB pages; elsewhere the kernel refuses, and all stays as it is."""

_SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_MAPS = Path("/proc/self/maps")
_MADV_COLLAPSE = 25


def gather() -> int:
    """Gather the memory of this process now; how many huge pages it is in.

    That is 0, and nothing is changed, where the kernel is older than 6.1 or the machine's
    administrator has chosen "never". It takes a tenth of a second, so it is for the start.
    """
    try:
        if "[never]" in _SETTING.read_text(encoding="ascii"):
            return 0
        maps = _MAPS.read_text(encoding="utf-8", errors="replace")
        advise = ctypes.CDLL(None).madvise
    except (OSError, AttributeError):
        return 0  # no Linux, or one without huge pages
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    pages = 0
    for start, octets in spans(maps):
        if advise(start, octets, _MADV_COLLAPSE) == 0:
            pages += octets // PAGE_OCTETS
    return pages


def spans(maps: str) -> Iterator[tuple[int, int]]:
    """Start and length of what may be gathered: whole huge pages of private, nameless memory.

    Args:
        maps: as /proc/self/maps has it, see proc_pid_maps(5).
    """
    for line in maps.splitlines():
        place, rights, _, _, _, *name = line.split(maxsplit=5)
        if rights != "rw-p" or (name and name[0] != "[heap]"):
            continue
        first, _, end = place.partition("-")
        start = -(-int(first, 16) // PAGE_OCTETS) * PAGE_OCTETS
        octets = int(end, 16) // PAGE_OCTETS * PAGE_OCTETS - start
        if octets > 0:
            yield start, octets
