"""Ask for a live session to end or to change: what follows from an account, or an officer.

A request is written in the transaction of the change that calls for it, so that neither can
be lost without the other. identity.services.outbox hands it on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    bindparam,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused, UsageError
from db.engine import Database
from db.models import Account, CoaRequest, NetworkSession, Role
from identity.domain.dynamic import LIFTED_BY_ENABLING, Cause, Change, Kind, State
from identity.office import Office
from identity.services import audit, granted_time, roles, web_grants
from identity.services.consent_terms import MISSING

ACTOR = "network"
"""Who asks when it was no person: the rules themselves."""

ASK_AGAIN_AFTER = timedelta(minutes=10)
"""A NAS that did not end a session for a reason is not asked for the same every second."""

SEEN_AFTER = timedelta(seconds=1)
"""By then every RADIUS worker has seen a change of an account. Told earlier, the NAS would
end the session, and a device that comes straight back would be let in as before."""

_OF_THE_ACCOUNT = frozenset(
    {
        *(Cause.SUSPENDED, Cause.EXPIRED, Cause.CONSENT),
        *(Cause.ROLE_CHANGED, Cause.ROLE_SETTINGS),
    }
)

_KEYS_A_QUERY = 500


def request_disconnect(
    session: Session,
    now: datetime,
    rows: Iterable[NetworkSession],
    cause: Cause,
    actor: str = ACTOR,
    *,
    a_second: int | None = None,
) -> int:
    """Let the NAS end each of these sessions; how many were not on their way already.

    A change that waits for the same session is dropped.

    Args:
        a_second: so many are due in each second; None is all at once.
    """
    rows = list(rows)
    values = [_row(row, now, Kind.DISCONNECT, cause, actor) for row in rows]
    web_grants.end(session, now, rows)
    _spread(values, a_second)
    if not values:
        return 0
    insert_some: Any = postgresql.insert if _is_postgresql(session) else sqlite.insert
    asked = 0
    for start in range(0, len(values), _KEYS_A_QUERY // 10):
        some = values[start : start + _KEYS_A_QUERY // 10]
        result = session.execute(
            insert_some(CoaRequest).values(some).on_conflict_do_nothing().returning(CoaRequest.id)
        )
        asked += len(result.all())
        _supersede(
            session,
            now,
            CoaRequest.kind == Kind.COA,
            CoaRequest.session_key.in_([value["session_key"] for value in some]),
        )
    return asked


def request_changes(
    session: Session,
    now: datetime,
    wanted: Iterable[tuple[NetworkSession, Change]],
    cause: Cause,
    actor: str,
    *,
    a_second: int | None = None,
) -> None:
    """Let the NAS change each of these sessions that is not about to be ended."""
    values = [
        _row(row, now, Kind.COA, cause, actor) | {"wanted": change.dump()} for row, change in wanted
    ]
    _spread(values, a_second)
    for start in range(0, len(values), _KEYS_A_QUERY // 10):
        some = values[start : start + _KEYS_A_QUERY // 10]
        doomed = set(
            session.scalars(
                select(CoaRequest.session_key).where(
                    CoaRequest.session_key.in_([value["session_key"] for value in some]),
                    CoaRequest.state == State.QUEUED,
                    CoaRequest.kind == Kind.DISCONNECT,
                )
            )
        )
        kept = [value for value in some if value["session_key"] not in doomed]
        if kept:
            session.execute(insert(CoaRequest).values(kept))


def _spread(values: list[dict[str, Any]], a_second: int | None) -> None:
    if a_second is None:
        return
    for number, value in enumerate(values):
        value["not_before"] += timedelta(seconds=number // a_second)
        value["next_try_at"] = value["not_before"]


def disconnect_accounts(
    session: Session,
    now: datetime,
    account_ids: Collection[int],
    cause: Cause,
    actor: str = ACTOR,
) -> int:
    """Let every open session of these accounts end; how many there were.

    Also those that count as over while a controller would let the device in again: it sleeps.
    """
    numbers, asked = sorted(account_ids), 0
    for start in range(0, len(numbers), _KEYS_A_QUERY):
        some = NetworkSession.account_id.in_(numbers[start : start + _KEYS_A_QUERY])
        rows = [*_open_sessions(session, some), *granted_time.asleep(session, now, some)]
        asked += request_disconnect(session, now, rows, cause, actor)
    return asked


def disconnect_session(
    session: Session, office: Office, session_key: str, actor: str, note: str = ""
) -> int:
    """Let one session end because an officer says so; the number of the request.

    Raises:
        NotFound: there is no such session.
        Refused: it has ended.
    """
    row = _get_open(session, session_key)
    request_disconnect(session, office.clock(), [row], Cause.OFFICER, actor)
    audit.record(
        session,
        office.clock(),
        actor,
        "session:disconnect_requested",
        session_key,
        user=row.user_name,
        note=note,
    )
    return session.scalars(
        select(CoaRequest.id).where(
            CoaRequest.session_key == session_key,
            CoaRequest.state == State.QUEUED,
            CoaRequest.kind == Kind.DISCONNECT,
        )
    ).one()


def request_change(
    session: Session, office: Office, session_key: str, change: Change, actor: str
) -> int:
    """Let the NAS change a session that is open; the number of the request.

    Raises:
        NotFound: there is no such session.
        Refused: it has ended, or it is about to be ended.
        UsageError: nothing is to be changed.
    """
    if change.is_empty():
        raise UsageError("say what is to change, such as --session-seconds 600")
    row = _get_open(session, session_key)
    doomed = session.scalar(
        select(CoaRequest.id).where(
            CoaRequest.session_key == session_key,
            CoaRequest.state == State.QUEUED,
            CoaRequest.kind == Kind.DISCONNECT,
        )
    )
    if doomed is not None:
        raise Refused("this session is being ended")
    now = office.clock()
    request = CoaRequest(
        **_row(row, now, Kind.COA, Cause.OFFICER, actor) | {"wanted": change.dump()}
    )
    session.add(request)
    session.flush()
    audit.record(
        session, now, actor, "session:change_requested", session_key, wanted=request.wanted
    )
    return request.id


def follow_account(session: Session, now: datetime, account: Account, actor: str) -> int:
    """Bring the sessions of an account in line with its state; how many are to end.

    An account that is let in again keeps the sessions nobody has been asked to end yet.
    """
    if account.state == "active":
        _supersede(
            session,
            now,
            CoaRequest.account_id == account.id,
            CoaRequest.reason.in_(LIFTED_BY_ENABLING),
            CoaRequest.attempts == 0,
        )
        return 0
    cause = Cause.SUSPENDED if account.state == "suspended" else Cause.EXPIRED
    return disconnect_accounts(session, now, [account.id], cause, actor)


def change_role(session: Session, office: Office, account: Account, role: str, actor: str) -> None:
    """Give an account another role. Its sessions end, and what comes back has the new one.

    Raises:
        NotFound: there is no such role.
    """
    number = roles.get(session, role).id
    if account.role_id == number:
        return
    account.role_id = number
    now = office.clock()
    audit.record(session, now, actor, "account:role_set", account.username, role=role)
    disconnect_accounts(session, now, [account.id], Cause.ROLE_CHANGED, actor)


def end_unentitled(session: Session, now: datetime) -> int:
    """Let the sessions end whose account is no longer good, whichever way that came about.

    The safety net under `follow_account`: time runs out by itself, and a roster or a
    directory may change many accounts at once.
    """
    rows = session.execute(_UNENTITLED, _moments(now)).all()
    asked = 0
    found: dict[Cause, list[NetworkSession]] = {}
    for row, state, is_over in rows:
        lapsed = Cause.SUSPENDED if state == "suspended" else Cause.EXPIRED
        found.setdefault(lapsed if is_over else Cause.CONSENT, []).append(row)
    for cause, some in found.items():
        asked += request_disconnect(session, now, some, cause)
    return asked


def end_accounts(
    session: Session, now: datetime, account_ids: Collection[int], cause: Cause
) -> int:
    """Like `disconnect_accounts`, but a NAS that has been asked lately is left alone."""
    numbers, asked = sorted(account_ids), 0
    for start in range(0, len(numbers), _KEYS_A_QUERY):
        some = NetworkSession.account_id.in_(numbers[start : start + _KEYS_A_QUERY])
        rows = _open_sessions(session, some, not_asked_lately(now))
        asked += request_disconnect(session, now, rows, cause)
    return asked


def end_roles(session: Session, now: datetime, role_ids: Collection[int], cause: Cause) -> int:
    """Let every open session of these roles end; how many were asked for."""
    rows = _open_sessions(session, _has_role(role_ids), not_asked_lately(now))
    return request_disconnect(session, now, rows, cause)


def open_accounts(session: Session, role_ids: Collection[int]) -> set[int]:
    """The accounts of these roles that have an open session."""
    found = session.scalars(
        select(NetworkSession.account_id).where(*open_conditions(), _has_role(role_ids)).distinct()
    )
    return {account_id for account_id in found if account_id is not None}


def _has_role(role_ids: Collection[int]) -> ColumnElement[bool]:
    return NetworkSession.account_id.in_(select(Account.id).where(Account.role_id.in_(role_ids)))


def any_unentitled(database: Database, now: datetime) -> bool:
    """Whether `end_unentitled` would find something; takes no write lock."""
    return bool(database.ask(_ANY_UNENTITLED, _moments(now)))


def not_asked_lately(now: datetime) -> ColumnElement[bool]:
    """Holds for sessions whose NAS has not been asked to end them in the last minutes."""
    return _not_asked_since(now - ASK_AGAIN_AFTER)


def _moments(now: datetime) -> dict[str, datetime]:
    return {"now": now, "since": now - ASK_AGAIN_AFTER}


def _not_asked_since(since: Any) -> ColumnElement[bool]:
    return ~(
        select(CoaRequest.id)
        .where(
            CoaRequest.session_key == NetworkSession.session_key,
            CoaRequest.kind == Kind.DISCONNECT,
            or_(
                CoaRequest.state == State.QUEUED,
                CoaRequest.finished_at > since,
            ),
            CoaRequest.state != State.SUPERSEDED,
        )
        .exists()
    )


def open_conditions() -> tuple[ColumnElement[bool], ...]:
    """Hold for sessions that are open."""
    return (NetworkSession.stop_seen == 0, NetworkSession.closed_at.is_(None))


_IS_OVER = or_(Account.state != "active", Account.expires_at <= bindparam("now"))
_UNENTITLED = (
    select(NetworkSession, Account.state, _IS_OVER)
    .join(Account, Account.id == NetworkSession.account_id)
    .join(Role, Role.id == Account.role_id)
    .where(
        *open_conditions(),
        or_(_IS_OVER, MISSING),
        _not_asked_since(bindparam("since")),
    )
)
_ANY_UNENTITLED = _UNENTITLED.with_only_columns(NetworkSession.session_key).limit(1)
"""Asked every few seconds: made once, because making it costs more than asking it."""


def _open_sessions(session: Session, *conditions: ColumnElement[bool]) -> Sequence[NetworkSession]:
    return session.scalars(select(NetworkSession).where(*open_conditions(), *conditions)).all()


def _get_open(session: Session, session_key: str) -> NetworkSession:
    row = session.get(NetworkSession, session_key)
    if row is None:
        raise NotFound(f"there is no session {session_key!r}; see: yuenyan session list --active")
    if row.stop_seen or row.closed_at is not None:
        raise Refused("this session has ended already")
    return row


def _row(
    row: NetworkSession, now: datetime, kind: Kind, cause: Cause, actor: str
) -> dict[str, Any]:
    not_before = now + SEEN_AFTER if cause in _OF_THE_ACCOUNT else now
    return {
        "created_at": now,
        "kind": kind.value,
        "session_key": row.session_key,
        "nas_client_id": row.nas_client_id,
        "account_id": row.account_id,
        "reason": cause.value,
        "actor": actor,
        "not_before": not_before,
        "next_try_at": not_before,
        "wanted": "{}",
        "attempts": 0,
        "state": State.QUEUED.value,
    }


def _supersede(session: Session, now: datetime, *conditions: ColumnElement[bool]) -> int:
    result = session.execute(
        update(CoaRequest)
        .where(CoaRequest.state == State.QUEUED, *conditions)
        .values(state=State.SUPERSEDED, finished_at=now)
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", result).rowcount


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"
