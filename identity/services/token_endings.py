"""When tokens of programs are over, wholly or in part: each ending is on record and final.

A token ends with its time, when it is revoked, when its owner is suspended or expires, when the
owner's password is set anew and with the last of its levels. A level that is taken from the owner
is gone from each token for good: who gets it back makes a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Account, ApiToken
from identity.domain.levels import Level
from identity.office import Office
from identity.services import audit


class State(StrEnum):
    GOOD = "good"
    REVOKED = "revoked"
    EXPIRED = "expired"


def state_of(token: ApiToken, now: datetime) -> State:
    """Whether a token is good as far as it alone can tell."""
    if token.ended_at is not None:
        return State.REVOKED
    return State.EXPIRED if token.expires_at <= now else State.GOOD


def end_all(session: Session, office: Office, account: Account, actor: str, why: str) -> None:
    """End every token of an account: it was suspended, or somebody set its password."""
    end_of(session, office.clock(), [account.id], actor, why)


def end_of(
    session: Session, now: datetime, account_ids: Sequence[int], actor: str, why: str
) -> None:
    """As `end_all`, of many accounts; few of them have any."""
    for row in _good(session, now, account_ids):
        end(session, now, row, actor, why)


def take_level(session: Session, now: datetime, account: Account, level: Level, actor: str) -> None:
    """Take a level out of every token of an account; one that has no other ends."""
    for row in _good(session, now, [account.id]):
        levels = row.levels.split()
        if level.value not in levels:
            continue
        if levels == [level.value]:
            end(session, now, row, actor, "level")
            continue
        row.levels = " ".join(name for name in levels if name != level.value)
        _record(session, now, row, actor, "token:narrowed", level=level.value)


def end(session: Session, now: datetime, found: ApiToken, actor: str, why: str) -> None:
    """End one token; `why` is a word for the record."""
    found.ended_at, found.ended_by = now, actor
    _record(session, now, found, actor, "token:ended", why=why)


def _good(session: Session, now: datetime, account_ids: Sequence[int]) -> Sequence[ApiToken]:
    theirs = select(ApiToken).where(ApiToken.account_id.in_(account_ids))
    rows = session.scalars(theirs.where(ApiToken.ended_at.is_(None)).order_by(ApiToken.id))
    return [row for row in rows if state_of(row, now) is State.GOOD]


def _record(
    session: Session, now: datetime, found: ApiToken, actor: str, action: str, **detail: str
) -> None:
    owner = session.get_one(Account, found.account_id)
    audit.record(
        session, now, actor, action, owner.username, token=found.id, name=found.name, **detail
    )
