"""How long a controller goes on letting in a device whose session no accounting tells of.

The session of a phone that sleeps is closed, and opens again when it wakes, unasked: so whoever
ends sessions, or counts devices, looks at the time as well.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from db.models import CoaRequest, GrantedSession, NetworkSession
from identity.domain.dynamic import Kind, State

NOT_THERE = 503
"""Error-Cause Session-Context-Not-Found, RFC 5176 section 3.5: it was not there to be ended."""


def asleep(
    session: Session, now: datetime, *conditions: ColumnElement[bool]
) -> Sequence[NetworkSession]:
    """The sessions that count as over while their device is let in still."""
    return session.scalars(
        select(NetworkSession)
        .join(GrantedSession, GrantedSession.session_key == NetworkSession.session_key)
        .where(
            GrantedSession.ends_at > now,
            or_(NetworkSession.closed_at.is_not(None), NetworkSession.stop_seen != 0),
            *conditions,
        )
    ).all()


def goes_on(session: Session, now: datetime, session_key: str) -> bool:
    """Whether the device of a session is let in still, whether that is open or not."""
    held = session.get(GrantedSession, session_key)
    return held is not None and held.ends_at > now


def devices_inside(session: Session, now: datetime, account_id: int) -> set[str]:
    """The devices of an account that are let in still, as their makes name them.

    Not those that are being ended, at the latest when they wake.
    """
    return set(
        session.scalars(
            select(GrantedSession.device).where(
                GrantedSession.account_id == account_id,
                GrantedSession.ends_at > now,
                ~_is_unwanted(),
            )
        )
    )


def unwanted(session: Session, keys: Collection[str]) -> Sequence[NetworkSession]:
    """Those among `keys` that were to be ended when their device was not there."""
    return session.scalars(
        select(NetworkSession)
        .join(GrantedSession, GrantedSession.session_key == NetworkSession.session_key)
        .where(NetworkSession.session_key.in_(keys), _is_unwanted())
    ).all()


def _is_unwanted() -> ColumnElement[bool]:
    return (
        select(CoaRequest.id)
        .where(
            CoaRequest.session_key == GrantedSession.session_key,
            CoaRequest.kind == Kind.DISCONNECT,
            or_(CoaRequest.state == State.QUEUED, CoaRequest.error_cause == NOT_THERE),
        )
        .exists()
    )
