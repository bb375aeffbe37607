"""The spool format: records of one fixed header and a body each.

Pure: octets in, values out. A record that is cut short or does not start with the magic
number ends the reading, because a crash may leave such a tail; what was before it counts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from ipaddress import IPv6Address
from typing import NamedTuple

from traffic.collectors.first_record import HEADER as _HEADER
from traffic.collectors.first_record import RECORD_MAGIC as RECORD_MAGIC

HEADER_OCTETS = _HEADER.size
_LOSS = struct.Struct("<qqq")


class RecordKind(IntEnum):
    """What the body of a record is."""

    DATAGRAM = 1
    TRUNCATED = 2
    """A datagram larger than any UDP datagram may be; kept, never decoded."""
    LOSS = 3
    """The kernel dropped datagrams: from_ns, to_ns, how many."""
    ENDED = 4
    """A connection is over, and with it what was said in its session; no body."""


class Listener(IntEnum):
    """What kind of datagrams a socket receives."""

    NETFLOW = 1
    IPFIX = 2
    SYSLOG = 3
    IPFIX_STREAM = 4
    """IPFIX over TCP or TLS; each message is a record."""
    IPFIX_PROVEN = 5
    """The same, of a sender who has shown a certificate: no address is asked about."""


class SpoolRecord(NamedTuple):
    """One record; `address` is the packed exporter address."""

    kind: int
    listener: int
    received_ns: int
    port: int
    address: bytes
    body: memoryview


class Loss(NamedTuple):
    """Datagrams the kernel could not keep between two moments."""

    from_ns: int
    to_ns: int
    datagrams: int


def encode_record(
    kind: int, listener: int, received_ns: int, port: int, address: bytes, body: bytes
) -> bytes:
    """One record as octets."""
    head = _HEADER.pack(RECORD_MAGIC, kind, listener, len(body), received_ns, port, address)
    return head + body


def decode_header(octets: bytes) -> tuple[int, int, int, int, bytes]:
    """(kind, listener, received_ns, port, address) of a record's header."""
    _, kind, listener, _, received_ns, port, address = _HEADER.unpack(octets)
    return kind, listener, received_ns, port, address


def encode_loss(listener: Listener, loss: Loss) -> bytes:
    """The record of a `Loss`."""
    return encode_record(RecordKind.LOSS, listener, loss.to_ns, 0, bytes(16), _LOSS.pack(*loss))


def decode_loss(body: memoryview) -> Loss:
    """The `Loss` in the body of a record of kind LOSS."""
    return Loss(*_LOSS.unpack_from(body))


def decode_records(octets: memoryview) -> Iterator[SpoolRecord]:
    """Every whole record in order; stops at the first one that is torn."""
    position = 0
    end = len(octets)
    unpack = _HEADER.unpack_from
    while position + _HEADER.size <= end:
        magic, kind, listener, length, received_ns, port, address = unpack(octets, position)
        start = position + _HEADER.size
        if magic != RECORD_MAGIC or start + length > end:
            return
        position = start + length
        yield SpoolRecord(kind, listener, received_ns, port, address, octets[start:position])


def whole_octets(octets: memoryview) -> int:
    """How many octets of `octets` are whole records."""
    position = 0
    while position + _HEADER.size <= len(octets):
        magic, _, _, length, *_ = _HEADER.unpack_from(octets, position)
        if magic != RECORD_MAGIC or position + _HEADER.size + length > len(octets):
            break
        position += _HEADER.size + length
    return position


def format_address(packed: bytes) -> str:
    """The exporter address as text; mapped IPv4 as IPv4."""
    address = IPv6Address(packed)
    return str(address.ipv4_mapped or address)
