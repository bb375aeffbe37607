"""Builds flow datagrams octet by octet, from RFC 3954 and Cisco's version 5 layout.

Written against the documents, not against our decoder: nothing of traffic.decoders is used.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

SECONDS = 1_795_000_000
"""unix_secs of the datagrams below: 2026-11-18T05:06:40Z."""

UPTIME_MS = 5_000_000

STANDARD = (
    (8, 4),
    (12, 4),
    (7, 2),
    (11, 2),
    (4, 1),
    (6, 1),
    (1, 4),
    (2, 4),
    (22, 4),
    (21, 4),
)
"""IPv4 addresses, ports, protocol, TCP flags, octets, packets, first and last switched."""

TRANSLATED = (*STANDARD, (225, 4), (227, 2))
"""With the post-NAT source address and port."""

IPV6 = ((27, 16), (28, 16), (7, 2), (11, 2), (4, 1), (1, 8), (2, 8), (22, 4), (21, 4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What a record should say; times are milliseconds before the datagram was sent."""

    src: str = "10.1.2.3"
    dst: str = "203.0.113.9"
    src_port: int = 40_000
    dst_port: int = 443
    protocol: int = 6
    tcp_flags: int = 0x1B
    octets: int = 1500
    packets: int = 3
    began_ms_ago: int = 2_000
    ended_ms_ago: int = 500
    nat_src: str = "198.51.100.7"
    nat_src_port: int = 50_000


def encode_flow(flow: Flow, fields: Sequence[tuple[int, int]], uptime_ms: int = UPTIME_MS) -> bytes:
    """One data record in the order and the widths of `fields`; unknown elements are zero."""
    values = {
        1: flow.octets,
        2: flow.packets,
        4: flow.protocol,
        6: flow.tcp_flags,
        7: flow.src_port,
        8: int(ip_address(flow.src)),
        11: flow.dst_port,
        12: int(ip_address(flow.dst)),
        21: (uptime_ms - flow.ended_ms_ago) % 2**32,
        22: (uptime_ms - flow.began_ms_ago) % 2**32,
        27: int(ip_address(flow.src)),
        28: int(ip_address(flow.dst)),
        225: int(ip_address(flow.nat_src)),
        227: flow.nat_src_port,
    }
    return b"".join(values.get(kind, 0).to_bytes(octets, "big") for kind, octets in fields)


def template_set(number: int, fields: Sequence[tuple[int, int]], padding: int = 0) -> bytes:
    """A Template FlowSet with one template, RFC 3954 section 5.2."""
    body = struct.pack("!HH", number, len(fields))
    body += b"".join(struct.pack("!HH", *field) for field in fields) + bytes(padding)
    return struct.pack("!HH", 0, 4 + len(body)) + body


def options_template_set(
    number: int, scopes: Sequence[tuple[int, int]], options: Sequence[tuple[int, int]]
) -> bytes:
    """An Options Template FlowSet, RFC 3954 section 6.1."""
    body = struct.pack("!HHH", number, 4 * len(scopes), 4 * len(options))
    body += b"".join(struct.pack("!HH", *field) for field in (*scopes, *options))
    body += bytes(-len(body) % 4)
    return struct.pack("!HH", 1, 4 + len(body)) + body


def data_set(number: int, records: Sequence[bytes], pad_to: int = 4) -> bytes:
    """A Data FlowSet, padded to a multiple of `pad_to` octets, section 5.3."""
    body = b"".join(records)
    body += bytes(-len(body) % pad_to)
    return struct.pack("!HH", number, 4 + len(body)) + body


def version_9(
    *sets: bytes,
    sequence: int = 0,
    source_id: int = 7,
    seconds: int = SECONDS,
    uptime_ms: int = UPTIME_MS,
) -> bytes:
    """An Export Packet, section 5.1."""
    head = struct.pack("!HHIIII", 9, len(sets), uptime_ms, seconds, sequence, source_id)
    return head + b"".join(sets)


def version_5(
    flows: Sequence[Flow],
    sequence: int = 0,
    engine: int = 0,
    seconds: int = SECONDS,
    uptime_ms: int = UPTIME_MS,
    count: int | None = None,
) -> bytes:
    """A version 5 datagram."""
    head = struct.pack(
        "!HHIIIIHH",
        5,
        len(flows) if count is None else count,
        uptime_ms,
        seconds,
        250_000_000,
        sequence,
        engine,
        0,
    )
    return head + b"".join(
        struct.pack(
            "!IIIHHIIIIHHBBBBHHBBH",
            int(ip_address(flow.src)),
            int(ip_address(flow.dst)),
            0,
            1,
            2,
            flow.packets,
            flow.octets,
            (uptime_ms - flow.began_ms_ago) % 2**32,
            (uptime_ms - flow.ended_ms_ago) % 2**32,
            flow.src_port,
            flow.dst_port,
            0,
            flow.tcp_flags,
            flow.protocol,
            0,
            64_500,
            64_501,
            24,
            24,
            0,
        )
        for flow in flows
    )
