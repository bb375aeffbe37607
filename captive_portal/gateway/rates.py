"""Rates of devices, as lines for `tc -batch`. Pure.

An HTB class for each device: on the inside interfaces for what it gets, on the outside ones for
what it sends. nftables chooses the class by the packet's priority, for IPv4 and IPv6 alike, so
that no kernel needs a classifier or an ifb device for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from captive_portal.gateway.rules import QDISC

MOST_CLASSES = 0xFFFE
_QUANTUM = 1514
"""One frame at a time: by default HTB gives a fast class so many that a slow one waits."""
_CLASS = re.compile(rf"^class htb {QDISC:x}:([0-9a-f]{{1,4}}) ", re.MULTILINE)
_ROOT = re.compile(rf"^qdisc htb {QDISC:x}: root ", re.MULTILINE)

HANDLE = f"{QDISC:x}:"


def has_root(shown: str) -> bool:
    """Whether `tc qdisc show dev …` tells of our HTB."""
    return _ROOT.search(shown) is not None


def minors(shown: str) -> set[int]:
    """The numbers of the classes in `tc class show dev …`."""
    return {int(number, 16) for number in _CLASS.findall(shown)}


def root_lines(interface: str) -> list[str]:
    """Make our HTB on `interface`; what is in no class passes it as if it were not there."""
    return [f"qdisc replace dev {interface} root handle {HANDLE} htb"]


def class_lines(interfaces: Sequence[str], minor: int, kbps: int) -> list[str]:
    """Give a device's class this rate, whether it is there or not."""
    return [
        f"class replace dev {interface} parent {HANDLE} classid {HANDLE}{minor:x}"
        f" htb rate {kbps}kbit ceil {kbps}kbit quantum {_QUANTUM}"
        for interface in interfaces
    ]


def leaf_lines(interfaces: Sequence[str], minor: int, queue: str) -> list[str]:
    """What waits in a class: without it a full queue makes every page wait for a download."""
    return [
        f"qdisc replace dev {interface} parent {HANDLE}{minor:x} {queue}"
        for interface in interfaces
    ]


def delete_lines(interfaces: Iterable[str], minor: int) -> list[str]:
    """Take a device's class away."""
    return [f"class delete dev {interface} classid {HANDLE}{minor:x}" for interface in interfaces]


def free_minor(used: Iterable[int]) -> int | None:
    """The lowest number that is free; None: there is none."""
    taken = set(used)
    return next((one for one in range(1, MOST_CLASSES + 1) if one not in taken), None)
