"""Attribute-value pairs inside a TTLS tunnel: the Diameter format. RFC 5281 section 10."""

from __future__ import annotations

from dataclasses import dataclass, field

from common.errors import EapViolation

_VENDOR, _MANDATORY = 0x80, 0x40
_HEADER_OCTETS = 8
_VENDOR_OCTETS = 4


@dataclass(frozen=True, slots=True)
class Avp:
    """One attribute; `vendor` 0 is RADIUS's own number space."""

    vendor: int
    code: int
    value: bytes = field(repr=False)
    mandatory: bool = True


def decode_avps(octets: bytes) -> list[Avp]:
    """All attributes in `octets`; each is padded to a multiple of four octets.

    Raises:
        EapViolation: a length does not fit.
    """
    found = []
    at = 0
    while at < len(octets):
        if len(octets) - at < _HEADER_OCTETS:
            raise EapViolation("avp_cut_short")
        flags = octets[at + 4]
        length = int.from_bytes(octets[at + 5 : at + 8], "big")
        head = _HEADER_OCTETS + (_VENDOR_OCTETS if flags & _VENDOR else 0)
        if not head <= length <= len(octets) - at:
            raise EapViolation("avp_length_wrong")
        vendor = int.from_bytes(octets[at + 8 : at + head], "big")
        code = int.from_bytes(octets[at : at + 4], "big")
        value = octets[at + head : at + length]
        found.append(Avp(vendor, code, value, bool(flags & _MANDATORY)))
        at += (length + 3) & ~3  # the last one's padding may be missing
    return found


def encode_avp(avp: Avp) -> bytes:
    """One attribute with its padding."""
    flags = (_VENDOR if avp.vendor else 0) | (_MANDATORY if avp.mandatory else 0)
    vendor = avp.vendor.to_bytes(_VENDOR_OCTETS, "big") if avp.vendor else b""
    length = _HEADER_OCTETS + len(vendor) + len(avp.value)
    head = avp.code.to_bytes(4, "big") + bytes((flags,)) + length.to_bytes(3, "big")
    return head + vendor + avp.value + bytes(-length % 4)
