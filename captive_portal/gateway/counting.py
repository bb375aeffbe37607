"""Octets of devices: what nft tells of the sets that count, without all else. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from captive_portal.gateway.rules import TABLE
from captive_portal.gateway.verbs import Counters
from common.net import find_mac, format_mac, parse_address

COUNTING_SETS = ("up4", "up6", "down4", "down6")

_ELEMENT = re.compile(
    r"(?:([0-9a-f]{2}(?::[0-9a-f]{2}){5}) \. )?([0-9a-f.:]+) counter packets (\d+) bytes (\d+)"
)
"""With the device's address it is from the device, without it to it."""


@dataclass(slots=True)
class Count:
    """Octets and packets of one device, or of one address of it."""

    up_octets: int = 0
    up_packets: int = 0
    down_octets: int = 0
    down_packets: int = 0

    def add(self, direction: str, octets: int, packets: int) -> None:
        """Count these in one direction."""
        if direction == "up":
            self.up_octets += octets
            self.up_packets += packets
        else:
            self.down_octets += octets
            self.down_packets += packets

    def join(self, other: Count) -> Count:
        """Add `other` to this; this."""
        self.add("up", other.up_octets, other.up_packets)
        self.add("down", other.down_octets, other.down_packets)
        return self

    def told(self, mac: str) -> Counters:
        """As an answer has it."""
        return Counters(
            mac=mac,
            up_octets=self.up_octets,
            down_octets=self.down_octets,
            up_packets=self.up_packets,
            down_packets=self.down_packets,
        )


def ask_for(mac: str, addresses: Iterable[str]) -> str:
    """What to ask nft about these addresses of a device; empty when there are none."""
    keys: dict[str, list[str]] = {}
    for address in addresses:
        number = parse_address(address).version
        keys.setdefault(f"up{number}", []).append(f"{format_mac(mac)} . {address}")
        keys.setdefault(f"down{number}", []).append(address)
    return "; ".join(
        f"get element {TABLE} {name} {{ {', '.join(wanted)} }}" for name, wanted in keys.items()
    )


def read_counts(text: str, owners: Mapping[str, str]) -> dict[str, Count]:
    """What each device counted, by its MAC address.

    Args:
        owners: whose an address is.
    """
    found: dict[str, Count] = defaultdict(Count)
    for from_mac, address, packets, octets in _ELEMENT.findall(text):
        mac = find_mac(from_mac) if from_mac else owners.get(address)
        if mac is not None:
            found[mac].add("up" if from_mac else "down", int(octets), int(packets))
    return dict(found)
