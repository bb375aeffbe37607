"""captive_portal.gateway.nat_records: what the collector's own decoder reads in a message."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from captive_portal.gateway.conntrack import Connection, Way
from captive_portal.gateway.nat_records import (
    LARGEST_MESSAGE,
    Record,
    fitting,
    message,
    record_of,
)
from tests.vectors.flows.datagrams import RECEIVED
from traffic.decoders.decoder import Datagram, Decoder

INSIDE = (ip_network("10.7.0.0/24"), ip_network("fd07::/64"))
OWN = frozenset({ip_address("10.7.0.1"), ip_address("fd07::1")})
NOW_MS = 1_780_000_000_000


def way(source: str, destination: str, source_port: int, destination_port: int) -> Way:
    return Way(ip_address(source), ip_address(destination), source_port, destination_port)


def translated(*, is_new: bool, **changes: Any) -> Connection:
    """One device's page behind the outside address."""
    values = {
        "protocol": 6,
        "original": way("10.7.0.5", "203.0.113.10", 40_000, 443),
        "reply": way("203.0.113.10", "198.51.100.7", 443, 61_000),
        "start_ms": NOW_MS - 5_000,
        **({} if is_new else {"stop_ms": NOW_MS, "up_octets": 700, "down_octets": 9_000}),
        **({} if is_new else {"up_packets": 7, "down_packets": 9}),
        **changes,
    }
    return Connection(is_new=is_new, **values)


def record(connection: Connection) -> Record:
    found = record_of(connection, INSIDE, OWN, NOW_MS)
    assert found is not None
    return found


def decoded(*records: Record) -> list[dict[str, Any]]:
    """Rows as the collector has them."""
    octets = message(records, 0, 1, NOW_MS // 1000)
    batch = Decoder().decode([Datagram("198.18.0.1", 4739, RECEIVED, octets)])
    return [
        {name: column[at].item() for name, column in one.columns.items()}
        for one in batch.batches
        for at in range(len(one.columns["src_port"]))
    ]
