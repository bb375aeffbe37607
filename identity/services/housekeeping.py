"""What time does by itself: accounts and applications expire, sessions without a stop close.

Each function is one short transaction's worth; `run_once` does them all. Seals and
retention of the traffic archive are not here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from db.models import Account, NasBoot, NetworkSession, PortalToken
from identity.domain.dynamic import Cause
from identity.domain.sessions import CloseCause
from identity.office import Office
from identity.services import audit, dynamic, registrations

ACTOR = "housekeeper"

SILENT_AFTER = timedelta(minutes=35)
"""Three interim updates of 600 s lost in a row, and five minutes for a NAS that is late."""

UNHEARD_AFTER = timedelta(hours=24)
"""For a NAS that never sent an interim update: its silence says nothing before the stop."""

TOKEN_KEPT = timedelta(days=1)
"""A token is dead after two minutes; a day lets an operator see what became of it."""

_CHUNK = 500
"""Accounts a transaction: a whole school that expires on one day must not block log-ins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How many of each were done."""

    expired_accounts: int = 0
    expired_registrations: int = 0
    dropped_tokens: int = 0
    restarted_sessions: int = 0
    silent_sessions: int = 0


def run_once(office: Office) -> Report:
    """Do everything that is due.

    Raises:
        BackendUnavailable: the database does not answer; what was done before stays done.
    """

    def due(step: Callable[[Session, datetime], int]) -> int:
        with office.database.write() as session:
            return step(session, office.clock())

    expired = 0
    while (done := due(expire_accounts)) > 0:
        expired += done
    return Report(
        expired_accounts=expired,
        expired_registrations=due(registrations.expire_stale),
        dropped_tokens=due(drop_tokens),
        restarted_sessions=due(close_restarted_sessions),
        silent_sessions=due(close_silent_sessions),
    )


def expire_accounts(session: Session, now: datetime) -> int:
    """Expire up to `_CHUNK` accounts whose time is over; how many there were."""
    accounts = session.scalars(
        select(Account)
        .where(Account.state != "expired", Account.expires_at <= now)
        .order_by(Account.expires_at)
        .limit(_CHUNK)
    ).all()
    # One flush at the end: one account locked after the other, with the revision in between,
    # would meet whoever changes a single account in a deadlock.
    with session.no_autoflush:
        for account in accounts:
            # A suspended account ended when it was suspended; identity is kept from then (R38).
            if account.state == "active":
                account.ended_at = account.expires_at
            account.state = "expired"
            registrations.follow_account(session, account)
            audit.record(session, now, ACTOR, "account:expired", account.username)
    dynamic.disconnect_accounts(
        session, now, [account.id for account in accounts], Cause.EXPIRED, ACTOR
    )
    return len(accounts)


def drop_tokens(session: Session, now: datetime) -> int:
    """Delete portal tokens that have been dead for a day."""
    return _changed(session, delete(PortalToken).where(PortalToken.expires_at <= now - TOKEN_KEPT))


def close_restarted_sessions(session: Session, now: datetime) -> int:
    """Close open sessions of a device that has restarted since it last spoke of them.

    The ledger does this when Accounting-On comes; here is for packets from before the
    restart that were received after it.
    """
    boot = (
        NasBoot.nas_client_id == NetworkSession.nas_client_id,
        NasBoot.nas_identity == NetworkSession.nas_identity,
        NasBoot.at > NetworkSession.started_at,
        NasBoot.at >= NetworkSession.last_heard_at,
    )
    first = select(func.min(NasBoot.at)).where(*boot).scalar_subquery()
    return _changed(
        session,
        update(NetworkSession)
        .where(*_open(), select(NasBoot.id).where(*boot).exists())
        .values(closed_at=first, close_cause=CloseCause.NAS_RESTARTED)
        .execution_options(synchronize_session=False),
    )


def close_silent_sessions(session: Session, now: datetime) -> int:
    """Close open sessions that were last heard of too long ago, as of that moment.

    A session that speaks again is opened again by the ledger.
    """
    other = aliased(NetworkSession)
    speaks = or_(
        NetworkSession.session_seconds > 0,
        select(other.session_key)
        .where(
            other.nas_client_id == NetworkSession.nas_client_id,
            other.nas_identity == NetworkSession.nas_identity,
            other.stop_seen == 0,
            other.closed_at.is_(None),
            other.session_seconds > 0,
        )
        .exists(),
    )
    silent = or_(
        NetworkSession.last_heard_at <= now - UNHEARD_AFTER,
        and_(NetworkSession.last_heard_at <= now - SILENT_AFTER, speaks),
    )
    return _changed(
        session,
        update(NetworkSession)
        .where(*_open(), silent)
        .values(closed_at=NetworkSession.last_heard_at, close_cause=CloseCause.SILENT)
        .execution_options(synchronize_session=False),
    )


def _open() -> tuple[ColumnElement[bool], ...]:
    return (NetworkSession.stop_seen == 0, NetworkSession.closed_at.is_(None))


def _changed(session: Session, statement: Any) -> int:
    return cast("CursorResult[Any]", session.execute(statement)).rowcount
