"""When a flow began and ended, out of whichever of the many elements its exporter sends.

The fallback is the time of receipt: a time that is missing or impossible is never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from traffic.decoders.fields import Array, Field
from traffic.decoders.integers import read_integers

LATEST_MS = 4_102_444_800_000
"""2100-01-01. A flow that claims a later time, or one before 1970, has none we can use."""

START = (
    Field.START_MILLISECONDS,
    Field.START_MICROSECONDS,
    Field.START_NANOSECONDS,
    Field.START_SECONDS,
    Field.START_DELTA_MICROSECONDS,
    Field.FIRST_SWITCHED,
)
END = (
    Field.END_MILLISECONDS,
    Field.END_MICROSECONDS,
    Field.END_NANOSECONDS,
    Field.END_SECONDS,
    Field.END_DELTA_MICROSECONDS,
    Field.LAST_SWITCHED,
)
"""Best first."""

OBSERVED = (
    Field.OBSERVATION_MILLISECONDS,
    Field.OBSERVATION_MICROSECONDS,
    Field.OBSERVATION_NANOSECONDS,
    Field.OBSERVATION_SECONDS,
)
"""The one time of an event; stands in for a start or end that is not told."""

UPTIMES = frozenset({Field.FIRST_SWITCHED, Field.LAST_SWITCHED})

_NTP = frozenset(
    {
        Field.START_MICROSECONDS,
        Field.END_MICROSECONDS,
        Field.START_NANOSECONDS,
        Field.END_NANOSECONDS,
        Field.OBSERVATION_MICROSECONDS,
        Field.OBSERVATION_NANOSECONDS,
    }
)
"""RFC 7011 sections 6.1.9 and 6.1.10: seconds since 1900, then a binary fraction."""

_SECONDS = frozenset({Field.START_SECONDS, Field.END_SECONDS, Field.OBSERVATION_SECONDS})
_DELTAS = frozenset({Field.START_DELTA_MICROSECONDS, Field.END_DELTA_MICROSECONDS})
_NTP_EPOCH = 2_208_988_800
"""Seconds from 1900 to 1970."""

_MODULUS = 1 << 32


@dataclass(frozen=True, slots=True)
class Moments:
    """Times of the datagram each record came in, one value a record."""

    received_ms: Array
    exported_ms: Array
    """The exporter's own clock, from the header."""
    uptime_ms: Array
    """sysUptime in the header; of IPFIX, whose header has none, what is known of it."""


@dataclass(frozen=True, slots=True)
class TimeFields:
    """The elements of one template that tell times; None where there is none."""

    start: Field | None
    end: Field | None
    duration: Field | None
    init: Field | None

    @property
    def need_uptime(self) -> bool:
        """True when nothing in the record says when the exporter's uptime began."""
        return self.init is None and (self.start in UPTIMES or self.end in UPTIMES)

    def all(self) -> set[Field]:
        """Those that are there."""
        return {one for one in (self.start, self.end, self.duration, self.init) if one is not None}


def choose_times(widths: dict[Field, int]) -> TimeFields:
    """The elements to read, out of all those of a template with their octets."""
    present = {one for one, octets in widths.items() if octets == 8 or one not in _NTP}
    start, end = _first((*START, *OBSERVED), present), _first((*END, *OBSERVED), present)
    duration = Field.DURATION_MILLISECONDS if start is None or start in OBSERVED else None
    init = Field.SYSTEM_INIT_MILLISECONDS if {start, end} & UPTIMES else None
    return TimeFields(
        start,
        end,
        duration if duration in present else None,
        init if init in present else None,
    )


def read_times(fields: TimeFields, records: Array, moments: Moments) -> tuple[Array, Array]:
    """(start, end) of each record in milliseconds since 1970."""
    if fields.init is not None:
        init = read_integers(records[fields.init.name], np.dtype("u8"))
        uptime = moments.exported_ms - np.minimum(init, LATEST_MS).astype(np.int64)
        moments = Moments(moments.received_ms, moments.exported_ms, uptime)
    end = _read(fields.end, records, moments, moments.received_ms)
    if fields.duration is not None:
        lasted = read_integers(records[fields.duration.name], np.dtype("u4")).astype(np.int64)
        return end - lasted, end
    return _read(fields.start, records, moments, end), end


def latest_uptime(fields: TimeFields, records: Array) -> int:
    """The highest uptime any of `records` tells: the exporter's own is no less."""
    highest = 0
    for element in (fields.start, fields.end):
        if element in UPTIMES and element is not None:
            raw = read_integers(records[element.name], np.dtype("u4"))
            highest = max(highest, int(raw.max()))
    return highest


def _first(wanted: tuple[Field, ...], present: set[Field]) -> Field | None:
    return next((element for element in wanted if element in present), None)


def _read(element: Field | None, records: Array, moments: Moments, fallback: Array) -> Array:
    """Milliseconds since 1970 of each record, `fallback` where the exporter says none."""
    if element is None:
        return fallback
    raw = read_integers(records[element.name], np.dtype("u8"))
    if element in UPTIMES:
        # sysUptime wraps after 49.7 days, so only the signed 32-bit distance to the header's
        # own sysUptime means anything (RFC 3954 section 5.1).
        age = (moments.uptime_ms.astype(np.uint32) - raw.astype(np.uint32)).astype(np.int32)
        return moments.exported_ms - age
    if element in _DELTAS:
        return moments.exported_ms - np.minimum(raw, _MODULUS).astype(np.int64) // 1000
    if element in _NTP:
        whole = (raw >> np.uint64(32)).astype(np.int64) - _NTP_EPOCH
        fraction = ((raw & np.uint64(_MODULUS - 1)) * np.uint64(1000)) >> np.uint64(32)
        told = whole * 1000 + fraction.astype(np.int64)
        return np.where((whole > 0) & (told < LATEST_MS), told, fallback)
    scale = 1000 if element in _SECONDS else 1
    usable = (raw > 0) & (raw < LATEST_MS // scale)
    return np.where(usable, np.minimum(raw, LATEST_MS).astype(np.int64) * scale, fallback)
