"""Blocks of outside ports that a translator gives to one inside address, and takes back.

RFC 8158 section 4.2.2 (natEvent 16 and 17, elements 361 to 364) and its address bindings
(14 and 15), which are blocks of every port. They tell of no traffic and fit no flow.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import numpy as np

from traffic.decoders.batch import FlowBatch
from traffic.decoders.fields import Array, Field
from traffic.decoders.integers import read_integers
from traffic.decoders.plan import Plan

ADDRESS_BOUND, ADDRESS_FREED = 14, 15
BLOCK_GIVEN, BLOCK_FREED = 16, 17
"""natEvent, IANA IPFIX registry, element 230."""

LAST_PORT = 65_535

_EVENTS = np.array([ADDRESS_BOUND, ADDRESS_FREED, BLOCK_GIVEN, BLOCK_FREED], np.uint8)
_FREED = frozenset({ADDRESS_FREED, BLOCK_FREED})


@dataclass(frozen=True, slots=True, kw_only=True)
class PortBlock:
    """One event of a block; times in milliseconds since 1970."""

    received_ms: int
    event_ms: int
    """As the exporter told it; `received_ms` where it did not."""
    exporter: str
    freed: bool
    protocol: int | None
    inside: str | None
    outside: str | None
    first: int
    last: int
    record: bytes
    """The data record as it came, without fields of variable length."""


def take_blocks(
    plan: Plan, records: Array, batch: FlowBatch, exporters: tuple[str, ...]
) -> tuple[FlowBatch, list[PortBlock]]:
    """(the flows of `batch`, the blocks among its records); `batch` was read by `plan`."""
    event = batch.column("nat_event")
    told = np.isin(event, _EVENTS)
    if Field.PORT_RANGE_START in plan.ports:
        told |= _port(records, Field.PORT_RANGE_START) > 0
    if not told.any():
        return batch, []
    first, last = _ranges(plan, records, event)
    found = []
    protocol, exporter = batch.column("protocol"), batch.column("exporter")
    received, ended = batch.column("received_ms"), batch.column("end_ms")
    sides = {side: _side(batch, side) for side in ("src", "nat_src")}
    for row in map(int, np.flatnonzero(told)):
        inside, outside = (_address(sides[side], row) for side in ("src", "nat_src"))
        # Carrier-grade equipment of Cisco sends no natEvent: its second template, without the
        # outside address, is the one that frees a block.
        freed = int(event[row]) in _FREED if event[row] else outside is None
        found.append(
            PortBlock(
                received_ms=int(received[row]),
                event_ms=int(ended[row]),
                exporter=exporters[int(exporter[row])],
                freed=freed,
                protocol=int(protocol[row]) or None,
                inside=inside,
                outside=outside,
                first=int(first[row]),
                last=int(last[row]),
                record=records[row : row + 1].tobytes(),
            )
        )
    return batch.take(~told), found


def _ranges(plan: Plan, records: Array, event: Array) -> tuple[Array, Array]:
    """(first, last port) of each record; every port of an address binding."""
    count = len(records)
    first: Array = np.zeros(count, np.int64)
    last: Array = np.full(count, LAST_PORT, np.int64)
    if Field.PORT_RANGE_START in plan.ports:
        first = _port(records, Field.PORT_RANGE_START)
        if Field.PORT_RANGE_END in plan.ports:
            last = _port(records, Field.PORT_RANGE_END)
        elif Field.PORT_RANGE_PORTS in plan.ports:
            # Scattered ports: the span they lie in, which only ever names more candidates.
            step: Array = np.ones(count, np.int64)
            if Field.PORT_RANGE_STEP in plan.ports:
                step = np.maximum(_port(records, Field.PORT_RANGE_STEP), 1)
            last = first + (_port(records, Field.PORT_RANGE_PORTS) - 1) * step
        else:
            last = first.copy()
    whole = (event == ADDRESS_BOUND) | (event == ADDRESS_FREED)
    first, last = np.where(whole, 0, first), np.where(whole, LAST_PORT, last)
    return first, np.clip(last, first, LAST_PORT)


def _port(records: Array, element: Field) -> Array:
    return read_integers(records[element.name], np.dtype("u2")).astype(np.int64)


def _side(batch: FlowBatch, side: str) -> tuple[Array, Array, Array]:
    return (
        batch.column(f"{side}4"),
        batch.column(f"{side}6_high"),
        batch.column(f"{side}6_low"),
    )


def _address(side: tuple[Array, Array, Array], row: int) -> str | None:
    four, high, low = (int(half[row]) for half in side)
    if high or low:
        return str(IPv6Address(high << 64 | low))
    return str(IPv4Address(four)) if four else None
