"""Builds IPFIX messages octet by octet from RFC 7011; nothing of traffic.decoders is used."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tests.vectors.flows.datagrams import SECONDS

REVERSE = 29_305
"""The enterprise number of RFC 5103."""

Specifier = tuple[int, int] | tuple[int, int, int]
"""(element, octets) or (element, octets, enterprise)."""

VARIABLE = 0xFFFF


def message(
    *sets: bytes,
    sequence: int = 0,
    domain: int = 7,
    seconds: int = SECONDS,
    octets: int | None = None,
) -> bytes:
    """A message, section 3.1; `octets` to lie about its length."""
    body = b"".join(sets)
    length = 16 + len(body) if octets is None else octets
    return struct.pack("!HHIII", 10, length, seconds, sequence, domain) + body


def template_set(number: int, fields: Sequence[Specifier]) -> bytes:
    """A Template Set with one template; without fields it withdraws it (section 8.1)."""
    return _set(2, struct.pack("!HH", number, len(fields)) + _specifiers(fields))


def options_set(number: int, scopes: Sequence[Specifier], options: Sequence[Specifier]) -> bytes:
    """An Options Template Set, section 3.4.2."""
    head = struct.pack("!HHH", number, len(scopes) + len(options), len(scopes))
    return _set(3, head + _specifiers((*scopes, *options)))


def withdraw_all(*, options: bool = False) -> bytes:
    """The withdrawal of every template, or options template, of the domain."""
    number = 3 if options else 2
    return _set(number, struct.pack("!HH", number, 0))


def data_set(number: int, records: Sequence[bytes], padding: int = 0) -> bytes:
    """A Data Set."""
    return _set(number, b"".join(records) + bytes(padding))


def text(value: bytes, *, long: bool = False) -> bytes:
    """A field of variable length, section 7."""
    if long or len(value) >= 255:
        return struct.pack("!BH", 255, len(value)) + value
    return bytes([len(value)]) + value


def _set(number: int, body: bytes) -> bytes:
    return struct.pack("!HH", number, 4 + len(body)) + body


def _specifiers(fields: Sequence[Specifier]) -> bytes:
    found = b""
    for element, octets, *enterprise in fields:
        found += struct.pack("!HH", element | (0x8000 if enterprise else 0), octets)
        found += b"".join(struct.pack("!I", number) for number in enterprise)
    return found
