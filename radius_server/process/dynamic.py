"""Which attributes tell a NAS which session is meant, and what is to change. RFC 5176 section 3.

Every vendor matches on something else, and some refuse what they do not match on. What the
NAS is shown is what it sent itself, octet for octet; only when its packet is not kept any
more is it written anew from the session.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address

from common.net import find_mac
from identity.domain.dynamic import Change, Kind
from radius_server.packet.authenticator import encode, encode_vendor
from radius_server.packet.codes import Attribute
from radius_server.packet.dynamic import DEFAULT_PORT
from radius_server.packet.packet import Packet, sub_attributes
from radius_server.process.vendor_replies import rate_attributes, role_attributes

_CISCO = 9
_CISCO_AV_PAIR = 1
_AUDIT_SESSION = b"audit-session-id="

_NAS = (Attribute.NAS_IP_ADDRESS, Attribute.NAS_IPV6_ADDRESS, Attribute.NAS_IDENTIFIER)
_USER = (Attribute.USER_NAME,)
_SESSION = (Attribute.ACCT_SESSION_ID,)
_STATION = (Attribute.CALLING_STATION_ID,)
_ADDRESS = (Attribute.FRAMED_IP_ADDRESS,)


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicProfile:
    """How the equipment of one vendor takes requests.

    `port` None: it takes none. `attributes` are sent in this order, as far as the NAS sent
    them. `audit_session`: Cisco's own name of the session goes along.
    """

    port: int | None = DEFAULT_PORT
    attributes: tuple[Attribute, ...] = (*_NAS, *_USER, *_SESSION, *_STATION)
    audit_session: bool = False


_CISCO_PORT = 1700
PROFILES: dict[str, DynamicProfile] = {
    # hostapd answers 401 to an attribute it does not match on, Framed-IP-Address among them.
    "generic": DynamicProfile(),
    # The user name must be the session's own, octet for octet; the session id narrows it.
    "coova": DynamicProfile(attributes=(*_NAS, *_USER, *_SESSION)),
    "mikrotik": DynamicProfile(attributes=(*_NAS, *_USER, *_SESSION, *_ADDRESS)),
    "unifi": DynamicProfile(attributes=(Attribute.NAS_IDENTIFIER, *_STATION)),
    # Controllers do not know their own Acct-Session-Id any more when they are asked.
    "aruba": DynamicProfile(attributes=(Attribute.NAS_IP_ADDRESS, *_USER, *_STATION)),
    "ruckus": DynamicProfile(attributes=(Attribute.NAS_IP_ADDRESS, *_USER, *_STATION)),
    "cisco": DynamicProfile(
        port=_CISCO_PORT,
        attributes=(Attribute.NAS_IP_ADDRESS, *_SESSION, *_STATION),
        audit_session=True,
    ),
    "meraki": DynamicProfile(
        port=_CISCO_PORT,
        attributes=(Attribute.NAS_IP_ADDRESS, *_SESSION, *_STATION),
        audit_session=True,
    ),
    "fortinet": DynamicProfile(attributes=(*_SESSION, *_USER, *_ADDRESS)),
    "huawei": DynamicProfile(attributes=(Attribute.NAS_IP_ADDRESS, *_SESSION, *_STATION)),
    "h3c": DynamicProfile(attributes=(Attribute.NAS_IP_ADDRESS, *_SESSION, *_STATION)),
    **dict.fromkeys(("opennds", "opnsense", "pfsense"), DynamicProfile(port=None)),
}
_GENERIC = PROFILES["generic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """What is stored of a session, for when its last packet is not kept any more."""

    user_name: str
    acct_session_id: str
    calling_station_id: str | None
    audit_session: str = ""
    """Cisco's name of a connection that no accounting has told of."""
    nas_address: str = ""
    """NAS-IP-Address of that."""


def profile_of(vendor: str) -> DynamicProfile:
    """The profile of a vendor; the generic one for those that need no other."""
    return PROFILES.get(vendor, _GENERIC)


def request_attributes(
    vendor: str, kind: Kind, change: Change, facts: SessionFacts, said: Packet | None, now: datetime
) -> bytes:
    """The attributes of one request but Message-Authenticator, encoded.

    A Disconnect-Request holds nothing but what identifies (RFC 5176 section 3: anything else
    is answered with 401). Event-Timestamp says when it was first sent; section 3.3 has the
    NAS refuse what is older than 300 seconds.

    Args:
        said: the last accounting packet of the session.
    """
    attributes = _identification(profile_of(vendor), facts, said)
    if kind is Kind.COA:
        attributes += _changes(vendor, change)
    return attributes + _number(Attribute.EVENT_TIMESTAMP, int(now.timestamp()))


def _identification(profile: DynamicProfile, facts: SessionFacts, said: Packet | None) -> bytes:
    if said is None and facts.audit_session:
        return _of_connection(facts)
    if said is None:
        values = _written_anew(facts)
    else:
        values = {kind: said.values[kind] for kind in profile.attributes if kind in said.values}
        if not any(kind in values for kind in _NAS):
            # RFC 5176 section 3 wants the NAS named by one of them, whichever it uses.
            values = {kind: said.values[kind] for kind in _NAS if kind in said.values} | values
        if not any(kind not in _NAS for kind in values):
            # This one does not send what its vendor's equipment matches on.
            known = {kind: said.values.get(kind) for kind in _GENERIC.attributes}
            values |= {kind: value for kind, value in known.items() if value is not None}
    attributes = b"".join(encode(kind, value) for kind, value in values.items())
    if profile.audit_session and said is not None:
        attributes += _audit_session(said)
    return attributes


def _of_connection(facts: SessionFacts) -> bytes:
    """A device that waits for its user: as its controller called it when it asked."""
    attributes = b""
    if facts.nas_address:
        octets = IPv4Address(facts.nas_address).packed
        attributes += encode(Attribute.NAS_IP_ADDRESS, octets)
    if facts.calling_station_id:
        attributes += encode(Attribute.CALLING_STATION_ID, facts.calling_station_id.encode())
    return attributes + encode_vendor(
        _CISCO, _CISCO_AV_PAIR, _AUDIT_SESSION + facts.audit_session.encode()
    )


def _written_anew(facts: SessionFacts) -> dict[Attribute, bytes]:
    values = {Attribute.ACCT_SESSION_ID: facts.acct_session_id.encode()}
    if facts.user_name:
        values[Attribute.USER_NAME] = facts.user_name.encode()
    if facts.calling_station_id:
        mac = find_mac(facts.calling_station_id)
        values[Attribute.CALLING_STATION_ID] = (
            # RFC 3580 section 3.21.
            "-".join(mac[at : at + 2] for at in range(0, 12, 2)).upper()
            if mac
            else facts.calling_station_id
        ).encode()
    return values


def _audit_session(said: Packet) -> bytes:
    for value in said.all(Attribute.VENDOR_SPECIFIC):
        for vendor, kind, inner in sub_attributes(value) or ():
            if (vendor, kind) == (_CISCO, _CISCO_AV_PAIR) and inner.startswith(_AUDIT_SESSION):
                return encode_vendor(_CISCO, _CISCO_AV_PAIR, inner)
    return b""


def _changes(vendor: str, change: Change) -> bytes:
    attributes = b""
    if change.session_seconds is not None:
        attributes += _number(Attribute.SESSION_TIMEOUT, change.session_seconds)
    if change.idle_seconds is not None:
        attributes += _number(Attribute.IDLE_TIMEOUT, change.idle_seconds)
    attributes += role_attributes(vendor, change.filter_id, change.vendor_role)
    if change.reauthenticate:
        for pair in (b"subscriber:command=reauthenticate", b"subscriber:reauthenticate-type=last"):
            attributes += encode_vendor(_CISCO, _CISCO_AV_PAIR, pair)
    return attributes + rate_attributes(vendor, change.up_kbps, change.down_kbps)


def _number(attribute: Attribute, value: int) -> bytes:
    return encode(attribute, value.to_bytes(4, "big"))
