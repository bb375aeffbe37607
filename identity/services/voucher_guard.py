"""Wrong voucher codes, counted in the database: all workers, the portal and RADIUS share it.

The rules are identity.domain.guessing. A restart forgets nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.orm import Session

from common.logging import get_logger
from db.models import VoucherGuess
from identity.domain.guessing import (
    CEILING_KEY,
    Guesser,
    Lane,
    Standing,
    bucket_of,
    judge,
)
from identity.office import Office
from identity.services import audit, buckets

ACTOR = "network"
KEPT = timedelta(hours=24)
"""So that a morning's dashboard still shows the alarm of the night."""

_SAMPLE = 16
"""While a lane is closed one failure in so many is written, and counts as so many: a flood must
not keep the database busy."""


def standing(session: Session, guesser: Guesser, now: datetime) -> Standing:
    """How this one stands before the next try."""
    return judge(guesser, _levels(session, guesser, now))


def count_failure(office: Office, guesser: Guesser, is_closed: bool) -> None:
    """Note a wrong code.

    Args:
        is_closed: this one has to wait already. Then its device and address, which are free to
            change, are not written: a flood of them would only fill the table.

    Raises:
        BackendUnavailable: nothing was counted; the caller lets nobody in then.
    """
    weight = 1
    keys = list(guesser.keys())
    if is_closed:
        if secrets.randbelow(_SAMPLE):
            return
        weight = _SAMPLE
        keys = [key for key in keys if not key.startswith(("device:", "address:"))]
    now = office.clock()
    with office.database.write() as session:
        for key in sorted(keys):  # one order for all: two workers never wait for each other
            _add(session, key, weight, now)


def _add(session: Session, key: str, weight: int, now: datetime) -> None:
    bucket = bucket_of(key)
    before, after = buckets.add(session, VoucherGuess, key, bucket, weight, now)
    if bucket.is_full(after) and not bucket.is_full(before):
        session.execute(update(VoucherGuess).where(VoucherGuess.key == key).values(closed_at=now))
        _alarm(session, key, now)


def _alarm(session: Session, key: str, now: datetime) -> None:
    """Put on record that a lane of a network device or of the site has closed."""
    if key.startswith(("device:", "address:")):
        return
    get_logger(__name__).warning("voucher_guessing", key=key)
    audit.record(session, now, ACTOR, "voucher:guessing", key)


def _levels(session: Session, guesser: Guesser, now: datetime) -> dict[str, int]:
    rows = session.execute(
        select(VoucherGuess.key, VoucherGuess.level, VoucherGuess.at).where(
            VoucherGuess.key.in_(list(guesser.keys()))
        )
    )
    return {row.key: bucket_of(row.key).level(row.level, row.at, now) for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A lane that has closed in the last day."""

    key: str
    lane: Lane
    nas_client_id: int | None
    """None: the whole site."""
    closed_at: datetime
    is_closed: bool
    """Still."""
    is_ceiling: bool


def alarms(session: Session, now: datetime) -> Sequence[Alarm]:
    """What an officer should know of, the latest first."""
    rows = session.execute(
        select(VoucherGuess.key, VoucherGuess.level, VoucherGuess.at, VoucherGuess.closed_at)
        .where(VoucherGuess.closed_at > now - KEPT)
        .order_by(VoucherGuess.closed_at.desc())
    )
    found = []
    for row in rows:
        kind, *rest = row.key.split(":")
        if kind in ("device", "address"):
            continue
        bucket = bucket_of(row.key)
        found.append(
            Alarm(
                key=row.key,
                lane=Lane(rest[-1]),
                nas_client_id=int(rest[0]) if kind == "nas" else None,
                closed_at=row.closed_at,
                is_closed=bucket.is_full(bucket.level(row.level, row.at, now)),
                is_ceiling=row.key == CEILING_KEY,
            )
        )
    return found


def drop_old(session: Session, now: datetime) -> int:
    """Delete counts that have leaked away long since."""
    devices = delete(VoucherGuess).where(
        VoucherGuess.at <= now - timedelta(minutes=20),
        VoucherGuess.key.startswith("device:") | VoucherGuess.key.startswith("address:"),
    )
    gone = cast("CursorResult[Any]", session.execute(devices)).rowcount
    others = delete(VoucherGuess).where(VoucherGuess.at <= now - KEPT)
    return gone + cast("CursorResult[Any]", session.execute(others)).rowcount
