"""Whole packets from attributes: requests to a home server, and the forms of RADIUS/1.1.

Octets in, octets out. Replies to a NAS are made by `authenticator.SharedSecret.reply`.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Iterable

from common.errors import MalformedPacket, NotAuthentic
from radius_server.packet.authenticator import encode_all
from radius_server.packet.codes import Attribute, Code
from radius_server.packet.digest import md5
from radius_server.packet.hiding import Hop, Pair, carry, walk
from radius_server.packet.packet import (
    AUTHENTICATOR_OCTETS,
    HEADER_OCTETS,
    MAXIMUM_OCTETS,
    Packet,
    decode,
)

TOKEN_OCTETS = 4
_HEADER = struct.Struct("!BBH")
_SIGNATURE = bytes((Attribute.MESSAGE_AUTHENTICATOR, 18))
_ZEROS = bytes(AUTHENTICATOR_OCTETS)


def without_signature(pairs: Iterable[Pair]) -> Iterable[Pair]:
    """The attributes less Message-Authenticator, which holds for one hop only."""
    return (pair for pair in pairs if pair[0] != Attribute.MESSAGE_AUTHENTICATOR)


def form_request(code: int, identifier: int, hop: Hop, pairs: Iterable[Pair]) -> bytes:
    """A request under a secret: Message-Authenticator first, or an accounting authenticator.

    RFC 2865 section 3, RFC 2866 section 3, RFC 3579 section 3.2.

    Args:
        hop: its authenticator becomes the Request Authenticator; in an Accounting-Request
            that is computed instead, over everything.
        pairs: hidden for `hop` already, without Message-Authenticator.

    Raises:
        MalformedPacket: it does not fit in a packet.
    """
    attributes = _encoded(pairs)
    if code == Code.ACCOUNTING_REQUEST:
        head = _header(code, identifier, attributes)
        digest = md5(head + _ZEROS + attributes + hop.secret)
        return head + digest.digest() + attributes
    attributes = _SIGNATURE + _ZEROS + attributes
    head = _header(code, identifier, attributes) + hop.authenticator
    signature = hmac.digest(hop.secret, head + attributes, "md5")
    return head + _SIGNATURE + signature + attributes[18:]


def read_reply(datagram: bytes, request: bytes, secret: bytes, signed: bool) -> Packet:
    """The reply to `request` in `datagram`, proven to come from who shares `secret`.

    Args:
        request: the octets that were sent.
        signed: whether it must carry Message-Authenticator (CVE-2024-3596).

    Raises:
        MalformedPacket: broken structure, or another identifier.
        NotAuthentic: a wrong Response Authenticator or Message-Authenticator, or none.
    """
    reply = decode(datagram)
    if reply.identifier != request[1]:
        raise MalformedPacket("a reply to another request")
    octets, asked = reply.octets, request[4:20]
    digest = md5(octets[:4] + asked + octets[20:] + secret)
    if not hmac.compare_digest(digest.digest(), reply.authenticator):
        raise NotAuthentic("bad_response_authenticator")
    at = reply.message_authenticator_at
    if not at:
        if signed:
            raise NotAuthentic("no_message_authenticator")
        return reply
    end = at + AUTHENTICATOR_OCTETS
    covered = octets[:4] + asked + octets[20:at] + _ZEROS + octets[end:]
    if not hmac.compare_digest(hmac.digest(secret, covered, "md5"), octets[at:end]):
        raise NotAuthentic("bad_message_authenticator")
    return reply


def token_of(octets: bytes) -> bytes:
    """The Token of a RADIUS/1.1 packet, RFC 9765 section 4.1."""
    return octets[4 : 4 + TOKEN_OCTETS]


def classic_of(octets: bytes, hop: Hop) -> bytes:
    """A RADIUS/1.1 request as RADIUS/1.0 says it under `hop`. RFC 9765 sections 4 and 5.

    The identifier is zero: the Token names the request. Message-Authenticator is ignored
    (section 5.2), and what is hidden in RADIUS/1.0 gets hidden.

    Raises:
        MalformedPacket: broken structure, or it does not fit any more.
    """
    packet = decode(octets)
    pairs = carry(without_signature(walk(packet)), None, hop)
    return form_request(packet.code, 0, hop, pairs)


def modern_of(reply: bytes, token: bytes, hop: Hop) -> bytes:
    """A RADIUS/1.0 reply, made under `hop`, as RADIUS/1.1 says it: the other way round."""
    packet = decode(reply)
    attributes = _encoded(carry(without_signature(walk(packet)), hop, None))
    return _header(packet.code, 0, attributes) + token + bytes(12) + attributes


def _header(code: int, identifier: int, attributes: bytes) -> bytes:
    return _HEADER.pack(code, identifier, HEADER_OCTETS + len(attributes))


def _encoded(pairs: Iterable[Pair]) -> bytes:
    try:
        attributes = encode_all(pairs)
    except ValueError as error:
        raise MalformedPacket(str(error)) from error
    if HEADER_OCTETS + len(attributes) + len(_SIGNATURE) + AUTHENTICATOR_OCTETS > MAXIMUM_OCTETS:
        raise MalformedPacket("it does not fit in a packet any more")
    return attributes
