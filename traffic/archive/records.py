"""One flow as it stands in the archive, and one row of a segment as a flow.

Written out where a dataclass would do, because making one takes longer than finding the flows
that a command prints. Does not read anything.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

CLOCK_AGREES_MS = 5_000
"""An exporter whose header differs from our time of receipt by more has a wrong clock."""

SIDES = ("src", "dst", "nat_src", "nat_dst")

STORED = (
    "received_at",
    "start_at",
    "end_at",
    "exporter",
    *(f"{side}{suffix}" for side in SIDES for suffix in ("4", "6_high", "6_low")),
    *(f"{side}_port" for side in SIDES),
    "protocol",
    "tcp_flags",
    "octets",
    "packets",
    "reverse_octets",
    "reverse_packets",
    "nat_event",
)
"""Columns of a segment that a flow is made of, in the order in which `FlowRecord` takes them."""


class FlowRecord:
    """One flow; times in milliseconds since 1970.

    `record` is flow:<segment>#<row>; addresses are None where the exporter gave none.
    """

    __slots__ = (
        "dst",
        "dst_port",
        "end_ms",
        "exporter",
        "nat_dst",
        "nat_dst_port",
        "nat_event",
        "nat_src",
        "nat_src_port",
        "octets",
        "packets",
        "protocol",
        "received_ms",
        "record",
        "reverse_octets",
        "reverse_packets",
        "src",
        "src_port",
        "start_ms",
        "tcp_flags",
    )

    received_ms: int
    start_ms: int
    end_ms: int
    exporter: str
    src: str | None
    src_port: int
    dst: str | None
    dst_port: int
    nat_src: str | None
    nat_src_port: int
    nat_dst: str | None
    nat_dst_port: int
    protocol: int
    tcp_flags: int
    octets: int
    packets: int
    reverse_octets: int
    reverse_packets: int
    nat_event: int

    def __init__(self, record: str, row: Sequence[int | str]) -> None:
        """Take the values of `STORED` from `row`."""
        self.record = record
        values: tuple[Any, ...] = tuple(row)
        (
            self.received_ms,
            self.start_ms,
            self.end_ms,
            self.exporter,
            src4,
            src6_high,
            src6_low,
            dst4,
            dst6_high,
            dst6_low,
            nat_src4,
            nat_src6_high,
            nat_src6_low,
            nat_dst4,
            nat_dst6_high,
            nat_dst6_low,
            self.src_port,
            self.dst_port,
            self.nat_src_port,
            self.nat_dst_port,
            self.protocol,
            self.tcp_flags,
            self.octets,
            self.packets,
            self.reverse_octets,
            self.reverse_packets,
            self.nat_event,
        ) = values
        self.src = address_text(src4, src6_high, src6_low)
        self.dst = address_text(dst4, dst6_high, dst6_low)
        self.nat_src = address_text(nat_src4, nat_src6_high, nat_src6_low)
        self.nat_dst = address_text(nat_dst4, nat_dst6_high, nat_dst6_low)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FlowRecord) and all(
            getattr(self, name) == getattr(other, name) for name in self.__slots__
        )

    def __hash__(self) -> int:
        return hash(self.record)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"FlowRecord({shown})"


def address_text(four: int, high: int, low: int) -> str | None:
    """The address text of one side; None when the exporter gave none."""
    if high or low:
        from ipaddress import IPv6Address

        return str(IPv6Address(high << 64 | low))
    return f"{four >> 24}.{four >> 16 & 255}.{four >> 8 & 255}.{four & 255}" if four else None


def active_between(received: int, exported: int, start: int, end: int) -> tuple[int, int]:
    """When a flow began and ended at the earliest and latest, in milliseconds.

    An exporter with a wrong clock still tells durations rightly, so the distance between the
    time in its header and ours corrects it. Small distances are the header's whole seconds
    and the way here: both readings count then, because a wider net never misleads. As the SQL
    of traffic.archive.reading has it.
    """
    shift = received - exported
    begins, ends = (start, end) if start <= end else (end, start)
    if -CLOCK_AGREES_MS <= shift <= CLOCK_AGREES_MS:
        return begins + min(shift, 0), ends + max(shift, 0)
    return begins + shift, ends + shift
