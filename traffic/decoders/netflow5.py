"""NetFlow version 5: a fixed header of 24 octets and records of 48 octets.

The format has no RFC; this is Cisco's published layout. Does not read what it carries
beyond the columns we keep (next hop, AS numbers and masks are skipped).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from common.errors import MalformedPacket
from traffic.decoders.fields import Field
from traffic.decoders.plan import FieldSpecs, Plan, compile_plan

HEADER_OCTETS = 24
RECORD_OCTETS = 48
MAX_RECORDS = 30

_SKIPPED = 0
"""An element number that is none of ours, for octets without meaning."""

_RECORD: FieldSpecs = (
    (Field.SOURCE_IPV4, 4),
    (Field.DESTINATION_IPV4, 4),
    (_SKIPPED, 4),
    (Field.INPUT_INTERFACE, 2),
    (Field.OUTPUT_INTERFACE, 2),
    (Field.PACKETS, 4),
    (Field.OCTETS, 4),
    (Field.FIRST_SWITCHED, 4),
    (Field.LAST_SWITCHED, 4),
    (Field.SOURCE_PORT, 2),
    (Field.DESTINATION_PORT, 2),
    (_SKIPPED, 1),
    (Field.TCP_FLAGS, 1),
    (Field.PROTOCOL, 1),
    (_SKIPPED, 9),
)
_HEADER = struct.Struct("!HHIIIIBBH")


@dataclass(frozen=True, slots=True)
class Datagram5:
    """The header and the octets of whole records."""

    count: int
    uptime_ms: int
    exported_ms: int
    flow_sequence: int
    """Flows sent before this datagram."""
    engine: int
    """Type and slot of the flow-switching engine, sixteen bits."""
    body: memoryview


def record_plan() -> Plan:
    """How to read version 5 records."""
    return compile_plan(_RECORD)


def decode_datagram(datagram: memoryview) -> Datagram5:
    """Decode the structure of one version 5 datagram.

    Raises:
        MalformedPacket: count and length disagree; none of its records can be trusted then.
    """
    if len(datagram) < HEADER_OCTETS:
        raise MalformedPacket("version 5 header is cut short", len(datagram))
    _, count, uptime, seconds, nanoseconds, sequence, kind, slot, _ = _HEADER.unpack_from(datagram)
    if not 0 < count <= MAX_RECORDS:
        raise MalformedPacket(f"version 5 count {count}", 2)
    end = HEADER_OCTETS + count * RECORD_OCTETS
    if len(datagram) < end:
        raise MalformedPacket("version 5 records are cut short", len(datagram))
    if len(datagram) - end >= RECORD_OCTETS:
        raise MalformedPacket("version 5 count is below the records present", 2)
    exported_ms = seconds * 1000 + min(nanoseconds // 1_000_000, 999)
    body = datagram[HEADER_OCTETS:end]
    return Datagram5(count, uptime, exported_ms, sequence, kind << 8 | slot, body)
