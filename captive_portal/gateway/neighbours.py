"""Which address has which MAC address, of what `ip -j neigh` tells. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from common.config_gateway import GatewayKernel
from common.errors import MalformedPacket
from common.net import IpAddress, find_mac, parse_address

_UNKNOWN = frozenset({"INCOMPLETE", "FAILED", "NOARP", "NONE"})
MOST_NEIGHBOURS = 16_384
"""More than the kernel's own table holds by default, some ten times over."""


def read_neighbours(listing: bytes, kernel: GatewayKernel) -> list[tuple[str, str]]:
    """(address, MAC address) of every device that could be admitted.

    Raises:
        MalformedPacket: that is not what `ip` writes.
    """
    try:
        entries = json.loads(listing or b"[]")
        return [
            (address, mac)
            for entry in entries[:MOST_NEIGHBOURS]
            if entry.get("dev") in kernel.inside and not _UNKNOWN.intersection(entry["state"])
            for address, mac in _pair(entry.get("dst", ""), entry.get("lladdr", ""), kernel)
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedPacket(f"ip's listing is not understood: {error!r}") from error


def _pair(address: str, lladdr: str, kernel: GatewayKernel) -> Sequence[tuple[str, str]]:
    mac = find_mac(lladdr)
    if mac is None or not is_device(mac) or not is_inside(parse_address(address), kernel):
        return ()
    return ((str(parse_address(address)), mac),)


def is_device(mac: str) -> bool:
    """Whether `mac` can be a device's: neither a group nor nought."""
    return int(mac, 16) != 0 and not int(mac[:2], 16) & 1


def is_inside(address: IpAddress, kernel: GatewayKernel) -> bool:
    """Whether `address` can be a device's of the inside, and is not ours."""
    for own in kernel.own:
        if own.version == address.version and address in own.network:
            edges = (own.network.network_address, own.network.broadcast_address)
            return address not in (own.ip, *(edges if own.version == 4 else edges[:1]))
    return False
