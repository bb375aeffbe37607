"""Turns the fields of a template into a NumPy record type and reads columns out of it.

RFC 3954 section 8: any integer may come shorter than its usual width, so widths 1 to 8 are
all read. Does not know where one record set ends: the caller hands in whole records.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from traffic.decoders.fields import COLUMNS, IPV6_PAIRS, SCALARS, Array, Field

FieldSpecs = tuple[tuple[int, int], ...]
"""(information element, octets) of each field, in wire order."""

LATEST_MS = 4_102_444_800_000
"""2100-01-01. A flow that claims a later time, or one before 1970, has none we can use."""

_NATIVE_WIDTHS = {1: "u1", 2: ">u2", 4: ">u4", 8: ">u8"}
_START = (Field.START_MILLISECONDS, Field.START_SECONDS, Field.FIRST_SWITCHED)
_END = (Field.END_MILLISECONDS, Field.END_SECONDS, Field.LAST_SWITCHED)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How to read the records of one template; equal field lists share one plan."""

    record_octets: int
    dtype: np.dtype[Any]
    scalars: tuple[tuple[str, Field], ...]
    pairs: tuple[tuple[str, Field], ...]
    start: Field | None
    end: Field | None


@dataclass(frozen=True, slots=True)
class Moments:
    """Times of the datagram each record came in, one value a record."""

    received_ms: Array
    exported_ms: Array
    """The exporter's own clock, from the header."""
    uptime_ms: Array
    """sysUptime in the header."""


@lru_cache(maxsize=1024)
def compile_plan(fields: FieldSpecs) -> Plan:
    """The plan for `fields`; their octets must sum to at least one."""
    offsets: dict[Field, tuple[int, int]] = {}
    position = 0
    for element, octets in fields:
        if element in Field.__members__.values() and Field(element) not in offsets and octets:
            offsets[Field(element)] = (position, octets)
        position += octets
    numbers = {element for element, (_, octets) in offsets.items() if octets <= 8}
    scalars, used = [], set()
    for column, candidates in SCALARS:
        for element in candidates:
            if element in numbers and element not in used:
                used.add(element)
                scalars.append((column, element))
                break
    pairs = [(name, ie) for name, ie in IPV6_PAIRS if offsets.get(ie, (0, 0))[1] == 16]
    start, end = _first(_START, numbers), _first(_END, numbers)
    used |= {ie for ie in (start, end) if ie is not None}
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
    return Plan(position, np.dtype(layout), tuple(scalars), tuple(pairs), start, end)


def read_columns(plan: Plan, records: Array, moments: Moments) -> dict[str, Array]:
    """The columns of `records`, an array of `plan.dtype`."""
    columns: dict[str, Array] = {
        "received_ms": moments.received_ms,
        "exported_ms": moments.exported_ms,
    }
    for column, element in plan.scalars:
        columns[column] = _integers(records[element.name], COLUMNS[column])
    for name, element in plan.pairs:
        columns[f"{name}_high"] = records[f"{element.name}0"].astype(np.uint64)
        columns[f"{name}_low"] = records[f"{element.name}1"].astype(np.uint64)
    columns["family"] = _family(columns, len(records))
    end = _times(plan.end, records, moments, moments.received_ms)
    columns["end_ms"] = end
    columns["start_ms"] = _times(plan.start, records, moments, end)
    return columns


def _first(wanted: tuple[Field, ...], present: set[Field]) -> Field | None:
    for element in (*wanted, Field.OBSERVATION_MILLISECONDS):
        if element in present:
            return element
    return None


def _integers(values: Array, kind: np.dtype[Any]) -> Array:
    """Big-endian integers of any width up to eight octets as `kind`; too large ones saturate."""
    if values.ndim == 2:
        wide = np.zeros(len(values), np.uint64)
        for position in range(values.shape[1]):
            wide = (wide << np.uint64(8)) | values[:, position]
        values = wide
    if values.dtype.itemsize > kind.itemsize:
        values = np.minimum(values, np.iinfo(kind).max)
    return values.astype(kind)


def _times(element: Field | None, records: Array, moments: Moments, fallback: Array) -> Array:
    """Milliseconds since 1970 of each record, `fallback` where the exporter says none."""
    if element is None:
        return fallback
    raw = _integers(records[element.name], np.dtype("u8"))
    if element in (Field.FIRST_SWITCHED, Field.LAST_SWITCHED):
        # sysUptime wraps after 49.7 days, so only the signed 32-bit distance to the header's
        # own sysUptime means anything (RFC 3954 section 5.1).
        age = (moments.uptime_ms.astype(np.uint32) - raw.astype(np.uint32)).astype(np.int32)
        return moments.exported_ms - age
    scale = 1000 if element in (Field.START_SECONDS, Field.END_SECONDS) else 1
    usable = (raw > 0) & (raw < LATEST_MS // scale)
    return np.where(usable, np.minimum(raw, LATEST_MS).astype(np.int64) * scale, fallback)


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
