"""One datagram on its way in and its reply on the way out: what is checked, in which order.

structure → NAS → authenticity → duplicate → request. Whatever fails is dropped in silence
and counted by its reason; nothing is answered that was not proven to come from a NAS.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.errors import MalformedPacket, NotAuthentic
from common.net import find_mac
from radius_server.packet.codes import CALL_CHECK, Attribute, Code
from radius_server.packet.packet import MAXIMUM_OCTETS, Packet, decode, sub_attributes
from radius_server.process.central import connection_of
from radius_server.process.mschap_login import (
    MICROSOFT,
    MS_CHAP2_RESPONSE,
    MS_CHAP_CHALLENGE,
    MS_CHAP_RESPONSE,
)
from radius_server.process.one_proof import MICROSOFT_OCTETS, too_much
from radius_server.process.questions import AccessRequest
from radius_server.worker.clients import NasClient

_ACCESS = int(Code.ACCESS_REQUEST)
_ACCOUNTING = int(Code.ACCOUNTING_REQUEST)
_STATUS = int(Code.STATUS_SERVER)
_USER_PASSWORD = int(Attribute.USER_PASSWORD)
_CHAP_PASSWORD = int(Attribute.CHAP_PASSWORD)
_CALLED_STATION_ID = int(Attribute.CALLED_STATION_ID)
_CALLING_STATION_ID = int(Attribute.CALLING_STATION_ID)
_USER_NAME = int(Attribute.USER_NAME)
_PROXY_STATE = int(Attribute.PROXY_STATE)
_CHAP_CHALLENGE = int(Attribute.CHAP_CHALLENGE)
_SERVICE_TYPE = int(Attribute.SERVICE_TYPE)
_EAP_MESSAGE = int(Attribute.EAP_MESSAGE)
_FRAMED_MTU = int(Attribute.FRAMED_MTU)
_VENDOR_SPECIFIC = int(Attribute.VENDOR_SPECIFIC)
_LONG_OCTETS = MAXIMUM_OCTETS - 1024
"""What Proxy-State may take of a reply; our own attributes need less than half of the rest."""

AUTH_CODES = frozenset({_ACCESS, _STATUS})
ACCT_CODES = frozenset({_ACCOUNTING, _STATUS})


@dataclass(slots=True)
class Exchange:
    """A proven request and where its reply goes."""

    socket: Any
    source: tuple[Any, ...]
    packet: Packet
    nas: NasClient
    received_at: datetime
    key: tuple[Any, ...]
    reply: bytes = b""
    conversation: Any = None
    """The login that comes to its reply in a later round than its first."""


def authenticate(datagram: bytes, nas: NasClient, codes: frozenset[int]) -> Packet:
    """The packet in `datagram`, proven to come from `nas`.

    Args:
        codes: the packet codes this port takes.

    Raises:
        MalformedPacket: broken structure, or a code that does not belong here.
        NotAuthentic: wrong secret, or no Message-Authenticator where one is required.
    """
    packet = decode(datagram)
    if packet.code not in codes:
        raise MalformedPacket("wrong_code")
    if packet.code == _ACCOUNTING:
        if not nas.secret.accounting_authenticator_fits(packet):
            raise NotAuthentic("bad_authenticator")
        return packet
    if packet.message_authenticator_at:
        if not nas.secret.message_authenticator_fits(packet):
            raise NotAuthentic("bad_message_authenticator")
        return packet
    # RFC 5997 section 3 and RFC 3579 section 3.2 demand it of these two whatever the NAS may do.
    demanded = packet.code == _STATUS or _EAP_MESSAGE in packet.values
    if demanded or nas.facts.require_message_authenticator:
        raise NotAuthentic("no_message_authenticator")
    return packet


def access_request(exchange: Exchange) -> AccessRequest:
    """The question an Access-Request asks.

    Raises:
        MalformedPacket: an attribute has an impossible length, or so much Proxy-State must
            be echoed (RFC 2865 section 5.33) that no reply could hold it.
    """
    packet = exchange.packet
    values = packet.values
    if len(packet.octets) > _LONG_OCTETS and _PROXY_STATE in values:
        echoed = sum(2 + len(value) for value in packet.all(_PROXY_STATE))
        if echoed > _LONG_OCTETS:
            raise MalformedPacket("Proxy-State leaves no room for a reply")
    hidden = values.get(_USER_PASSWORD)
    chap = values.get(_CHAP_PASSWORD)
    if chap is not None and len(chap) != 17:
        raise MalformedPacket(f"CHAP-Password has {len(chap)} octets instead of 17")
    station = packet.text(_CALLING_STATION_ID)
    surplus = too_much(packet)
    if surplus:
        return AccessRequest(
            user_name=packet.text(_USER_NAME) or "",
            nas_client_id=exchange.nas.facts.nas_client_id,
            now=exchange.received_at,
            too_much=surplus,
        )
    request = AccessRequest(
        user_name=packet.text(_USER_NAME) or "",
        nas_client_id=exchange.nas.facts.nas_client_id,
        now=exchange.received_at,
        password=(
            None
            if hidden is None
            else exchange.nas.secret.reveal_password(hidden, packet.authenticator)
        ),
        chap_password=chap,
        # RFC 2865 section 5.40: without CHAP-Challenge the Request Authenticator is it.
        chap_challenge=values.get(_CHAP_CHALLENGE, packet.authenticator),
        station=None if station is None else find_mac(station),
        station_words=exchange.nas.facts.station_words,
        framed_mtu=packet.integer(_FRAMED_MTU),
        called_station=values.get(_CALLED_STATION_ID, b""),
        call_check=packet.integer(_SERVICE_TYPE) == CALL_CHECK,
        eap_message=(b"".join(packet.all(_EAP_MESSAGE)) if _EAP_MESSAGE in values else None),
    )
    central = exchange.nas.facts.central
    if central is not None and request.call_check:
        request.central = connection_of(central, packet, exchange.source)
    # Most NAS send attributes of their vendor; Microsoft's come with MS-CHAP alone.
    if _VENDOR_SPECIFIC in values and MICROSOFT_OCTETS in packet.octets:
        _add_mschap(request, packet)
    return request


def _add_mschap(request: AccessRequest, packet: Packet) -> None:
    """RFC 2548 sections 2.1 and 2.3: a challenge and the answer to it."""
    for value in packet.all(_VENDOR_SPECIFIC):
        for vendor, kind, content in sub_attributes(value) or ():
            if vendor != MICROSOFT:
                continue
            if kind == MS_CHAP_CHALLENGE:
                request.mschap_challenge = content
            elif kind == MS_CHAP_RESPONSE:
                request.mschap_response = content
            elif kind == MS_CHAP2_RESPONSE:
                request.mschap2_response = content
