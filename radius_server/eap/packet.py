"""EAP packets: octets in, values out. RFC 3748 section 4.

Expanded types (section 5.7) of vendor 0 are read as the plain type they stand for; those of
other vendors keep their Vendor-Id in the Type-Data. Knows nothing of any method.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from common.errors import MalformedPacket

HEADER_OCTETS = 4
"""Code, Identifier, Length."""

OVERHEAD_OCTETS = HEADER_OCTETS + 1
"""What a Request has before its Type-Data."""

_EXPANDED_OCTETS = 8
_IETF = b"\0\0\0"


class Code(IntEnum):
    """RFC 3748 section 4."""

    REQUEST = 1
    RESPONSE = 2
    SUCCESS = 3
    FAILURE = 4


class Type(IntEnum):
    """The types this server speaks. IANA "Method Types"."""

    IDENTITY = 1
    NOTIFICATION = 2
    NAK = 3
    MD5 = 4
    GTC = 6
    TLS = 13
    TTLS = 21
    PEAP = 25
    MSCHAPV2 = 26
    EXTENSIONS = 33
    PWD = 52
    TEAP = 55
    EXPANDED = 254


@dataclass(slots=True)
class Response:
    """What a peer says: an EAP-Response. `type` may be one that nobody here knows."""

    identifier: int
    type: int
    type_data: bytes = field(repr=False)


def decode_response(octets: bytes) -> Response:
    """Read an EAP-Response; octets after Length are padding (RFC 3748 section 4.1).

    Raises:
        MalformedPacket: it is cut short, or is no Response.
    """
    if len(octets) < OVERHEAD_OCTETS:
        raise MalformedPacket("an EAP-Response has at least 5 octets", len(octets))
    length = int.from_bytes(octets[2:4], "big")
    if not OVERHEAD_OCTETS <= length <= len(octets):
        raise MalformedPacket(f"EAP Length is {length} of {len(octets)} octets", 2)
    if octets[0] != Code.RESPONSE:
        raise MalformedPacket(f"EAP Code {octets[0]} is no Response")
    kind, data = octets[4], octets[OVERHEAD_OCTETS:length]
    if kind == Type.EXPANDED:
        kind, data = _contracted(data)
    return Response(octets[1], kind, data)


def _contracted(data: bytes) -> tuple[int, bytes]:
    """RFC 3748 section 5.7: Vendor-Id (3 octets), Vendor-Type (4), Vendor-Data."""
    if len(data) < _EXPANDED_OCTETS - 1:
        raise MalformedPacket("an expanded type has 8 octets", OVERHEAD_OCTETS)
    kind = int.from_bytes(data[3:7], "big")
    if data[:3] != _IETF or kind >= Type.EXPANDED:
        return Type.EXPANDED, data
    rest = data[7:]
    if kind == Type.NAK:
        # Section 5.3.2: the methods wanted are expanded types in turn, of 8 octets each.
        wanted = (rest[at : at + _EXPANDED_OCTETS] for at in range(0, len(rest), _EXPANDED_OCTETS))
        rest = bytes(
            item[7]
            for item in wanted
            if len(item) == _EXPANDED_OCTETS and item[:7] == b"\xfe" + _IETF + b"\0\0\0"
        )
    return kind, rest


def encode_request(identifier: int, kind: int, type_data: bytes) -> bytes:
    """An EAP-Request."""
    length = OVERHEAD_OCTETS + len(type_data)
    return (
        bytes((Code.REQUEST, identifier)) + length.to_bytes(2, "big") + bytes((kind,)) + type_data
    )


def encode_end(code: Code, identifier: int) -> bytes:
    """An EAP-Success or EAP-Failure; `identifier` is that of the last Response (section 4.2)."""
    return bytes((code, identifier, 0, HEADER_OCTETS))


def peer_identity(type_data: bytes) -> str:
    """The name in an Identity response, all of it.

    RFC 3748 section 5.1 lets options follow a zero octet in the Request alone; a Response must
    not end in one, so no name is cut short here.
    """
    return readable(type_data)


def readable(name: bytes) -> str:
    """A name as text; what no database keeps (NUL, bad UTF-8) becomes `\\x00`, say.

    As `Packet.text` has it of User-Name, so that a name is the same by every method.
    """
    return name.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
