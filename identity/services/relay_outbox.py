"""The outbox of accounting for home servers, handed out for sending and emptied by answers.

Rows come from the commit of an accounting event; radius_server.proxy.courier sends them. Of a
session only the oldest row is handed out, so that nothing of it is sent out of order
(docs/decisions/0011).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import Session, aliased

from db.models import RelayOutbox

BACK_OFF = (
    timedelta(seconds=5),
    timedelta(seconds=15),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
)
"""After each round that a living server did not answer; the last again and again."""

SETTLE = timedelta(seconds=1)
"""What another worker commits a moment later may have a smaller number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """One packet that a home server has not answered yet."""

    number: int
    realm: str
    received_at: datetime
    octets: bytes
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits for the home servers of one realm."""

    realm: str
    waiting: int
    oldest: datetime
    attempts: int
    """The most rounds that any of it has gone unanswered."""


def claim(
    session: Session, realms: Collection[str], node: str, now: datetime, until: datetime, limit: int
) -> Sequence[Owed]:
    """Take up to `limit` packets of these realms that are due, for `node` alone until `until`."""
    earlier = aliased(RelayOutbox)
    is_behind = exists().where(
        earlier.session_key == RelayOutbox.session_key, earlier.id < RelayOutbox.id
    )
    rows = session.scalars(
        select(RelayOutbox)
        .where(RelayOutbox.realm.in_(realms), RelayOutbox.next_try_at <= now, ~is_behind)
        .order_by(RelayOutbox.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=RelayOutbox)
    ).all()
    for row in rows:
        row.claimed_by, row.next_try_at = node, until
    return [
        Owed(
            number=row.id,
            realm=row.realm,
            received_at=row.received_at,
            octets=row.octets,
            attempts=row.attempts,
        )
        for row in rows
    ]


def is_due(session: Session, realms: Collection[str], now: datetime) -> bool:
    """Whether anything of these realms waits to be sent."""
    found = session.scalar(
        select(RelayOutbox.id)
        .where(RelayOutbox.realm.in_(realms), RelayOutbox.next_try_at <= now)
        .limit(1)
    )
    return found is not None


def delivered(session: Session, node: str, numbers: Collection[int]) -> None:
    """The home server has answered these; they are owed no more."""
    session.execute(
        delete(RelayOutbox).where(RelayOutbox.id.in_(numbers), RelayOutbox.claimed_by == node)
    )


def put_off(session: Session, node: str, now: datetime, attempts: Mapping[int, int]) -> None:
    """Nobody answered these, by number with the rounds before this one: try again later."""
    for number, before in attempts.items():
        wait = BACK_OFF[min(before, len(BACK_OFF) - 1)]
        _give_back(session, node, [number], now + wait, attempts=before + 1)


def release(session: Session, node: str, now: datetime, numbers: Collection[int]) -> None:
    """Give these back unsent: they are due at once, for whoever can."""
    _give_back(session, node, numbers, now)


def drop_older(session: Session, before: datetime) -> int:
    """Delete what was received before a moment and never answered; how much that was."""
    result: Any = session.execute(delete(RelayOutbox).where(RelayOutbox.received_at < before))
    return int(result.rowcount)


def backlogs(session: Session) -> list[Backlog]:
    """What waits, by realm."""
    rows = session.execute(
        select(
            RelayOutbox.realm,
            func.count(),
            func.min(RelayOutbox.received_at),
            func.max(RelayOutbox.attempts),
        )
        .group_by(RelayOutbox.realm)
        .order_by(RelayOutbox.realm)
    ).all()
    return [
        Backlog(realm=realm, waiting=waiting, oldest=oldest, attempts=attempts)
        for realm, waiting, oldest, attempts in rows
    ]


def _give_back(
    session: Session, node: str, numbers: Collection[int], due_at: datetime, **more: int
) -> None:
    session.execute(
        update(RelayOutbox)
        .where(RelayOutbox.id.in_(numbers), RelayOutbox.claimed_by == node)
        .values(next_try_at=due_at, claimed_by=None, **more)
        .execution_options(synchronize_session=False)
    )
