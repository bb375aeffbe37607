"""Reads the datagrams of the captures, and what independent decoders get out of them."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from traffic.decoders.decoder import Datagram

FOLDER = Path(__file__).parent / "pcap"

_FILE = struct.Struct("<IHHiIII")
_PACKET = struct.Struct("<IIII")
_MAGIC = 0xA1B2C3D4
_ETHERNET = 1
_ETHERNET_OCTETS = 14


@dataclass(frozen=True, slots=True)
class Capture:
    """One capture; `records` is None when it is broken on purpose."""

    name: str
    records: int | None
    options: int

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.pcap"

    def datagrams(self) -> list[Datagram]:
        """Every UDP datagram in it, as our collector would have received it."""
        return list(read_pcap(self.path))


def captures() -> list[Capture]:
    """All of them."""
    cases = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))["cases"]
    return [
        Capture(name, case["data_records"], case["options_data_records"])
        for name, case in cases.items()
    ]


def read_pcap(path: Path) -> Iterator[Datagram]:
    """The UDP datagrams over IPv4 in a pcap file (not pcapng) of this byte order."""
    octets = path.read_bytes()
    magic, *_, link = _FILE.unpack_from(octets)
    assert magic == _MAGIC, path
    position = _FILE.size
    while position + _PACKET.size <= len(octets):
        seconds, micros, length, _ = _PACKET.unpack_from(octets, position)
        position += _PACKET.size
        packet = octets[position : position + length]
        position += length
        if link == _ETHERNET:
            packet = packet[_ETHERNET_OCTETS:]
        head = (packet[0] & 15) * 4
        port, _, size = struct.unpack_from("!HHH", packet, head)
        yield Datagram(
            seconds * 10**9 + micros * 1000,
            str(IPv4Address(packet[12:16])),
            memoryview(packet[head + 8 : head + size]),
            port,
        )
