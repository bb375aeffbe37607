"""The declarative base, and the column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from sqlalchemy import BigInteger, Dialect, Integer, MetaData, SmallInteger, Text, TypeDecorator
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, mapped_column

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC of an aware moment, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(value: int) -> datetime:
    """The aware UTC moment `value` microseconds after 1970-01-01."""
    return _EPOCH + timedelta(microseconds=value)


class Instant(TypeDecorator[datetime]):
    """A moment, stored as integer microseconds since 1970-01-01 UTC.

    One integer compares, merges (MIN, MAX) and bulk-loads alike on both databases; SQLite
    has no time type of its own.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored moment must carry its time zone")
        return to_micros(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_micros(int(value))


class Base(DeclarativeBase):
    """Base of every table; constraints get predictable names so that migrations can drop them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Instant(), str: Text()}


BigInt = BigInteger().with_variant(Integer, "sqlite")

IntPk = Annotated[int, mapped_column(BigInt, primary_key=True, autoincrement=True)]
Key = Annotated[
    str,
    mapped_column(Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")),
]
"""A text whose index compares octets, as SQLite's do. By the rules of a language, which is how
PostgreSQL orders texts unless told, each step down an index costs several times as much."""
Flag = Annotated[int, mapped_column(SmallInteger, default=0)]
Long = Annotated[int, mapped_column(BigInt)]
