"""Rows that stay in the database until their time is over: sessions, addresses, gaps, runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, and_, delete, false, func, or_, select
from sqlalchemy.orm import Session

from db.engine import Database
from db.models import AccountingEvent, AddressInterval, Gap, NetworkSession, ServiceRun
from identity.services.session_states import may_have_lasted_to
from traffic.keeping.policy import HoldTerms
from traffic.moments import from_milliseconds

MARGIN = timedelta(days=1)
"""Sessions outlive their flows, which are told later and go by whole segments."""

_CHUNK = 400
CHUNKS_A_TURN = 500
"""Two hundred thousand sessions a day, more than a district opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """How many rows of each went, or would go."""

    sessions: int = 0
    addresses: int = 0
    gaps: int = 0
    runs: int = 0

    @property
    def total(self) -> int:
        return self.sessions + self.addresses + self.gaps + self.runs


def count_due(database: Database, edge: datetime, holds: Sequence[HoldTerms]) -> Dropped:
    """What `drop_due` would delete, however many turns it took."""
    with database.read() as session:
        if _has_unmoved(session, edge):
            return Dropped()
        sessions = _sessions(edge, holds)
        keys = select(NetworkSession.session_key).where(sessions)

        def number(model: Any, condition: ColumnElement[bool]) -> int:
            return session.scalar(select(func.count()).select_from(model).where(condition)) or 0

        return Dropped(
            sessions=number(NetworkSession, sessions),
            addresses=number(AddressInterval, AddressInterval.session_key.in_(keys)),
            gaps=number(Gap, _gaps(edge, holds)),
            runs=number(ServiceRun, _runs(edge, holds)),
        )


def drop_due(database: Database, edge: datetime, holds: Sequence[HoldTerms]) -> Dropped:
    """Delete what was last heard of at or before `edge`, a bounded number of rows.

    Nothing goes while packets from before `edge` are still in the database: a session is not
    deleted before its packets are in the archive.
    """
    with database.read() as session:
        if _has_unmoved(session, edge):
            return Dropped()
    sessions = addresses = 0
    for _ in range(CHUNKS_A_TURN):
        with database.write() as session:
            keys = session.scalars(
                select(NetworkSession.session_key)
                .where(_sessions(edge, holds))
                .order_by(NetworkSession.first_heard_at)
                .limit(_CHUNK)
            ).all()
            if not keys:
                break
            addresses += _count(
                session, delete(AddressInterval).where(AddressInterval.session_key.in_(keys))
            )
            sessions += _count(
                session, delete(NetworkSession).where(NetworkSession.session_key.in_(keys))
            )
    with database.write() as session:
        gaps = _count(session, delete(Gap).where(_gaps(edge, holds)))
        runs = _count(session, delete(ServiceRun).where(_runs(edge, holds)))
    return Dropped(sessions=sessions, addresses=addresses, gaps=gaps, runs=runs)


def _has_unmoved(session: Session, edge: datetime) -> bool:
    oldest = session.scalar(
        select(AccountingEvent.received_at).order_by(AccountingEvent.id).limit(1)
    )
    newest = session.scalar(
        select(AccountingEvent.received_at).order_by(AccountingEvent.id.desc()).limit(1)
    )
    # The newest row never moves, so alone it says nothing.
    return oldest is not None and oldest <= edge and oldest != newest


def _sessions(edge: datetime, holds: Sequence[HoldTerms]) -> ColumnElement[bool]:
    last = edge - MARGIN
    return and_(
        NetworkSession.first_heard_at <= last,
        NetworkSession.last_heard_at <= last,
        # Equipment that restarted ended it long after it was last heard of.
        func.coalesce(NetworkSession.closed_at, NetworkSession.last_heard_at) <= last,
        or_(NetworkSession.stop_seen == 1, NetworkSession.closed_at.is_not(None)),
        ~_held(holds),
    )


def _held(holds: Sequence[HoldTerms]) -> ColumnElement[bool]:
    covered: list[ColumnElement[bool]] = [false()]
    for hold in holds:
        terms: list[ColumnElement[bool]] = [
            NetworkSession.started_at <= from_milliseconds(hold.to_ms),
            may_have_lasted_to(from_milliseconds(hold.from_ms)),
        ]
        if hold.account_id is not None:
            terms.append(NetworkSession.account_id == hold.account_id)
        if hold.address is not None:
            terms.append(
                select(AddressInterval.session_key)
                .where(
                    AddressInterval.session_key == NetworkSession.session_key,
                    # A prefix may contain it: such sessions are kept with it.
                    or_(
                        AddressInterval.address == hold.address,
                        AddressInterval.address.contains("/"),
                    ),
                )
                .exists()
            )
        covered.append(and_(*terms))
    # A NULL account is not the held one: without COALESCE the row would be neither.
    return func.coalesce(or_(*covered), false())


def _gaps(edge: datetime, holds: Sequence[HoldTerms]) -> ColumnElement[bool]:
    return and_(Gap.to_at <= edge - MARGIN, ~_overlaps(Gap.from_at, Gap.to_at, holds))


def _runs(edge: datetime, holds: Sequence[HoldTerms]) -> ColumnElement[bool]:
    return and_(
        ServiceRun.alive_at <= edge - MARGIN,
        func.coalesce(ServiceRun.stopped_at, ServiceRun.alive_at) <= edge - MARGIN,
        ~_overlaps(ServiceRun.started_at, ServiceRun.alive_at, holds),
    )


def _overlaps(begin: Any, end: Any, holds: Sequence[HoldTerms]) -> ColumnElement[bool]:
    return or_(
        false(),
        *(
            and_(begin <= from_milliseconds(hold.to_ms), end >= from_milliseconds(hold.from_ms))
            for hold in holds
        ),
    )


def _count(session: Session, statement: Any) -> int:
    return cast("CursorResult[Any]", session.execute(statement)).rowcount
