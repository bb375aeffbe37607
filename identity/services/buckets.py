"""Counts that leak away, as rows of a table that all processes share.

The rules of a bucket are identity.domain.guessing; what is counted, its callers say.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models import PageCount, VoucherGuess
from identity.domain.guessing import SCALE, Bucket

Counts = type[VoucherGuess] | type[PageCount]


def add(
    session: Session, table: Counts, key: str, bucket: Bucket, weight: int, now: datetime
) -> tuple[int, int]:
    """Add `weight` to the level under `key`: the level as it was now, and as it is.

    Bounded by the bucket's room, so that whoever stops is let in again within one period. The row
    is locked until the transaction ends: take several keys in one order, and nobody waits for
    each other.
    """
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    insert: Any = postgresql.insert if on_postgresql else sqlite.insert
    session.execute(insert(table).values(key=key, level=0, at=now).on_conflict_do_nothing())
    row = session.execute(
        select(table.level, table.at).where(table.key == key).with_for_update()
    ).one()
    before = bucket.level(row.level, row.at, now)
    after = min(before + weight * SCALE, bucket.room * SCALE)
    session.execute(update(table).where(table.key == key).values(level=after, at=now))
    return before, after
