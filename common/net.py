"""Values of the network: MAC addresses, IP addresses and prefixes, listening addresses.

Pure; knows nothing of RADIUS attributes or of sockets.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from common.errors import UsageError

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

_HEX12 = re.compile(r"[0-9a-f]{12}\Z")
_COLON_OCTETS = re.compile(r"(?:[0-9a-f]{1,2}[:-]){5,6}[0-9a-f]{1,2}\Z")
_LEADING_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}[:.\-]?){5}[0-9A-Fa-f]{2}")


@lru_cache(maxsize=65536)
def find_mac(text: str) -> str | None:
    """The MAC address in `text` as twelve lower-case hex digits, or None.

    Accepts every spelling vendors use (`aa:bb:…`, `AA-BB-…`, `aabb.ccdd.eeff`,
    `001122-334455`, bare digits) and the DHCP form with a type octet and without
    zero padding (`1:0:e1:c:38:c8:f8`, MikroTik).
    """
    lowered = text.strip().lower()
    if _COLON_OCTETS.match(lowered):
        octets = re.split("[:-]", lowered)
        if len(octets) == 7:
            octets = octets[1:]
        return "".join(octet.zfill(2) for octet in octets)
    bare = re.sub(r"[:.\-]", "", lowered)
    return bare if _HEX12.match(bare) else None


def parse_mac(text: str) -> str:
    """Like `find_mac`, but raises UsageError with an example when `text` is no MAC address."""
    mac = find_mac(text)
    if mac is None:
        raise UsageError(f"{text!r} is not a MAC address; write it like 3c:22:fb:01:02:03")
    if int(mac[:2], 16) & 1:
        raise UsageError(f"{text!r} is a multicast address, which no device has")
    return mac


def format_mac(mac: str) -> str:
    """Twelve hex digits as `aa:bb:cc:dd:ee:ff`."""
    return ":".join(mac[i : i + 2] for i in range(0, 12, 2))


def is_randomised_mac(mac: str) -> bool:
    """True when the locally administered bit is set (IEEE 802, bit 1 of the first octet)."""
    return bool(int(mac[:2], 16) & 2)


def split_called_station_id(text: str) -> tuple[str | None, str]:
    """(MAC of the access point or None, SSID or whole text) of Called-Station-Id.

    RFC 3580 section 3.20. The SSID may itself contain colons, so only the separator
    after the leading MAC address counts.
    """
    match = _LEADING_MAC.match(text)
    if match is None:
        return None, text
    rest = text[match.end() :]
    if rest and not rest.startswith(":"):
        return None, text
    return find_mac(match.group()), rest[1:]


def parse_address(text: str) -> IpAddress:
    """An IPv4 or IPv6 address; raises UsageError when `text` is none."""
    try:
        address = ip_address(text.strip())
    except ValueError as error:
        raise UsageError(f"{text!r} is not an IP address") from error
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def site_of(address: str) -> str:
    """What an address is counted as: one IPv6 site is one /64, whatever address it picks."""
    try:
        parsed = parse_address(address)
    except UsageError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, 64), strict=False))
    return str(parsed)


def parse_prefix(text: str) -> IpNetwork:
    """An IPv4 or IPv6 prefix; raises UsageError when host bits are set or `text` is none."""
    try:
        return ip_network(text.strip())
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not a network prefix; write it like 10.1.0.0/24 or 10.1.0.7/32"
        ) from error


def parse_listen(text: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port` as (host, port); raises ValueError otherwise."""
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not an address to listen on; write it like 0.0.0.0:1812")
    ip_address(host)
    return host, int(port)
