"""Moments as the integers that archive and database keep, exactly.

The same numbers as db.models.base; apart from it so that reading the archive does not load
the database layer.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC of an aware moment."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(value: int) -> datetime:
    """The aware UTC moment `value` microseconds after 1970-01-01."""
    return _EPOCH + timedelta(microseconds=value)


def to_milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970-01-01 UTC of an aware moment."""
    return to_micros(moment) // 1000


def from_milliseconds(value: int) -> datetime:
    """The aware UTC moment `value` milliseconds after 1970-01-01."""
    return _EPOCH + timedelta(milliseconds=value)
