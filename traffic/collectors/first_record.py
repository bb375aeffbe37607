"""The header of the spool's records, and when the first of a file was received.

Pure, and loads next to nothing; traffic.collectors.records has the rest of the format.
"""

from __future__ import annotations

import struct

RECORD_MAGIC = 0x5159

HEADER = struct.Struct("<HBBIqH6x16s")
"""Magic, kind, listener, octets of the body, received_ns, port, address. The address is
IPv6; IPv4 exporters are written mapped (RFC 4291 section 2.5.5.2)."""

HEAD_OCTETS = HEADER.size + 65_535
"""The first record of a file is in so many."""


def first_received_ns(octets: bytes) -> int | None:
    """When the first record was received; None while it is not there whole."""
    if len(octets) < HEADER.size:
        return None
    magic, _, _, length, received_ns, *_ = HEADER.unpack_from(octets)
    if magic != RECORD_MAGIC or HEADER.size + length > len(octets):
        return None
    return int(received_ns)
