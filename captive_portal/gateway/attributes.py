"""What our own gateway tells a RADIUS server, and what it is told: attributes, and their meaning.

Pure: pairs in, values out. Vendors' attributes are those that our server sends to this make,
and those of CoovaChilli beside them, so that another server can be asked as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

from captive_portal.gateway.clients import Cause, Client, Grant
from common.config_gateway import Gateway
from common.net import format_mac
from identity.domain.sessions import StatusType
from radius_server.packet.codes import Attribute
from radius_server.packet.hiding import Pair
from radius_server.packet.packet import Packet, sub_attributes

_LOGIN_USER = 1  # Service-Type, RFC 2865 section 5.6
_WIRELESS = 19  # NAS-Port-Type Wireless-802.11, RFC 2865 section 5.41: what hotspots say
_BY_RADIUS = 1  # Acct-Authentic, RFC 2866 section 5.6
_ACCT_AUTHENTIC, _ACCT_INPUT_PACKETS, _ACCT_OUTPUT_PACKETS = 45, 47, 48  # RFC 2866
_WISPR, _CHILLI = 14122, 14559
_WISPR_UP, _WISPR_DOWN = (_WISPR, 7), (_WISPR, 8)  # bit/s
_CHILLI_UP, _CHILLI_DOWN = (_CHILLI, 4), (_CHILLI, 5)  # kbit/s
_QUOTAS = {
    "up_octets": ((_CHILLI, 1), (_CHILLI, 21)),
    "down_octets": ((_CHILLI, 2), (_CHILLI, 22)),
    "total_octets": ((_CHILLI, 3), (_CHILLI, 23)),
}
"""Octets and their gigawords, by the field of Grant."""

_SHORTEST_INTERIM = 60
_FASTEST_KBPS = 100_000_000
"""What the helper takes; beyond it no line is a limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Who posts a token: where the kernel sees it."""

    mac: str
    addresses: tuple[str, ...]


def station_id(mac: str) -> str:
    """A MAC address as RFC 3580 section 3.21 writes it."""
    return format_mac(mac).replace(":", "-").upper()


def access_pairs(
    settings: Gateway, device: Device, username: str, session_id: str
) -> Iterator[Pair]:
    """The attributes of an Access-Request but User-Password."""
    yield Attribute.USER_NAME, username.encode()
    yield Attribute.SERVICE_TYPE, _number(_LOGIN_USER)
    yield Attribute.ACCT_SESSION_ID, session_id.encode()
    yield from _where(settings, device.mac)
    yield from _framed(device.addresses)


def accounting_pairs(
    settings: Gateway,
    status: StatusType,
    client: Client,
    now: float,
    timestamp: int,
    cause: Cause | None = None,
) -> Iterator[Pair]:
    """The attributes of an Accounting-Request but Acct-Delay-Time, which the sending decides.

    Args:
        now: on the clock of the clients.
        timestamp: the same moment in seconds since 1970.
    """
    yield Attribute.ACCT_STATUS_TYPE, _number(status)
    yield Attribute.USER_NAME, client.grant.user_name.encode()
    for value in client.grant.class_values:
        yield Attribute.CLASS, value
    yield Attribute.ACCT_SESSION_ID, client.session_id.encode()
    yield from _where(settings, client.mac)
    yield from _framed(client.current())
    yield _ACCT_AUTHENTIC, _number(_BY_RADIUS)
    yield Attribute.EVENT_TIMESTAMP, _number(timestamp)
    if status != StatusType.START:
        yield Attribute.ACCT_SESSION_TIME, _number(client.seconds(now))
        for octets, low, high in (
            (client.up_octets, Attribute.ACCT_INPUT_OCTETS, Attribute.ACCT_INPUT_GIGAWORDS),
            (client.down_octets, Attribute.ACCT_OUTPUT_OCTETS, Attribute.ACCT_OUTPUT_GIGAWORDS),
        ):
            giga, rest = divmod(octets, 1 << 32)
            yield low, _number(rest)
            yield high, _number(giga)
        yield _ACCT_INPUT_PACKETS, _number(client.up_packets % (1 << 32))
        yield _ACCT_OUTPUT_PACKETS, _number(client.down_packets % (1 << 32))
    if cause is not None:
        yield Attribute.ACCT_TERMINATE_CAUSE, _number(cause)


def boot_pairs(settings: Gateway, timestamp: int) -> Iterator[Pair]:
    """Accounting-On: whatever the server still takes for connected here is not."""
    yield Attribute.ACCT_STATUS_TYPE, _number(StatusType.ON)
    yield Attribute.NAS_IDENTIFIER, settings.nas_identifier.encode()
    yield Attribute.EVENT_TIMESTAMP, _number(timestamp)


def read_grant(settings: Gateway, username: str, accept: Packet) -> Grant:
    """What an Access-Accept grants; what it does not say is this gateway's own default.

    Raises:
        MalformedPacket: a number has other than four octets.
    """
    grant = Grant(
        user_name=_name(accept) or username,
        class_values=tuple(accept.all(Attribute.CLASS)),
        session_seconds=settings.session_seconds,
        idle_seconds=settings.idle_seconds,
        interim_seconds=max(
            _SHORTEST_INTERIM,
            accept.integer(Attribute.ACCT_INTERIM_INTERVAL) or settings.interim_seconds,
        ),
    )
    return change_grant(grant, accept)


def _name(accept: Packet) -> str:
    """The name accounting is to use, where it can go back octet for octet (RFC 2865 5.1)."""
    try:
        return accept.values.get(Attribute.USER_NAME, b"").decode()
    except UnicodeDecodeError:
        return ""


def change_grant(grant: Grant, packet: Packet) -> Grant:
    """`grant` with the times, rates and quotas that `packet` names; a rate of 0 is none.

    Session-Timeout counts from the beginning of the session.

    Raises:
        MalformedPacket: a number has other than four octets.
    """
    seconds = packet.integer(Attribute.SESSION_TIMEOUT)
    idle = packet.integer(Attribute.IDLE_TIMEOUT)
    changes: dict[str, Any] = {}
    if seconds is not None:
        changes["session_seconds"] = max(1, seconds)
    if idle is not None:
        changes["idle_seconds"] = idle
    numbers = vendor_numbers(packet)
    for field, kilobits, bits in (
        ("up_kbps", _CHILLI_UP, _WISPR_UP),
        ("down_kbps", _CHILLI_DOWN, _WISPR_DOWN),
    ):
        # Where a server says both, CoovaChilli takes its own.
        if kilobits in numbers:
            changes[field] = _rate(numbers[kilobits])
        elif bits in numbers:
            changes[field] = _rate(-(-numbers[bits] // 1000))
    for field, (low, high) in _QUOTAS.items():
        if low in numbers or high in numbers:
            changes[field] = (numbers.get(high, 0) << 32) + numbers.get(low, 0)
    return replace(grant, **changes)


def _rate(kbps: int) -> int | None:
    return kbps if 0 < kbps <= _FASTEST_KBPS else None


def vendor_numbers(packet: Packet) -> dict[tuple[int, int], int]:
    """Every vendor's attribute of four octets, by vendor and type."""
    return {
        (vendor, kind): int.from_bytes(inner, "big")
        for value in packet.all(Attribute.VENDOR_SPECIFIC)
        for vendor, kind, inner in sub_attributes(value) or ()
        if len(inner) == 4
    }


CHANGEABLE_NUMBERS = frozenset(
    {_WISPR_UP, _WISPR_DOWN, _CHILLI_UP, _CHILLI_DOWN}
    | {pair for pairs in _QUOTAS.values() for pair in pairs}
)
"""What a CoA-Request may name of vendors' attributes."""


def _where(settings: Gateway, mac: str) -> Iterator[Pair]:
    yield Attribute.NAS_IDENTIFIER, settings.nas_identifier.encode()
    yield Attribute.NAS_PORT_TYPE, _number(_WIRELESS)
    yield Attribute.CALLING_STATION_ID, station_id(mac).encode()
    called = settings.called_station_id or settings.nas_identifier
    yield Attribute.CALLED_STATION_ID, called.encode()


def _framed(addresses: tuple[str, ...]) -> Iterator[Pair]:
    for address in addresses:
        packed = ip_address(address).packed
        is_v4 = len(packed) == 4
        yield Attribute.FRAMED_IP_ADDRESS if is_v4 else Attribute.FRAMED_IPV6_ADDRESS, packed


def _number(value: int) -> bytes:
    return value.to_bytes(4, "big")
