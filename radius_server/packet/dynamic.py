"""Packets of dynamic authorization: a request to a NAS, and what its answer says. RFC 5176.

Here the RADIUS server is the one that asks. Octets in, values out; nothing is sent here.
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass
from enum import IntEnum

from common.errors import MalformedPacket, NotAuthentic
from radius_server.packet.codes import Attribute
from radius_server.packet.digest import md5
from radius_server.packet.packet import AUTHENTICATOR_OCTETS, MAXIMUM_OCTETS, decode

DEFAULT_PORT = 3799
"""RFC 5176 section 6."""

ERROR_CAUSE = 101
_ZEROS = bytes(AUTHENTICATOR_OCTETS)
_HEADER = struct.Struct("!BBH")
_SIGNATURE_HEAD = bytes((Attribute.MESSAGE_AUTHENTICATOR, 18))


class DynamicCode(IntEnum):
    """Packet codes, RFC 5176 section 2.3."""

    DISCONNECT_REQUEST = 40
    DISCONNECT_ACK = 41
    DISCONNECT_NAK = 42
    COA_REQUEST = 43
    COA_ACK = 44
    COA_NAK = 45


class ErrorCause(IntEnum):
    """Why a NAS did not do it, RFC 5176 section 3.5."""

    RESIDUAL_SESSION_CONTEXT_REMOVED = 201
    INVALID_EAP_PACKET = 202
    UNSUPPORTED_ATTRIBUTE = 401
    MISSING_ATTRIBUTE = 402
    NAS_IDENTIFICATION_MISMATCH = 403
    INVALID_REQUEST = 404
    UNSUPPORTED_SERVICE = 405
    UNSUPPORTED_EXTENSION = 406
    INVALID_ATTRIBUTE_VALUE = 407
    ADMINISTRATIVELY_PROHIBITED = 501
    REQUEST_NOT_ROUTABLE = 502
    SESSION_CONTEXT_NOT_FOUND = 503
    SESSION_CONTEXT_NOT_REMOVABLE = 504
    OTHER_PROXY_PROCESSING_ERROR = 505
    RESOURCES_UNAVAILABLE = 506
    REQUEST_INITIATED = 507
    MULTIPLE_SESSION_SELECTION_UNSUPPORTED = 508


@dataclass(frozen=True, slots=True)
class DynamicReply:
    """A NAS's proven answer; `error_cause` is a number, of RFC 5176 section 3.5 or later."""

    acknowledged: bool
    error_cause: int | None = None


def encode_request(code: DynamicCode, identifier: int, attributes: bytes, secret: bytes) -> bytes:
    """A Disconnect-Request or CoA-Request, Message-Authenticator first.

    RFC 5176 section 2.3: the Request Authenticator is MD5 over the packet with sixteen zero
    octets in its place, and the secret. Section 3, note on Message-Authenticator: HMAC-MD5
    with both the authenticator and its own octets as zeros; so it is made first.

    Args:
        attributes: encoded, without Message-Authenticator.

    Raises:
        ValueError: it would not fit in a packet.
    """
    length = 38 + len(attributes)
    if length > MAXIMUM_OCTETS:
        raise ValueError(f"a request of {length} octets does not fit in a RADIUS packet")
    head = _HEADER.pack(code, identifier, length)
    unsigned = head + _ZEROS + _SIGNATURE_HEAD + _ZEROS + attributes
    body = _SIGNATURE_HEAD + hmac.digest(secret, unsigned, "md5") + attributes
    authenticator = md5(head + _ZEROS + body + secret).digest()
    return head + authenticator + body


def read_reply(request: bytes, datagram: bytes, secret: bytes) -> DynamicReply:
    """What `datagram` answers to `request`.

    RFC 5176 section 2.3: its Response Authenticator covers that of the request. A
    Message-Authenticator need not be there, but a wrong one makes the answer worthless.

    Args:
        request: the octets that were sent.
        datagram: as received.

    Raises:
        MalformedPacket: broken structure, another identifier, or a code that is no answer.
        NotAuthentic: not made with `secret` for this request.
    """
    packet = decode(datagram)
    code = request[0]
    if packet.identifier != request[1] or packet.code not in (code + 1, code + 2):
        raise MalformedPacket("not an answer to this request")
    octets, asked = packet.octets, request[4:20]
    digest = md5(octets[:4] + asked + octets[20:] + secret)
    if not hmac.compare_digest(digest.digest(), packet.authenticator):
        raise NotAuthentic("bad_response_authenticator")
    at = packet.message_authenticator_at
    if at:
        end = at + AUTHENTICATOR_OCTETS
        signed = octets[:4] + asked + octets[20:at] + _ZEROS + octets[end:]
        if not hmac.compare_digest(hmac.digest(secret, signed, "md5"), octets[at:end]):
            raise NotAuthentic("bad_message_authenticator")
    return DynamicReply(packet.code == code + 1, packet.integer(ERROR_CAUSE))


def error_name(cause: int) -> str:
    """The name of an Error-Cause as RFC 5176 section 3.5 writes it; a number nobody named."""
    try:
        words = ErrorCause(cause).name.split("_")
    except ValueError:
        return f"Error-Cause-{cause}"
    return "-".join(word if word in ("NAS", "EAP") else word.capitalize() for word in words)
