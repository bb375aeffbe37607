"""The other side of dynamic authorization: a NAS that is asked, and answers. RFC 5176.

Our own gateway is one. Octets in, values out; `dynamic` is the side that asks.
"""

from __future__ import annotations

import hmac
import struct

from common.errors import NotAuthentic
from radius_server.packet.authenticator import encode
from radius_server.packet.codes import Attribute
from radius_server.packet.digest import md5
from radius_server.packet.dynamic import ERROR_CAUSE, ErrorCause
from radius_server.packet.packet import AUTHENTICATOR_OCTETS, Packet, decode

_ZEROS = bytes(AUTHENTICATOR_OCTETS)
_HEADER = struct.Struct("!BBH")
_SIGNATURE_HEAD = bytes((Attribute.MESSAGE_AUTHENTICATOR, 18))


def read_request(datagram: bytes, secret: bytes) -> Packet:
    """The Disconnect- or CoA-Request in `datagram`, proven to come from who shares `secret`.

    RFC 5176 section 2.3: its authenticator is MD5 over the packet with zeros in its place, and
    the secret. Message-Authenticator, which section 3 lets a sender leave out, must be there.

    Raises:
        MalformedPacket: broken structure.
        NotAuthentic: a wrong authenticator or Message-Authenticator, or none.
    """
    packet = decode(datagram)
    octets = packet.octets
    digest = md5(octets[:4] + _ZEROS + octets[20:] + secret).digest()
    if not hmac.compare_digest(digest, packet.authenticator):
        raise NotAuthentic("bad_request_authenticator")
    at = packet.message_authenticator_at
    if not at:
        raise NotAuthentic("no_message_authenticator")
    end = at + AUTHENTICATOR_OCTETS
    signed = octets[:4] + _ZEROS + octets[20:at] + _ZEROS + octets[end:]
    if not hmac.compare_digest(hmac.digest(secret, signed, "md5"), octets[at:end]):
        raise NotAuthentic("bad_message_authenticator")
    return packet


def encode_answer(request: Packet, secret: bytes, refusal: ErrorCause | None = None) -> bytes:
    """An ACK to `request`, or a NAK that says why; Message-Authenticator first.

    RFC 5176 section 3: Proxy-State goes back as it came, in the same order.
    """
    attributes = b"" if refusal is None else encode(ERROR_CAUSE, refusal.to_bytes(4, "big"))
    for value in request.all(Attribute.PROXY_STATE):
        attributes += encode(Attribute.PROXY_STATE, value)
    code = request.code + (1 if refusal is None else 2)
    head = _HEADER.pack(code, request.identifier, 38 + len(attributes))
    unsigned = head + request.authenticator + _SIGNATURE_HEAD + _ZEROS + attributes
    body = _SIGNATURE_HEAD + hmac.digest(secret, unsigned, "md5") + attributes
    return head + md5(head + request.authenticator + body + secret).digest() + body
