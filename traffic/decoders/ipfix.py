"""IPFIX structure: the message header, its sets, and the templates in them.

RFC 7011 section 3. Knows no templates of its own: it only reads what a message says.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from common.errors import MalformedPacket
from traffic.decoders.fields import ENTERPRISE_BITS
from traffic.decoders.plan import FieldSpecs

HEADER_OCTETS = 16
TEMPLATE_SET = 2
OPTIONS_TEMPLATE_SET = 3
FIRST_DATA_SET = 256

_HEADER = struct.Struct("!HHIII")
_PAIR = struct.Struct("!HH")
_ENTERPRISE = 0x8000
"""The bit of a field specifier that says that an enterprise number follows."""


@dataclass(frozen=True, slots=True)
class Header10:
    """The message header, section 3.1."""

    octets: int
    """Of the whole message; what follows in the datagram is no part of it."""
    exported_ms: int
    sequence: int
    """Data records this domain sent before, in this transport session."""
    domain: int


@dataclass(frozen=True, slots=True)
class TemplateRecord:
    """One template as announced, or its withdrawal (section 8.1), which has no fields."""

    number: int
    fields: FieldSpecs

    @property
    def is_withdrawal(self) -> bool:
        return not self.fields


def decode_header(datagram: memoryview) -> Header10:
    """The header of a message.

    Raises:
        MalformedPacket: the datagram is shorter than its header, or than its header says.
    """
    if len(datagram) < HEADER_OCTETS:
        raise MalformedPacket("IPFIX header is cut short", len(datagram))
    _, octets, seconds, sequence, domain = _HEADER.unpack_from(datagram)
    if octets < HEADER_OCTETS or octets > len(datagram):
        raise MalformedPacket(f"IPFIX message of {octets} octets in {len(datagram)}", 2)
    return Header10(octets, seconds * 1000, sequence, domain)


def split_sets(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """(set id, body) of each set of a message, in order. Section 3.3.2.

    Raises:
        MalformedPacket: a set has a length below 4, or reaches beyond the message. The sets
            before it have been yielded.
    """
    position = HEADER_OCTETS
    end = len(message)
    while position + 4 <= end:
        number, octets = _PAIR.unpack_from(message, position)
        if octets < 4:
            raise MalformedPacket(f"set of {octets} octets", position + 2)
        if position + octets > end:
            raise MalformedPacket("set reaches beyond the message", position + 2)
        yield number, message[position + 4 : position + octets]
        position += octets
    if position != end:
        raise MalformedPacket("octets after the last set", position)


def decode_templates(body: memoryview, *, options: bool) -> list[TemplateRecord]:
    """The template records of a (Options) Template Set, sections 3.4.1 and 3.4.2.

    A scope is an ordinary field here: options describe no flow, only their length matters. A
    scope count of zero, which section 3.4.2.2 forbids and Juniper sends, is let pass.

    Raises:
        MalformedPacket: a template reaches beyond the set or has a reserved id.
    """
    found: list[TemplateRecord] = []
    set_id = OPTIONS_TEMPLATE_SET if options else TEMPLATE_SET
    position = 0
    while position + 4 <= len(body):
        number, count = _PAIR.unpack_from(body, position)
        position += 4
        if count == 0 and (number == set_id or number >= FIRST_DATA_SET):
            found.append(TemplateRecord(number, ()))
            continue
        if number == 0 and not any(body[position - 4 :]):
            break  # padding
        if number < FIRST_DATA_SET:
            raise MalformedPacket(f"template id {number} is reserved", position - 4)
        if options:
            if position + 2 > len(body):
                raise MalformedPacket("options template header", position)
            scopes = body[position] << 8 | body[position + 1]
            if scopes > count:
                raise MalformedPacket(f"{scopes} scopes among {count} fields", position)
            position += 2
        fields, position = _fields(body, position, count)
        found.append(TemplateRecord(number, fields))
    return found


def _fields(body: memoryview, position: int, count: int) -> tuple[FieldSpecs, int]:
    """(`count` field specifiers from `position` on, the position after them), section 3.2."""
    if position + 4 * count > len(body):
        raise MalformedPacket("template reaches beyond its set", position)
    fields = []
    for _ in range(count):
        if position + 4 > len(body):
            raise MalformedPacket("template reaches beyond its set", position)
        element, octets = _PAIR.unpack_from(body, position)
        position += 4
        if element & _ENTERPRISE:
            if position + 4 > len(body):
                raise MalformedPacket("enterprise number is cut short", position)
            enterprise = int.from_bytes(body[position : position + 4], "big")
            element = enterprise << ENTERPRISE_BITS | element & ~_ENTERPRISE
            position += 4
        fields.append((element, octets))
    return tuple(fields), position
