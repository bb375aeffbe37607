"""What a Disconnect- or CoA-Request asks of this gateway: which session, and what of it. RFC 5176.

Pure: an authentic packet and the sessions in, a decision out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from captive_portal.gateway.attributes import (
    CHANGEABLE_NUMBERS,
    change_grant,
    vendor_numbers,
)
from captive_portal.gateway.clients import Client, Grant
from common.errors import MalformedPacket
from common.net import find_mac
from radius_server.packet.codes import Attribute
from radius_server.packet.dynamic import DynamicCode, ErrorCause
from radius_server.packet.packet import Packet

WINDOW_SECONDS = 300
"""Between the sender's clock and ours, RFC 5176 section 6.3: an old request is a replay."""

_FRAMED = frozenset({Attribute.FRAMED_IP_ADDRESS, Attribute.FRAMED_IPV6_ADDRESS})
_CONTEXT = frozenset(
    {
        Attribute.NAS_IDENTIFIER,
        Attribute.NAS_IP_ADDRESS,
        Attribute.NAS_IPV6_ADDRESS,
        Attribute.CALLED_STATION_ID,
        Attribute.NAS_PORT_TYPE,
        Attribute.EVENT_TIMESTAMP,
        Attribute.MESSAGE_AUTHENTICATOR,
        Attribute.PROXY_STATE,
    }
)
_SESSION = _FRAMED | {
    Attribute.ACCT_SESSION_ID,
    Attribute.CALLING_STATION_ID,
    Attribute.USER_NAME,
    Attribute.CLASS,
}
_TIMES = frozenset({Attribute.SESSION_TIMEOUT, Attribute.IDLE_TIMEOUT})


@dataclass(frozen=True, slots=True)
class End:
    """This session is to end."""

    mac: str
    session_id: str


@dataclass(frozen=True, slots=True)
class Change:
    """This session is to have another grant."""

    mac: str
    session_id: str
    grant: Grant


@dataclass(frozen=True, slots=True)
class Refuse:
    """It is not done, and this is why."""

    cause: ErrorCause


def is_fresh(packet: Packet, timestamp: int) -> bool:
    """Whether a request is of these minutes; one without a time is dealt with by `decide`."""
    said = packet.integer(Attribute.EVENT_TIMESTAMP)
    return said is None or abs(said - timestamp) <= WINDOW_SECONDS


def decide(packet: Packet, nas_identifier: str, clients: Iterable[Client]) -> End | Change | Refuse:
    """What to do about an authentic request.

    RFC 5176 section 3: every attribute that names a session must fit; what is not known
    here is refused, because the sender would take it for done.

    Raises:
        MalformedPacket: a number has other than four octets.
    """
    named = {kind for kind in packet.values if kind in _SESSION}
    is_change = packet.code == DynamicCode.COA_REQUEST
    allowed = _CONTEXT | _SESSION | (_TIMES if is_change else frozenset())
    strange = set(packet.values) - allowed - {Attribute.VENDOR_SPECIFIC}
    if strange or not _vendors_fit(packet, is_change):
        return Refuse(ErrorCause.UNSUPPORTED_ATTRIBUTE)
    if Attribute.EVENT_TIMESTAMP not in packet.values or not named:
        return Refuse(ErrorCause.MISSING_ATTRIBUTE)
    said = packet.text(Attribute.NAS_IDENTIFIER)
    if said is not None and said != nas_identifier:
        return Refuse(ErrorCause.NAS_IDENTIFICATION_MISMATCH)
    found = [client for client in clients if _is_meant(packet, client)]
    if not found:
        return Refuse(ErrorCause.SESSION_CONTEXT_NOT_FOUND)
    if len(found) > 1:
        return Refuse(ErrorCause.MULTIPLE_SESSION_SELECTION_UNSUPPORTED)
    client = found[0]
    if not is_change:
        return End(client.mac, client.session_id)
    if not set(packet.values) & (_TIMES | {Attribute.VENDOR_SPECIFIC}):
        return Refuse(ErrorCause.MISSING_ATTRIBUTE)
    return Change(client.mac, client.session_id, change_grant(client.grant, packet))


def _vendors_fit(packet: Packet, is_change: bool) -> bool:
    values = list(packet.all(Attribute.VENDOR_SPECIFIC))
    if not is_change:
        return not values
    numbers = vendor_numbers(packet)
    return len(numbers) >= len(values) and numbers.keys() <= CHANGEABLE_NUMBERS


def _is_meant(packet: Packet, client: Client) -> bool:
    values = packet.values
    session = values.get(Attribute.ACCT_SESSION_ID)
    user = values.get(Attribute.USER_NAME)
    station = packet.text(Attribute.CALLING_STATION_ID)
    classes = set(packet.all(Attribute.CLASS))
    return (
        (session is None or session == client.session_id.encode())
        and (user is None or user == client.grant.user_name.encode())
        and (station is None or find_mac(station) == client.mac)
        and classes <= set(client.grant.class_values)
        and _addresses(packet) <= set(client.current())
    )


def _addresses(packet: Packet) -> set[str]:
    found = set()
    for kind, size in ((Attribute.FRAMED_IP_ADDRESS, 4), (Attribute.FRAMED_IPV6_ADDRESS, 16)):
        for value in packet.all(kind):
            if len(value) != size:
                raise MalformedPacket(f"attribute {kind} has {len(value)} octets")
            found.add(str(ip_address(value)))
    return found
