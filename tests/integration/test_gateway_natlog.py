"""The gateway's teller and a collector that is away, in IPFIX on loopback."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest

from captive_portal.gateway.nat_records import Record
from captive_portal.gateway.natlog import Teller
from tests.conftest import free_port

_RECORD = Record(260, bytes(61))


@pytest.fixture
def port() -> int:
    return free_port(socket.SOCK_DGRAM)


@pytest.fixture
def collector(port: int) -> Iterator[socket.socket]:
    with socket.socket(type=socket.SOCK_DGRAM) as wire:
        wire.settimeout(5)
        yield wire


def heard(wire: socket.socket) -> tuple[int, int]:
    """(sequence number, records) of one message."""
    octets = wire.recv(2000)
    _, length, _, sequence, _ = struct.unpack_from("!HHIII", octets)
    assert length == len(octets)
    templates = struct.unpack_from("!HH", octets, 16)[1]
    return sequence, (length - 16 - templates - 4) // len(_RECORD.octets)


def started(port: int, most: int = 1000) -> Teller:
    teller = Teller(("127.0.0.1", port), most=most)
    teller.start()
    return teller


def test_what_a_closed_port_refused_is_told_when_it_is_open(
    port: int, collector: socket.socket
) -> None:
    teller = started(port)
    teller.tell(_RECORD)
    assert teller.flush()  # nobody has heard it, which the next one learns
    for _ in range(2):
        teller.tell(_RECORD)
    assert not teller.flush()
    assert teller.waiting == 3
    collector.bind(("127.0.0.1", port))
    assert teller.flush()
    assert heard(collector) == (0, 3)
    teller.tell(_RECORD)
    teller.stop()
    assert heard(collector) == (3, 1)


def test_what_does_not_fit_into_memory_is_missing_from_the_sequence(
    port: int, collector: socket.socket
) -> None:
    teller = started(port, most=10)
    for _ in range(25):
        teller.tell(_RECORD)
    assert teller.waiting == 10
    collector.bind(("127.0.0.1", port))
    assert teller.flush()
    assert heard(collector) == (15, 10)
    teller.lose()
    teller.tell(_RECORD)
    teller.stop()
    assert heard(collector) == (26, 1)
