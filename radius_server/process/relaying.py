"""What passes between a NAS here and the home server of a foreign realm. Pure.

Towards home: Operator-Name (RFC 5580), a request for Chargeable-User-Identity (RFC 4372), and
a Proxy-State of ours. Back to the NAS: what a visitor needs, and nothing that would configure
this network.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from common.printable import printable
from radius_server.packet.authenticator import encode, encode_all
from radius_server.packet.codes import Attribute, Code
from radius_server.packet.forming import without_signature
from radius_server.packet.hiding import MICROSOFT, Hop, Pair, carry, walk, without_hidden
from radius_server.packet.packet import Packet
from radius_server.process import class_attribute

OPERATOR_NAME = 126
CHARGEABLE_USER_IDENTITY = 89
EAP_KEY_NAME = 102
MARK_OCTETS = 8
_PROXY_STATE_RANDOM = 8
_OPERATOR_REALM = b"1"
"""Namespace ID of a realm, RFC 5580 section 4.1."""

_VALUE_OCTETS = 253
_VLAN, _IEEE_802 = 13, 6
_SHOWN = 120

_PASSES = frozenset(
    {
        Attribute.USER_NAME,
        Attribute.REPLY_MESSAGE,
        Attribute.STATE,
        Attribute.CLASS,
        Attribute.SESSION_TIMEOUT,
        Attribute.IDLE_TIMEOUT,
        29,  # Termination-Action
        Attribute.EAP_MESSAGE,
        Attribute.ACCT_INTERIM_INTERVAL,
        CHARGEABLE_USER_IDENTITY,
        EAP_KEY_NAME,
    }
)
"""Tunnel-*, Filter-Id, Framed-*, Service-Type and the like are for this network to say."""

_MICROSOFT = MICROSOFT.to_bytes(4, "big")
"""Keys of the radio link, and the answers of MS-CHAP: RFC 2548. No other vendor passes."""


class Refusal(StrEnum):
    """Why a request is not sent on."""

    LOOP = "loop"
    """It has been here before."""
    HOPS = "hops"
    """Too many proxies have had it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What this site adds and watches; `mark` is how it knows its own Proxy-State again."""

    mark: bytes
    class_key: bytes = field(repr=False)
    """Of the Class values made here: they are not for others to see or to say."""
    operator_name: str = ""
    """A realm of ours; empty: nothing is said."""
    request_cui: bool = True
    maximum_hops: int = 10


def refusal(packet: Packet, terms: Terms, from_home: bool) -> Refusal | None:
    """Why `packet` must not be sent on, or None.

    Args:
        from_home: it came from one of the home servers. Our own Operator-Name in such a
            request was put there by us.
    """
    hops = 0
    for value in packet.all(Attribute.PROXY_STATE):
        hops += 1
        if value.startswith(terms.mark):
            return Refusal.LOOP
    if from_home and terms.operator_name:
        said = packet.values.get(OPERATOR_NAME, b"")
        if said.lower() == _OPERATOR_REALM + terms.operator_name.lower().encode():
            return Refusal.LOOP
    return Refusal.HOPS if hops >= terms.maximum_hops else None


def outgoing(packet: Packet, before: Hop | None, after: Hop, terms: Terms) -> list[Pair]:
    """The attributes of `packet` for the home server, hidden for `after`.

    Args:
        before: what hides them now. Accounting needs none: what is hidden has no place there
            (RFC 2866 section 5.13, RFC 2868 section 5) and is left out.

    Raises:
        MalformedPacket: a hidden value of an impossible length.
    """
    said = without_signature(walk(packet))
    if packet.code == Code.ACCOUNTING_REQUEST:
        said = without_hidden(said)
    pairs = [
        pair
        for pair in carry(said, before, after)
        if pair[0] != Attribute.CLASS or not class_attribute.is_ours(terms.class_key, pair[1])
    ]
    values = packet.values
    if packet.code == Code.ACCESS_REQUEST:
        if Attribute.CHAP_PASSWORD in values and Attribute.CHAP_CHALLENGE not in values:
            # The Request Authenticator was the challenge, and becomes another one.
            pairs.append((Attribute.CHAP_CHALLENGE, packet.authenticator))
        if terms.request_cui and CHARGEABLE_USER_IDENTITY not in values:
            pairs.append((CHARGEABLE_USER_IDENTITY, b"\0"))  # RFC 4372 section 2.2
    if terms.operator_name and OPERATOR_NAME not in values:
        pairs.append((OPERATOR_NAME, _OPERATOR_REALM + terms.operator_name.encode()))
    pairs.append((Attribute.PROXY_STATE, terms.mark + secrets.token_bytes(_PROXY_STATE_RANDOM)))
    return pairs


def returned(
    reply: Packet,
    home: Hop,
    nas: Hop,
    terms: Terms,
    *,
    vlan: int | None,
    named: Callable[[str], str | None],
) -> bytes:
    """The attributes of a home server's reply for the NAS, hidden for it, Proxy-State left out.

    Args:
        vlan: where visitors are put, in an Access-Accept.
        named: a person's name as the NAS may use it, or None.

    Raises:
        MalformedPacket: a key of an impossible length.
    """
    attributes = encode_all(carry(_passing(walk(reply), terms, named), home, nas))
    if vlan is not None and reply.code == Code.ACCESS_ACCEPT:
        attributes += encode(Attribute.TUNNEL_TYPE, _VLAN.to_bytes(4, "big"))
        attributes += encode(Attribute.TUNNEL_MEDIUM_TYPE, _IEEE_802.to_bytes(4, "big"))
        attributes += encode(Attribute.TUNNEL_PRIVATE_GROUP_ID, str(vlan).encode())
    return attributes


def delayed(pairs: list[Pair], seconds: int) -> list[Pair]:
    """The attributes of an Accounting-Request that has waited here. RFC 2866 section 5.2."""
    if seconds <= 0:
        return pairs
    known = 0
    for kind, value in pairs:
        if kind == Attribute.ACCT_DELAY_TIME and len(value) == 4:
            known = int.from_bytes(value, "big")
    total = min(known + seconds, 0xFFFFFFFF).to_bytes(4, "big")
    others = [pair for pair in pairs if pair[0] != Attribute.ACCT_DELAY_TIME]
    return [*others, (Attribute.ACCT_DELAY_TIME, total)]


def notes(reply: Packet) -> list[str]:
    """What a decision of a home server says about who it was, for the trace."""
    found = []
    for key, kind in (("name", Attribute.USER_NAME), ("cui", CHARGEABLE_USER_IDENTITY)):
        if reply.values.get(kind, b"").strip(b"\0"):
            found.append(f"proxy:{key}={printable(reply.text(kind) or '')[:_SHOWN]}")
    return found


def _passing(
    pairs: Iterable[Pair], terms: Terms, named: Callable[[str], str | None]
) -> Iterator[Pair]:
    for kind, value in pairs:
        if kind == Attribute.USER_NAME:
            name = _name(value, named)
            if name is not None:
                yield kind, name
        elif kind == Attribute.CLASS:
            # A Class of ours names a login here; one that came back from elsewhere was copied.
            if not class_attribute.is_ours(terms.class_key, value):
                yield kind, value
        elif kind in _PASSES or (kind == Attribute.VENDOR_SPECIFIC and value[:4] == _MICROSOFT):
            yield kind, value


def _name(value: bytes, named: Callable[[str], str | None]) -> bytes | None:
    try:
        name = named(value.decode())
    except UnicodeDecodeError:
        return None
    octets = name.encode() if name is not None else b""
    return octets if 0 < len(octets) <= _VALUE_OCTETS else None
