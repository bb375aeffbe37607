"""Turns the fields of a template into a NumPy record type and reads columns out of it.

RFC 3954 section 8: any integer may come shorter than its usual width, so widths 1 to 8 are
all read. Does not know where one record set ends: the caller hands in whole records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from traffic.decoders.fields import COLUMNS, IPV6_PAIRS, SCALARS, Array, Field
from traffic.decoders.integers import read_integers
from traffic.decoders.times import Moments, TimeFields, choose_times, read_times

FieldSpecs = tuple[tuple[int, int], ...]
"""(information element, octets) of each field, in wire order."""

_NATIVE_WIDTHS = {1: "u1", 2: ">u2", 4: ">u4", 8: ">u8"}
_FIREWALL_EVENTS = (Field.FIREWALL_EVENT, Field.ASA_EVENT)
_RANGE = (
    Field.PORT_RANGE_START,
    Field.PORT_RANGE_END,
    Field.PORT_RANGE_STEP,
    Field.PORT_RANGE_PORTS,
)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How to read the records of one template; equal field lists share one plan."""

    record_octets: int
    dtype: np.dtype[Any]
    scalars: tuple[tuple[str, Field], ...]
    pairs: tuple[tuple[str, Field], ...]
    times: TimeFields
    firewall: Field | None
    """A firewall's event (Cisco NSEL), where it tells of translations and no NAT event does."""
    ports: frozenset[Field]
    """Elements of a block of ports; see traffic.decoders.blocks."""

    @property
    def may_tell_blocks(self) -> bool:
        """True when a record may be about many ports at once, which no flow is."""
        if Field.PORT_RANGE_START in self.ports:
            return True
        return any(element is Field.NAT_EVENT for _, element in self.scalars)


@lru_cache(maxsize=1024)
def compile_plan(fields: FieldSpecs) -> Plan:
    """The plan for `fields`; their octets must sum to at least one."""
    offsets: dict[Field, tuple[int, int]] = {}
    position = 0
    for element, octets in fields:
        if element in Field.__members__.values() and Field(element) not in offsets and octets:
            offsets[Field(element)] = (position, octets)
        position += octets
    widths = {element: octets for element, (_, octets) in offsets.items() if octets <= 8}
    scalars: list[tuple[str, Field]] = []
    used: set[Field] = set()
    for column, candidates in SCALARS:
        for element in candidates:
            if element in widths and element not in used:
                used.add(element)
                scalars.append((column, element))
                break
    pairs = [(name, ie) for name, ie in IPV6_PAIRS if offsets.get(ie, (0, 0))[1] == 16]
    times = choose_times(widths)
    ports = frozenset(element for element in _RANGE if element in widths)
    firewall = _firewall(widths, scalars, pairs)
    used |= times.all() | ports | ({firewall} if firewall is not None else set())
    names, formats, starts = [], [], []
    for element in used:
        at, octets = offsets[element]
        names.append(element.name)
        formats.append(_NATIVE_WIDTHS.get(octets, ("u1", (octets,))))
        starts.append(at)
    for _, element in pairs:
        for half in range(2):
            names.append(f"{element.name}{half}")
            formats.append(">u8")
            starts.append(offsets[element][0] + 8 * half)
    layout: Any = {"names": names, "formats": formats, "offsets": starts, "itemsize": position}
    return Plan(position, np.dtype(layout), tuple(scalars), tuple(pairs), times, firewall, ports)


def read_columns(plan: Plan, records: Array, moments: Moments) -> dict[str, Array]:
    """The columns of `records`, an array of `plan.dtype`."""
    columns: dict[str, Array] = {
        "received_ms": moments.received_ms,
        "exported_ms": moments.exported_ms,
    }
    for column, element in plan.scalars:
        columns[column] = read_integers(records[element.name], COLUMNS[column])
    for name, element in plan.pairs:
        columns[f"{name}_high"] = records[f"{element.name}0"].astype(np.uint64)
        columns[f"{name}_low"] = records[f"{element.name}1"].astype(np.uint64)
    columns["family"] = _family(columns, len(records))
    if plan.firewall is not None:
        event = read_integers(records[plan.firewall.name], np.dtype("u1"))
        columns["nat_event"] = _nat_events(event, columns, len(records))
    columns["start_ms"], columns["end_ms"] = read_times(plan.times, records, moments)
    return columns


def _firewall(
    widths: dict[Field, int],
    scalars: Sequence[tuple[str, Field]],
    pairs: Sequence[tuple[str, Field]],
) -> Field | None:
    names = {name for name, _ in (*scalars, *pairs)}
    if "nat_event" in names or not names & {"nat_src4", "nat_src6"}:
        return None
    return next((element for element in _FIREWALL_EVENTS if element in widths), None)


def _nat_events(event: Array, columns: dict[str, Array], records: int) -> Array:
    """A firewall's flow created (1) and deleted (2) as NAT44 session create (4) and delete (5).

    A firewall that translates nothing repeats the addresses: those records are plain flows.
    """
    changed = np.zeros(records, np.bool_)
    for name in ("src4", "dst4", "src6_high", "src6_low", "dst6_high", "dst6_low",
                 "src_port", "dst_port"):  # fmt: skip
        after = columns.get(f"nat_{name}")
        if after is not None:
            changed |= (after != 0) & (after != columns.get(name, np.zeros(1, after.dtype)))
    told = np.where((event == 1) | (event == 2), event + 3, 0)
    return np.where(changed, told, 0).astype(np.uint8)


def _family(columns: dict[str, Array], records: int) -> Array:
    """4 or 6 a record; 0 when the template carries no address at all."""
    four = "src4" in columns or "dst4" in columns
    halves = [columns[name] for name in columns if name.startswith(("src6", "dst6"))]
    if not halves:
        return np.full(records, 4 if four else 0, np.uint8)
    if not four:
        return np.full(records, 6, np.uint8)
    six = np.zeros(records, np.bool_)
    for half in halves:
        six |= half != 0
    return np.where(six, 6, 4).astype(np.uint8)
