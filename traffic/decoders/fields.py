"""Which information element fills which column, and how wide the columns are.

Numbers are those of RFC 3954 section 8 and of the IANA IPFIX registry, which continues it. An
element of an enterprise (RFC 7011 section 3.2) has the enterprise's number above its own
sixteen bits. Knows nothing of datagrams.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


ENTERPRISE_BITS = 16
"""An enterprise's element is `enterprise << ENTERPRISE_BITS | element`."""

REVERSE = 29_305 << ENTERPRISE_BITS
"""RFC 5103 section 6.1: the element below, counted for the other direction of a biflow."""


class Field(IntEnum):
    """The information elements we keep; every other one is skipped by its length."""

    OCTETS = 1
    PACKETS = 2
    PROTOCOL = 4
    TCP_FLAGS = 6
    SOURCE_PORT = 7
    SOURCE_IPV4 = 8
    INPUT_INTERFACE = 10
    DESTINATION_PORT = 11
    DESTINATION_IPV4 = 12
    OUTPUT_INTERFACE = 14
    LAST_SWITCHED = 21
    FIRST_SWITCHED = 22
    OUT_OCTETS = 23
    OUT_PACKETS = 24
    SOURCE_IPV6 = 27
    DESTINATION_IPV6 = 28
    SOURCE_MAC = 56
    POST_DESTINATION_MAC = 57
    SOURCE_VLAN = 58
    DIRECTION = 61
    DESTINATION_MAC = 80
    POST_SOURCE_MAC = 81
    OCTETS_TOTAL = 85
    PACKETS_TOTAL = 86
    START_SECONDS = 150
    END_SECONDS = 151
    START_MILLISECONDS = 152
    END_MILLISECONDS = 153
    START_MICROSECONDS = 154
    END_MICROSECONDS = 155
    START_NANOSECONDS = 156
    END_NANOSECONDS = 157
    START_DELTA_MICROSECONDS = 158
    END_DELTA_MICROSECONDS = 159
    SYSTEM_INIT_MILLISECONDS = 160
    DURATION_MILLISECONDS = 161
    POST_NAT_SOURCE_IPV4 = 225
    POST_NAT_DESTINATION_IPV4 = 226
    POST_NAT_SOURCE_PORT = 227
    POST_NAT_DESTINATION_PORT = 228
    NAT_EVENT = 230
    INITIATOR_OCTETS = 231
    RESPONDER_OCTETS = 232
    FIREWALL_EVENT = 233
    POST_NAT_SOURCE_IPV6 = 281
    POST_NAT_DESTINATION_IPV6 = 282
    INGRESS_VRF = 234
    DOT1Q_VLAN = 243
    INITIATOR_PACKETS = 298
    RESPONDER_PACKETS = 299
    OBSERVATION_SECONDS = 322
    OBSERVATION_MILLISECONDS = 323
    OBSERVATION_MICROSECONDS = 324
    OBSERVATION_NANOSECONDS = 325
    PORT_RANGE_START = 361
    PORT_RANGE_END = 362
    PORT_RANGE_STEP = 363
    PORT_RANGE_PORTS = 364
    STATION_MAC = 365
    STATION_IPV4 = 366
    ASA_POST_NAT_SOURCE_IPV4 = 40_001
    """Cisco ASA before release 8.4(5) numbered these for itself, in NetFlow 9."""
    ASA_POST_NAT_DESTINATION_IPV4 = 40_002
    ASA_POST_NAT_SOURCE_PORT = 40_003
    ASA_POST_NAT_DESTINATION_PORT = 40_004
    ASA_EVENT = 40_005
    REVERSE_OCTETS = REVERSE | 1
    REVERSE_PACKETS = REVERSE | 2
    REVERSE_OCTETS_TOTAL = REVERSE | 85
    REVERSE_PACKETS_TOTAL = REVERSE | 86


COLUMNS: dict[str, np.dtype[Any]] = {
    name: np.dtype(kind)
    for name, kind in {
        "received_ms": "i8",
        "exported_ms": "i8",
        "start_ms": "i8",
        "end_ms": "i8",
        "exporter": "u4",
        "domain": "u4",
        "family": "u1",
        "src4": "u4",
        "dst4": "u4",
        "src6_high": "u8",
        "src6_low": "u8",
        "dst6_high": "u8",
        "dst6_low": "u8",
        "src_port": "u2",
        "dst_port": "u2",
        "protocol": "u1",
        "tcp_flags": "u2",
        "octets": "u8",
        "packets": "u8",
        "reverse_octets": "u8",
        "reverse_packets": "u8",
        "input_if": "u4",
        "output_if": "u4",
        "nat_src4": "u4",
        "nat_dst4": "u4",
        "nat_src6_high": "u8",
        "nat_src6_low": "u8",
        "nat_dst6_high": "u8",
        "nat_dst6_low": "u8",
        "nat_src_port": "u2",
        "nat_dst_port": "u2",
        "nat_event": "u1",
        "direction": "u1",
        "src_mac": "u8",
        "dst_mac": "u8",
        "vlan": "u2",
        "vrf": "u4",
    }.items()
}
"""Every column a decoded batch may have; one that is absent holds its default everywhere."""

DIRECTION_UNKNOWN = 255
DEFAULTS = {"direction": DIRECTION_UNKNOWN}
"""What an absent column means; 0 for those not named here."""

SCALARS: tuple[tuple[str, tuple[Field, ...]], ...] = (
    ("octets", (Field.OCTETS, Field.OCTETS_TOTAL, Field.INITIATOR_OCTETS, Field.OUT_OCTETS)),
    ("packets", (Field.PACKETS, Field.PACKETS_TOTAL, Field.INITIATOR_PACKETS, Field.OUT_PACKETS)),
    (
        "reverse_octets",
        (
            Field.RESPONDER_OCTETS,
            Field.REVERSE_OCTETS,
            Field.REVERSE_OCTETS_TOTAL,
            Field.OUT_OCTETS,
        ),
    ),
    (
        "reverse_packets",
        (
            Field.RESPONDER_PACKETS,
            Field.REVERSE_PACKETS,
            Field.REVERSE_PACKETS_TOTAL,
            Field.OUT_PACKETS,
        ),
    ),
    ("protocol", (Field.PROTOCOL,)),
    ("tcp_flags", (Field.TCP_FLAGS,)),
    ("src_port", (Field.SOURCE_PORT,)),
    ("dst_port", (Field.DESTINATION_PORT,)),
    ("input_if", (Field.INPUT_INTERFACE,)),
    ("output_if", (Field.OUTPUT_INTERFACE,)),
    ("direction", (Field.DIRECTION,)),
    ("src_mac", (Field.SOURCE_MAC, Field.POST_SOURCE_MAC, Field.STATION_MAC)),
    ("dst_mac", (Field.DESTINATION_MAC, Field.POST_DESTINATION_MAC)),
    ("vlan", (Field.SOURCE_VLAN, Field.DOT1Q_VLAN)),
    ("vrf", (Field.INGRESS_VRF,)),
    ("src4", (Field.SOURCE_IPV4, Field.STATION_IPV4)),
    ("dst4", (Field.DESTINATION_IPV4,)),
    ("nat_src4", (Field.POST_NAT_SOURCE_IPV4, Field.ASA_POST_NAT_SOURCE_IPV4)),
    ("nat_dst4", (Field.POST_NAT_DESTINATION_IPV4, Field.ASA_POST_NAT_DESTINATION_IPV4)),
    ("nat_src_port", (Field.POST_NAT_SOURCE_PORT, Field.ASA_POST_NAT_SOURCE_PORT)),
    ("nat_dst_port", (Field.POST_NAT_DESTINATION_PORT, Field.ASA_POST_NAT_DESTINATION_PORT)),
    ("nat_event", (Field.NAT_EVENT,)),
)
"""Column and the elements that may fill it, best first; an element fills one column only."""

IPV6_PAIRS: tuple[tuple[str, Field], ...] = (
    ("src6", Field.SOURCE_IPV6),
    ("dst6", Field.DESTINATION_IPV6),
    ("nat_src6", Field.POST_NAT_SOURCE_IPV6),
    ("nat_dst6", Field.POST_NAT_DESTINATION_IPV6),
)
"""Sixteen octets each, kept as `<name>_high` and `<name>_low`."""
