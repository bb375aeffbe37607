"""What the kernel tells of connections over netlink, decoded. Pure.

Layouts of linux/netlink.h and linux/netfilter/nfnetlink_conntrack.h: headers in the machine's
own order, values in network order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import ip_address

from common.errors import MalformedPacket
from common.net import IpAddress

GROUPS = (1, 3)
"""Multicast groups of nfnetlink: new connections, and those that are over."""
OVERRUN = 4
"""NLMSG_OVERRUN: something was lost."""

_SUBSYSTEM = 1
_NEW, _GET, _DELETE = 0, 1, 2
_REQUEST, _DUMP = 0x1, 0x300
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_FAMILY = struct.Struct("=BBH")
_ATTRIBUTE = struct.Struct("=HH")
_TYPE_MASK = 0x3FFF
"""Without the marks of nesting and of byte order."""


class _Cta(IntEnum):
    TUPLE_ORIGINAL = 1
    TUPLE_REPLY = 2
    COUNTERS_ORIGINAL = 9
    COUNTERS_REPLY = 10
    TIMESTAMP = 20
    TIMESTAMP_EVENT = 27
    """Of newer kernels: when it happened, which may be before it is read."""


_TUPLE_IP, _TUPLE_PROTOCOL = 1, 2
_SOURCES, _DESTINATIONS = (1, 3), (2, 4)
_NUMBER, _SOURCE_PORT, _DESTINATION_PORT, _ICMP_ID, _ICMP6_ID = 1, 2, 3, 4, 7
_PACKETS, _OCTETS = 1, 2
_START, _STOP = 1, 2


@dataclass(frozen=True, slots=True)
class Way:
    """One direction of a connection; of ICMP the identifier stands for the source's port."""

    source: IpAddress
    destination: IpAddress
    source_port: int
    destination_port: int


@dataclass(frozen=True, slots=True)
class Connection:
    """One event; counters and times are those of its end, and 0 where the kernel keeps none."""

    is_new: bool
    protocol: int
    original: Way
    reply: Way
    up_octets: int = 0
    up_packets: int = 0
    down_octets: int = 0
    down_packets: int = 0
    start_ms: int = 0
    stop_ms: int = 0


def dump_request() -> bytes:
    """Asks for every connection there is."""
    body = _FAMILY.pack(0, 0, 0)
    kind = _SUBSYSTEM << 8 | _GET
    return _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | _DUMP, 1, 0) + body


def is_over(octets: bytes) -> bool:
    """Whether an answer to `dump_request` ends with these octets."""
    return any(kind in (_DONE, _ERROR) for kind, _ in _messages(octets))


def decode(octets: bytes) -> list[Connection]:
    """The connections in what was received; others' messages are passed over.

    Raises:
        MalformedPacket: a length does not agree with what is there.
    """
    found = []
    for kind, body in _messages(octets):
        if kind >> 8 == _SUBSYSTEM and kind & 0xFF in (_NEW, _DELETE):
            try:
                found.append(_connection(body, is_new=kind & 0xFF == _NEW))
            except (KeyError, IndexError, ValueError, struct.error) as error:
                raise MalformedPacket(f"not a connection: {error!r}") from error
    return found


def _messages(octets: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(octets):
        length, kind, _, _, _ = _HEADER.unpack_from(octets, at)
        if length < _HEADER.size or at + length > len(octets):
            raise MalformedPacket("a netlink message is cut short", at)
        yield kind, octets[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def _connection(body: bytes, *, is_new: bool) -> Connection:
    found = _attributes(body[_FAMILY.size :])
    original = _attributes(found[_Cta.TUPLE_ORIGINAL])
    up = _counters(found.get(_Cta.COUNTERS_ORIGINAL, b""))
    down = _counters(found.get(_Cta.COUNTERS_REPLY, b""))
    times = _attributes(found.get(_Cta.TIMESTAMP, b""))
    happened = found.get(_Cta.TIMESTAMP_EVENT, b"")
    return Connection(
        is_new=is_new,
        protocol=_attributes(original[_TUPLE_PROTOCOL])[_NUMBER][0],
        original=_way(original),
        reply=_way(_attributes(found[_Cta.TUPLE_REPLY])),
        up_octets=up[0],
        up_packets=up[1],
        down_octets=down[0],
        down_packets=down[1],
        start_ms=_number(times.get(_START, happened if is_new else b"")) // 1_000_000,
        stop_ms=_number(times.get(_STOP, b"" if is_new else happened)) // 1_000_000,
    )


def _way(tuple_: Mapping[int, bytes]) -> Way:
    addresses = _attributes(tuple_[_TUPLE_IP])
    protocol = _attributes(tuple_[_TUPLE_PROTOCOL])
    identifier = protocol.get(_ICMP_ID, protocol.get(_ICMP6_ID, b""))
    return Way(
        source=ip_address(_one_of(addresses, _SOURCES)),
        destination=ip_address(_one_of(addresses, _DESTINATIONS)),
        source_port=_number(protocol.get(_SOURCE_PORT, identifier)),
        destination_port=_number(protocol.get(_DESTINATION_PORT, b"")),
    )


def _one_of(found: Mapping[int, bytes], kinds: tuple[int, ...]) -> bytes:
    for kind in kinds:
        if kind in found:
            return found[kind]
    raise ValueError("an address is missing")


def _counters(octets: bytes) -> tuple[int, int]:
    found = _attributes(octets)
    return _number(found.get(_OCTETS, b"")), _number(found.get(_PACKETS, b""))


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "big")


def _attributes(octets: bytes) -> dict[int, bytes]:
    found = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(octets):
        length, kind = _ATTRIBUTE.unpack_from(octets, at)
        if length < _ATTRIBUTE.size or at + length > len(octets):
            raise ValueError("an attribute is cut short")
        found[kind & _TYPE_MASK] = octets[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return found
