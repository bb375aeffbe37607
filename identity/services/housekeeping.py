"""What time does by itself: accounts and applications expire, sessions without a stop close.

Each function is one short transaction's worth; `run_once` does them all. Seals and
retention of the traffic archive are not here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, CursorResult, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from db.models import (
    Account,
    GrantedSession,
    NasBoot,
    NetworkSession,
    PortalToken,
    ServiceRun,
)
from identity.domain.dynamic import Cause
from identity.domain.sessions import INTERIM_SECONDS, UNHEARD_AFTER, CloseCause
from identity.office import Office
from identity.services import (
    audit,
    central,
    codes,
    dynamic,
    gateway_requests,
    granted_sessions,
    message_queue,
    open_visits,
    outbox,
    own_certificates,
    page_counts,
    provisional,
    registrations,
    token_endings,
    voucher_guard,
)
from identity.services.usage import drop_usage

ACTOR = "housekeeper"


ALIVE_WITHIN = timedelta(seconds=60)
"""A RADIUS server that has not said so for longer is not receiving."""

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
    dropped_codes: int = 0
    dropped_counts: int = 0
    restarted_sessions: int = 0
    silent_sessions: int = 0
    dropped_usage_days: int = 0
    dropped_requests: int = 0
    dropped_certificate_files: int = 0
    dropped_messages: int = 0
    dropped_grants: int = 0
    dropped_guesses: int = 0
    dropped_visits: int = 0
    sessions_of_granted_time: int = 0
    dropped_granted_sessions: int = 0


def run_once(office: Office) -> Report:
    """Do everything that is due.

    Raises:
        BackendUnavailable: the database does not answer; what was done before stays done.
    """

    def due(step: Callable[[Session, datetime], int]) -> int:
        with office.database.write() as session:
            return step(session, office.clock())

    zone = ZoneInfo(office.config.site.timezone)
    kept = timedelta(days=office.config.archive.retention_days)
    expired = 0
    while (done := due(expire_accounts)) > 0:
        expired += done
    return Report(
        expired_accounts=expired,
        expired_registrations=due(registrations.expire_stale),
        dropped_tokens=due(drop_tokens),
        dropped_codes=due(codes.drop_old),
        restarted_sessions=due(close_restarted_sessions),
        silent_sessions=due(
            lambda session, now: close_silent_sessions(session, now, silent_after(office))
        ),
        dropped_usage_days=due(
            lambda session, now: drop_usage(session, now.astimezone(zone).date())
        ),
        dropped_requests=due(lambda session, now: outbox.drop_finished(session, now - kept)),
        dropped_certificate_files=due(own_certificates.drop_files),
        dropped_messages=due(message_queue.clear),
        dropped_grants=due(provisional.drop_grants),
        dropped_guesses=due(voucher_guard.drop_old),
        dropped_counts=due(page_counts.drop_old),
        dropped_visits=due(open_visits.drop_old),
        sessions_of_granted_time=due(granted_sessions.close_over),
        dropped_granted_sessions=due(
            lambda session, now: granted_sessions.drop_old(session, now - kept)
        ),
    )


def silent_after(office: Office) -> timedelta:
    """How long a session may say nothing before it counts as ended.

    Three missed interim updates also for equipment that keeps an interval of 600 s of its
    own, with the default of seven of ours.
    """
    return timedelta(seconds=office.config.radius.missed_interims * INTERIM_SECONDS)


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
    numbers = [account.id for account in accounts]
    token_endings.end_of(session, now, numbers, ACTOR, "expired")
    dynamic.disconnect_accounts(session, now, numbers, Cause.EXPIRED, ACTOR)
    return len(accounts)


def drop_tokens(session: Session, now: datetime) -> int:
    """Delete portal tokens that have been dead for a day, and what gateways did not fetch."""
    gateway_requests.drop_old(session, now)
    central.drop_old(session, now)
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


def close_silent_sessions(session: Session, now: datetime, after: timedelta) -> int:
    """Close open sessions that were last heard of `after` ago, as of that moment.

    While nobody was listening nobody could be heard, so a server that was down, or is, closes
    nothing. A session that speaks again is opened again by the ledger.
    """
    listening_since = session.scalar(
        select(func.min(ServiceRun.started_at)).where(
            ServiceRun.process == "radius",
            ServiceRun.stopped_at.is_(None),
            ServiceRun.alive_at >= now - ALIVE_WITHIN,
        )
    )
    has_listened = listening_since is not None and listening_since <= now - after
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
    silent = NetworkSession.last_heard_at <= now - UNHEARD_AFTER
    if has_listened:
        silent = or_(silent, and_(NetworkSession.last_heard_at <= now - after, speaks))
    return _changed(
        session,
        update(NetworkSession)
        .where(*_open(), silent, ~_is_granted())
        .values(closed_at=NetworkSession.last_heard_at, close_cause=CloseCause.SILENT)
        .execution_options(synchronize_session=False),
    )


def _is_granted() -> ColumnElement[bool]:
    """Of a session that nobody reports: its silence says nothing, and its time ends it."""
    return (
        select(GrantedSession.session_key)
        .where(GrantedSession.session_key == NetworkSession.session_key)
        .exists()
    )


def _open() -> tuple[ColumnElement[bool], ...]:
    return (NetworkSession.stop_seen == 0, NetworkSession.closed_at.is_(None))


def _changed(session: Session, statement: Any) -> int:
    return cast("CursorResult[Any]", session.execute(statement)).rowcount
