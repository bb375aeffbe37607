"""Failures and costly wishes on the portal's pages, counted for all its processes together.

Nothing is asked here before a login: what a count has come to is told to whoever adds to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete
from sqlalchemy.orm import Session

from db.models import PageCount
from identity.domain.guessing import Bucket
from identity.office import Office
from identity.services import buckets

LONGEST = timedelta(days=1)
"""No bucket of a page takes longer to leak empty."""


def add(office: Office, counts: Mapping[str, Bucket]) -> dict[str, int]:
    """Add one under each key: how many seconds the next one there has to wait.

    A key holds what somebody typed, which could be a password, and addresses: only its hash is
    stored.

    Raises:
        BackendUnavailable: nothing was counted.
    """
    now = office.clock()
    hashed = {office.vault.lookup_hash(f"page count {key}"): key for key in counts}
    waits = {}
    with office.database.write() as session:
        for stored in sorted(hashed):
            bucket = counts[hashed[stored]]
            _before, after = buckets.add(session, PageCount, stored, bucket, 1, now)
            waits[hashed[stored]] = bucket.wait_seconds(after)
    return waits


def drop_old(session: Session, now: datetime) -> int:
    """Delete counts that have leaked away long since; how many there were."""
    gone = session.execute(delete(PageCount).where(PageCount.at <= now - LONGEST))
    return cast("CursorResult[Any]", gone).rowcount
