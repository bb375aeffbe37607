"""Values as they stand in log lines; None for what is none, because a line may be anything."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address

from common.net import find_mac

_PROTOCOLS = {
    "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "icmpv6": 58,
    "ipv6-icmp": 58, "sctp": 132, "udplite": 136, "dccp": 33, "ah": 51,
}  # fmt: skip
_PAIR = re.compile(r'([A-Za-z][\w.-]{0,63})=("(?:[^"\\]|\\.)*"|[^\s,"]*)')
_CLOCK = re.compile(r"(\d{1,6}):(\d\d):(\d\d)")

MAX_PAIRS = 200
"""Fields of one line; the longest known line of a firewall has some ninety."""


def address(text: str | None) -> str | None:
    """An IP address in its one spelling."""
    try:
        found = ip_address((text or "").strip("[]").partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return str(found)


def number(text: str | None, most: int = 2**63 - 1) -> int | None:
    """A number from 0 to `most`."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 19:
        return None
    found = int(text)
    return found if found <= most else None


def port(text: str | None) -> int | None:
    """A port."""
    return number(text, 65_535)


def mac(text: str | None) -> str | None:
    """A MAC address as twelve hex digits; all zeros is none."""
    found = find_mac(text) if text else None
    return None if found == "0" * 12 else found


def protocol(text: str | None) -> int | None:
    """An IP protocol by name or number."""
    lowered = (text or "").lower()
    return _PROTOCOLS.get(lowered, number(lowered, 255))


def endpoint(text: str, separator: str = ":") -> tuple[str | None, int | None]:
    """(address, port) of `10.0.0.5:80`, `[2001:db8::1]:80` or an address alone."""
    whole = address(text)
    if whole is not None:
        return whole, None
    host, _, digits = text.rpartition(separator)
    return address(host), port(digits)


def pairs(text: str) -> dict[str, str]:
    """`key=value key="a value"`, the first of each key."""
    found: dict[str, str] = {}
    for match in _PAIR.finditer(text):
        found.setdefault(match[1], match[2].strip('"'))
        if len(found) >= MAX_PAIRS:
            break
    return found


def pairs_of_line(text: str) -> dict[str, str] | None:
    """The pairs of a line that begins with one, else none; None when one key is told twice.

    A name that somebody chose could spell a pair before the true one, or behind other words.
    """
    if _PAIR.match(text) is None:
        return {}
    keys = [match[1] for match in _PAIR.finditer(text)]
    return pairs(text) if len(set(keys)) == len(keys) else None


def clock_ms(text: str | None) -> int | None:
    """`1:02:03` as milliseconds."""
    match = _CLOCK.fullmatch(text or "")
    if match is None:
        return None
    hours, minutes, seconds = (int(part) for part in match.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000
