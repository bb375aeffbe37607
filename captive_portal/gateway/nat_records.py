"""Connections of the inside as IPFIX: translations as NAT events, others as flows. Pure.

RFC 8158 for the events, RFC 7011 for the messages. An end carries what was counted both ways,
so that the collector has a flow record of it, too.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from captive_portal.gateway.conntrack import Connection
from common.net import IpNetwork

LARGEST_MESSAGE = 1_400
"""Octets: no fragments on a path of 1,500, tunnels included."""

_VERSION = 10
_TEMPLATES = 2
_EVENT, _START, _END = 323, 152, 153
_SOURCE_PORT, _DESTINATION_PORT, _NAT_SOURCE_PORT = 7, 11, 227
_PROTOCOL, _NAT_EVENT = 4, 230
_OCTETS, _REVERSE_OCTETS, _PACKETS, _REVERSE_PACKETS = 231, 232, 298, 299

_PORTS = ((_SOURCE_PORT, 2), (_DESTINATION_PORT, 2), (_PROTOCOL, 1))
_COUNTED = (
    *((_START, 8), (_END, 8)),
    *((_OCTETS, 8), (_REVERSE_OCTETS, 8), (_PACKETS, 8), (_REVERSE_PACKETS, 8)),
)
_ADDRESSES = {4: ((8, 4), (12, 4)), 6: ((27, 16), (28, 16))}
_NAT_ADDRESS = {4: (225, 4), 6: (281, 16)}
_CREATE = {4: 4, 6: 1}
"""natEvent: NAT44 session create; RFC 8158 has none for NAT66 but the historic one."""
_DELETE = {4: 5, 6: 2}
_ICMP = frozenset({1, 58})
_MOMENT = struct.Struct("!Q")
_COUNTERS = struct.Struct("!6Q")
_PORTS_AND_PROTOCOL = struct.Struct("!HHB")
_TRANSLATED = struct.Struct("!HHHBB")


@dataclass(frozen=True, slots=True)
class Record:
    """One data record, by the template that it is of."""

    template: int
    octets: bytes


def _event_fields(version: int) -> tuple[tuple[int, int], ...]:
    return (
        *((_EVENT, 8), *_ADDRESSES[version], _NAT_ADDRESS[version]),
        *((_NAT_SOURCE_PORT, 2), *_PORTS, (_NAT_EVENT, 1)),
    )


TEMPLATES: dict[int, tuple[tuple[int, int], ...]] = {
    256: _event_fields(4),
    257: (*_event_fields(4), *_COUNTED),
    258: _event_fields(6),
    259: (*_event_fields(6), *_COUNTED),
    260: (*_ADDRESSES[4], *_PORTS, *_COUNTED),
    261: (*_ADDRESSES[6], *_PORTS, *_COUNTED),
}
_CREATED, _DELETED, _FLOW = {4: 256, 6: 258}, {4: 257, 6: 259}, {4: 260, 6: 261}


def record_of(
    connection: Connection, inside: Sequence[IpNetwork], own: frozenset[object], now_ms: int
) -> Record | None:
    """What to tell of `connection`; None: nothing.

    Told is what began inside and went beyond this machine. Where it went is what the far side
    knows itself by: a question to a resolver may have been led to another.

    Args:
        own: this machine's addresses inside.
    """
    original, reply = connection.original, connection.reply
    if reply.source in own or not any(original.source in network for network in inside):
        return None
    version = original.source.version
    started, stopped = connection.start_ms or now_ms, connection.stop_ms or now_ms
    # Of ICMP the identifier is translated, and stands where a source's port does.
    is_icmp = connection.protocol in _ICMP
    outside_port = reply.source_port if is_icmp else reply.destination_port
    far_port = 0 if is_icmp else reply.source_port
    addresses = original.source.packed + reply.source.packed
    ports = (original.source_port, far_port, connection.protocol)
    counted = _COUNTERS.pack(
        *(started, max(started, stopped), connection.up_octets, connection.down_octets),
        *(connection.up_packets, connection.down_packets),
    )
    if (reply.destination, outside_port) == (original.source, original.source_port):
        if connection.is_new:
            return None
        return Record(_FLOW[version], addresses + _PORTS_AND_PROTOCOL.pack(*ports) + counted)
    at, template, event = (
        (started, _CREATED, _CREATE) if connection.is_new else (stopped, _DELETED, _DELETE)
    )
    octets = (
        _MOMENT.pack(at) + addresses + reply.destination.packed
        + _TRANSLATED.pack(outside_port, *ports, event[version])
    )  # fmt: skip
    return Record(template[version], octets if connection.is_new else octets + counted)


def message(records: Sequence[Record], sequence: int, domain: int, seconds: int) -> bytes:
    """One message with the templates of its records, which a collector may not have yet.

    Args:
        sequence: data records told before.
    """
    by_template: dict[int, list[bytes]] = {}
    for one in records:
        by_template.setdefault(one.template, []).append(one.octets)
    templates = b"".join(
        struct.pack("!HH", number, len(TEMPLATES[number]))
        + b"".join(struct.pack("!HH", *field) for field in TEMPLATES[number])
        for number in by_template
    )
    sets = _set(_TEMPLATES, templates) + b"".join(
        _set(number, b"".join(octets)) for number, octets in by_template.items()
    )
    head = struct.pack("!HHIII", _VERSION, 16 + len(sets), seconds, sequence & 0xFFFFFFFF, domain)
    return head + sets


def fitting(records: Sequence[Record]) -> int:
    """How many of `records`, from the first, fit into one message."""
    octets = 16 + 4
    seen: set[int] = set()
    for number, one in enumerate(records):
        if one.template not in seen:
            seen.add(one.template)
            octets += 4 + 4 * len(TEMPLATES[one.template]) + 4
        octets += len(one.octets)
        if octets > LARGEST_MESSAGE:
            return number
    return len(records)


def _set(number: int, body: bytes) -> bytes:
    return struct.pack("!HH", number, 4 + len(body)) + body
