"""TLVs of TEAP: octets in, values out. RFC 9930 section 4 (RFC 7170 before it).

What a message may hold, and in what number, is checked here; what it means is the matter of
`teap`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from common.errors import EapViolation
from radius_server.eap.packet import HEADER_OCTETS

_MANDATORY = 0x8000
_TYPE_BITS = 0x3FFF
_TLV_HEADER_OCTETS = 4
_STATUS_OCTETS = 2
_ERROR_OCTETS = 4
_VENDOR_OCTETS = 4


class Kind(IntEnum):
    """RFC 9930 section 4.2.1."""

    AUTHORITY_ID = 1
    IDENTITY_TYPE = 2
    RESULT = 3
    NAK = 4
    ERROR = 5
    CHANNEL_BINDING = 6
    VENDOR_SPECIFIC = 7
    REQUEST_ACTION = 8
    EAP_PAYLOAD = 9
    INTERMEDIATE_RESULT = 10
    PAC = 11
    CRYPTO_BINDING = 12
    BASIC_PASSWORD_REQUEST = 13
    BASIC_PASSWORD_RESPONSE = 14
    PKCS7 = 15
    PKCS10 = 16
    TRUSTED_SERVER_ROOT = 17
    CSR_ATTRIBUTES = 18
    IDENTITY_HINT = 19


class Status(IntEnum):
    """Of a Result, an Intermediate-Result and a Request-Action TLV."""

    SUCCESS = 1
    FAILURE = 2


class IdentityType(IntEnum):
    """RFC 9930 section 4.2.3."""

    USER = 1
    MACHINE = 2


class Error(IntEnum):
    """RFC 9930 section 4.2.6: those that are sent from here. 2000 and above are fatal."""

    UNSPECIFIED_FAILURE = 1003
    TUNNEL_COMPROMISE = 2001
    UNEXPECTED_TLVS = 2002
    BINDING_INVALID = 2003
    MSK_MAC_MISSING = 2004
    MSK_MAC_WRONG = 2005
    EMSK_MAC_MISSING = 2006
    EMSK_MAC_WRONG = 2007


class TlvViolation(EapViolation):
    """The peer broke a rule of TLVs and is told so by an Error TLV before it ends."""

    def __init__(self, reason: str, error: Error = Error.UNEXPECTED_TLVS) -> None:
        super().__init__(reason)
        self.error = error


@dataclass(frozen=True, slots=True)
class Tlv:
    """One TLV; `kind` may be a number that nobody here knows."""

    kind: int
    value: bytes = field(repr=False)
    mandatory: bool = True


def encode(tlvs: Iterable[Tlv]) -> bytes:
    """The TLVs one after the other."""
    return b"".join(
        (tlv.kind | (_MANDATORY if tlv.mandatory else 0)).to_bytes(2, "big")
        + len(tlv.value).to_bytes(2, "big")
        + tlv.value
        for tlv in tlvs
    )


def decode(octets: bytes) -> list[Tlv]:
    """All TLVs in `octets`.

    Raises:
        TlvViolation: a length does not fit.
    """
    found = []
    at = 0
    while at < len(octets):
        if len(octets) - at < _TLV_HEADER_OCTETS:
            raise TlvViolation("tlv_cut_short")
        kind = int.from_bytes(octets[at : at + 2], "big")
        length = int.from_bytes(octets[at + 2 : at + 4], "big")
        at += _TLV_HEADER_OCTETS
        if at + length > len(octets):
            raise TlvViolation("tlv_cut_short")
        mandatory = bool(kind & _MANDATORY)
        found.append(Tlv(kind & _TYPE_BITS, octets[at : at + length], mandatory))
        at += length
    return found


def result(status: Status) -> Tlv:
    """A Result TLV."""
    return Tlv(Kind.RESULT, status.to_bytes(_STATUS_OCTETS, "big"))


def intermediate_result(status: Status) -> Tlv:
    """An Intermediate-Result TLV."""
    return Tlv(Kind.INTERMEDIATE_RESULT, status.to_bytes(_STATUS_OCTETS, "big"))


def error(code: Error) -> Tlv:
    """An Error TLV."""
    return Tlv(Kind.ERROR, code.to_bytes(_ERROR_OCTETS, "big"))


def identity_type(kind: IdentityType) -> Tlv:
    """An Identity-Type TLV."""
    return Tlv(Kind.IDENTITY_TYPE, kind.to_bytes(_STATUS_OCTETS, "big"))


def nak(tlv: Tlv) -> Tlv:
    """Says that `tlv`, which is mandatory, is not known here. RFC 9930 section 4.2.5."""
    vendor = bytes(_VENDOR_OCTETS)
    if tlv.kind == Kind.VENDOR_SPECIFIC:
        vendor = tlv.value[:_VENDOR_OCTETS].rjust(_VENDOR_OCTETS, b"\0")
    return Tlv(Kind.NAK, vendor + tlv.kind.to_bytes(2, "big"))


@dataclass(slots=True)
class Message:
    """What a peer said in one message, each part at most once; None: it did not say it."""

    result: Status | None = None
    intermediate: Status | None = None
    identity: int | None = None
    eap: bytes | None = field(default=None, repr=False)
    password: tuple[bytes, bytes] | None = field(default=None, repr=False)
    """User name and password."""
    binding: Tlv | None = field(default=None, repr=False)
    errors: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    """TLVs of ours that the peer does not know: its NAK."""
    action: Status | None = None
    """What the peer wants if an action it asks for is not taken: none ever is."""
    unknown: Tlv | None = None
    """A mandatory TLV that must be answered with NAK; nothing else of the message counts."""


def read(octets: bytes) -> Message:
    """The TLVs of one message of a peer. RFC 9930 sections 4.2 and 4.3.2.

    Raises:
        TlvViolation: one has another form, or stands twice, or must not come from a peer.
    """
    tlvs = decode(octets)
    message = Message()
    for tlv in tlvs:
        if tlv.mandatory and tlv.kind not in _TAKEN | _FOREIGN | _LEFT_ALONE:
            message.unknown = message.unknown or tlv
    if message.unknown is not None:
        if any(tlv.kind == Kind.RESULT for tlv in tlvs):
            # Section 4.2.5: a message with a result is never answered with NAK.
            raise TlvViolation(f"tlv_unknown_{message.unknown.kind}")
        return Message(unknown=message.unknown)
    seen: set[int] = set()
    for tlv in tlvs:
        if tlv.kind in _FOREIGN:
            raise TlvViolation(f"tlv_unexpected_{tlv.kind}")
        if tlv.kind in seen and tlv.kind not in _REPEATED and tlv.kind in _TAKEN:
            raise TlvViolation(f"tlv_repeated_{tlv.kind}")
        seen.add(tlv.kind)
        _take(message, tlv)
    if message.eap is not None and message.password is not None:
        raise TlvViolation("tlv_eap_and_password")
    return message


def _take(message: Message, tlv: Tlv) -> None:
    match tlv.kind:
        case Kind.RESULT:
            message.result = _status(tlv)
        case Kind.INTERMEDIATE_RESULT:
            message.intermediate = _status(tlv)
        case Kind.IDENTITY_TYPE:
            message.identity = int.from_bytes(_exactly(tlv, _STATUS_OCTETS), "big")
        case Kind.EAP_PAYLOAD:
            message.eap = _eap_packet(tlv)
        case Kind.BASIC_PASSWORD_RESPONSE:
            message.password = _credentials(tlv.value)
        case Kind.CRYPTO_BINDING:
            message.binding = tlv
        case Kind.ERROR:
            message.errors.append(int.from_bytes(_exactly(tlv, _ERROR_OCTETS), "big"))
        case Kind.NAK:
            if len(tlv.value) < _VENDOR_OCTETS + 2:
                raise TlvViolation("tlv_length_wrong_4")
            message.refused.append(int.from_bytes(tlv.value[4:6], "big"))
        case Kind.REQUEST_ACTION:
            status = tlv.value[0] if len(tlv.value) > 1 else 0
            # Section 4.2.9: of several, and of what is not understood, the worst counts.
            is_success = status == Status.SUCCESS and message.action != Status.FAILURE
            message.action = Status.SUCCESS if is_success else Status.FAILURE


_TAKEN = frozenset(
    {
        Kind.IDENTITY_TYPE,
        Kind.RESULT,
        Kind.NAK,
        Kind.ERROR,
        Kind.REQUEST_ACTION,
        Kind.EAP_PAYLOAD,
        Kind.INTERMEDIATE_RESULT,
        Kind.CRYPTO_BINDING,
        Kind.BASIC_PASSWORD_RESPONSE,
    }
)
_FOREIGN = frozenset({Kind.PAC, Kind.BASIC_PASSWORD_REQUEST, Kind.AUTHORITY_ID})
"""Known, but not to come from a peer inside: sections 4.2.12 and 4.3."""

_LEFT_ALONE = frozenset(
    {
        Kind.CHANNEL_BINDING,
        Kind.PKCS7,
        Kind.PKCS10,
        Kind.TRUSTED_SERVER_ROOT,
        Kind.CSR_ATTRIBUTES,
        Kind.IDENTITY_HINT,
    }
)
"""Never to be answered with NAK, whatever their mandatory bit says."""

_REPEATED = frozenset({Kind.NAK, Kind.ERROR, Kind.REQUEST_ACTION})


def _exactly(tlv: Tlv, octets: int) -> bytes:
    if len(tlv.value) != octets:
        raise TlvViolation(f"tlv_length_wrong_{tlv.kind}")
    return tlv.value


def _status(tlv: Tlv) -> Status:
    """The status; an Intermediate-Result may have TLVs behind it, which are hints."""
    value = tlv.value[:_STATUS_OCTETS] if tlv.kind == Kind.INTERMEDIATE_RESULT else tlv.value
    number = int.from_bytes(_exactly(Tlv(tlv.kind, value), _STATUS_OCTETS), "big")
    try:
        return Status(number)
    except ValueError as error:
        raise TlvViolation("tlv_status_unknown") from error


def _eap_packet(tlv: Tlv) -> bytes:
    """The EAP packet; TLVs behind it are hints."""
    length = int.from_bytes(tlv.value[2:HEADER_OCTETS], "big")
    if not HEADER_OCTETS <= length <= len(tlv.value):
        raise TlvViolation("tlv_eap_cut_short")
    return tlv.value[:length]


def _credentials(value: bytes) -> tuple[bytes, bytes]:
    """User name and password, each behind its length, neither empty. Section 4.2.15."""
    name_ends = 1 + value[0] if value else 0
    password_at = name_ends + 1
    if name_ends <= 1 or len(value) < password_at:
        raise TlvViolation("tlv_password_malformed")
    length = value[name_ends]
    if length == 0 or len(value) != password_at + length:
        raise TlvViolation("tlv_password_malformed")
    return value[1:name_ends], value[password_at:]
