"""NetFlow version 9 structure: the header and the sets of one datagram.

RFC 3954 section 5.1. Does not know templates: it only cuts a datagram into its sets.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from common.errors import MalformedPacket

HEADER_OCTETS = 20
TEMPLATE_SET = 0
OPTIONS_TEMPLATE_SET = 1
FIRST_DATA_SET = 256

_HEADER = struct.Struct("!HHIIII")
_SET = struct.Struct("!HH")


class Header9(NamedTuple):
    """The packet header; `count` of records is not kept, because exporters disagree on it."""

    uptime_ms: int
    exported_ms: int
    sequence: int
    """Datagrams this Source ID sent before."""
    source_id: int


def decode_header(datagram: memoryview) -> Header9:
    """The header of a version 9 datagram.

    Raises:
        MalformedPacket: it is shorter than 20 octets.
    """
    if len(datagram) < HEADER_OCTETS:
        raise MalformedPacket("version 9 header is cut short", len(datagram))
    _, _, uptime, seconds, sequence, source_id = _HEADER.unpack_from(datagram)
    return Header9(uptime, seconds * 1000, sequence, source_id)


def split_sets(datagram: memoryview) -> Iterator[tuple[int, memoryview]]:
    """(set id, body) of each set, in order.

    Zero octets after the last set are padding, whatever their number (Palo Alto pads to
    the size of its buffer).

    Raises:
        MalformedPacket: a set has a length below 4, or reaches beyond the datagram. The sets
            before it have been yielded.
    """
    position = HEADER_OCTETS
    end = len(datagram)
    while position + 4 <= end:
        number, octets = _SET.unpack_from(datagram, position)
        if octets < 4:
            if number == 0 and octets == 0 and not any(datagram[position:]):
                return
            raise MalformedPacket(f"set of {octets} octets", position + 2)
        if position + octets > end:
            raise MalformedPacket("set reaches beyond the datagram", position + 2)
        yield number, datagram[position + 4 : position + octets]
        position += octets
    if any(datagram[position:]):
        raise MalformedPacket("octets after the last set", position)
