"""The columns of a flow segment, documented in docs/archive-format.md.

Pure. The names are those of the decoder's columns, with times as timestamps and the
exporter as text.
"""

from __future__ import annotations

from traffic.decoders.fields import COLUMNS, DEFAULTS

SQL_TYPES = {
    "u1": "UTINYINT",
    "u2": "USMALLINT",
    "u4": "UINTEGER",
    "u8": "UBIGINT",
}

TIMES = {
    "received_ms": "received_at",
    "exported_ms": "exported_at",
    "start_ms": "start_at",
    "end_ms": "end_at",
}
"""Decoder column (milliseconds since 1970) and the timestamp column made of it."""

CLIENT_COLUMNS = ("client4", "client6_high", "client6_low")

STORED = (
    *CLIENT_COLUMNS,
    *(name for name in COLUMNS if name not in TIMES and name != "exporter"),
)


def sql_type(name: str) -> str:
    """The DuckDB type of a stored integer column."""
    if name == "client4":
        return "UINTEGER"
    if name in CLIENT_COLUMNS:
        return "UBIGINT"
    return SQL_TYPES[COLUMNS[name].str[1:]]


def default_value(name: str) -> int:
    """What an absent column holds in every row."""
    return DEFAULTS.get(name, 0)
