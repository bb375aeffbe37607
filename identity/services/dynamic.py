"""The outbox of dynamic authorization: ask for it, hand it out for sending, note the outcome.

A request is written in the transaction of the change that calls for it, so that neither can
be lost without the other. What is sent and how is radius_server.coa_sender's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, Select, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused, UsageError
from common.net import parse_prefix
from db.models import Account, CoaRequest, NasClient, NetworkSession
from identity.domain.dynamic import LIFTED_BY_ENABLING, Cause, Change, Kind, State
from identity.domain.sessions import CloseCause
from identity.office import Office
from identity.services import audit, nas
from identity.services.packets import LastPacket, last_packet

ACTOR = "network"
"""Who asks when it was no person: the rules themselves."""

LEASE = timedelta(seconds=40)
"""Longer than a round of sending takes; what a dead node had claimed is then taken up."""

MAXIMUM_ROUNDS = 3
BACK_OFF = (timedelta(seconds=15), timedelta(seconds=60))
"""After the first and the second round without an answer: an access point that restarts."""

ASK_AGAIN_AFTER = timedelta(minutes=10)
"""A NAS that did not end a session for a reason is not asked for the same every second."""

_SESSION_CONTEXT_NOT_FOUND = 503
_KEYS_A_QUERY = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One request as its sender needs it. `address` is None when nobody knows it."""

    request_id: int
    kind: Kind
    change: Change
    attempts: int
    session_key: str
    user_name: str
    acct_session_id: str
    calling_station_id: str | None
    nas_name: str
    vendor: str
    address: str | None
    port: int | None
    """Of the NAS's own row; None leaves it to the vendor profile, 0 forbids."""
    last_packet: LastPacket | None
    secret: bytes = field(repr=False)


def request_disconnect(
    session: Session,
    now: datetime,
    rows: Iterable[NetworkSession],
    cause: Cause,
    actor: str = ACTOR,
) -> int:
    """Let the NAS end each of these sessions; how many were not on their way already.

    A change that waits for the same session is dropped.
    """
    values = [_row(row, now, Kind.DISCONNECT, cause, actor) for row in rows]
    if not values:
        return 0
    insert: Any = postgresql.insert if _is_postgresql(session) else sqlite.insert
    asked = 0
    for start in range(0, len(values), _KEYS_A_QUERY // 10):
        some = values[start : start + _KEYS_A_QUERY // 10]
        result = session.execute(
            insert(CoaRequest).values(some).on_conflict_do_nothing().returning(CoaRequest.id)
        )
        asked += len(result.all())
        _supersede(
            session,
            now,
            CoaRequest.kind == Kind.COA,
            CoaRequest.session_key.in_([value["session_key"] for value in some]),
        )
    return asked


def disconnect_accounts(
    session: Session,
    now: datetime,
    account_ids: Collection[int],
    cause: Cause,
    actor: str = ACTOR,
) -> int:
    """Let every open session of these accounts end; how many there were."""
    numbers, asked = sorted(account_ids), 0
    for start in range(0, len(numbers), _KEYS_A_QUERY):
        some = NetworkSession.account_id.in_(numbers[start : start + _KEYS_A_QUERY])
        asked += request_disconnect(session, now, _open_sessions(session, some), cause, actor)
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


def end_unentitled(session: Session, now: datetime) -> int:
    """Let the sessions end whose account is no longer good, whichever way that came about.

    The safety net under `follow_account`: time runs out by itself, and a roster or a
    directory may change many accounts at once.
    """
    rows = session.execute(_unentitled(now)).all()
    asked = 0
    for cause, states in ((Cause.SUSPENDED, {"suspended"}), (Cause.EXPIRED, {"active", "expired"})):
        some = [row for row, state in rows if state in states]
        asked += request_disconnect(session, now, some, cause)
    return asked


def any_unentitled(session: Session, now: datetime) -> bool:
    """Whether `end_unentitled` would find something; takes no write lock."""
    return session.execute(_unentitled(now).limit(1)).first() is not None


def _unentitled(now: datetime) -> Select[NetworkSession, str]:
    over = or_(Account.state != "active", Account.expires_at <= now)
    return (
        select(NetworkSession, Account.state)
        .join(Account, Account.id == NetworkSession.account_id)
        .where(*open_conditions(), over, not_asked_lately(now))
    )


def not_asked_lately(now: datetime) -> ColumnElement[bool]:
    """Holds for sessions whose NAS has not been asked to end them in the last minutes."""
    return ~(
        select(CoaRequest.id)
        .where(
            CoaRequest.session_key == NetworkSession.session_key,
            CoaRequest.kind == Kind.DISCONNECT,
            or_(
                CoaRequest.state == State.QUEUED,
                CoaRequest.finished_at > now - ASK_AGAIN_AFTER,
            ),
            CoaRequest.state != State.SUPERSEDED,
        )
        .exists()
    )


def claim(session: Session, office: Office, node: str, limit: int) -> Sequence[Order]:
    """Take up to `limit` requests that are due, for this node alone until the lease ends.

    Those that need no asking any more are finished here: the session has ended, or they
    have been tried often enough.
    """
    now = office.clock()
    due = session.scalars(
        select(CoaRequest)
        .where(CoaRequest.state == State.QUEUED, CoaRequest.next_try_at <= now)
        .order_by(CoaRequest.next_try_at, CoaRequest.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    orders = []
    for request in due:
        row = session.get(NetworkSession, request.session_key)
        if row is None or row.stop_seen or row.closed_at is not None:
            _finish(request, State.SUPERSEDED, now)
        elif request.attempts >= MAXIMUM_ROUNDS:
            _finish(request, State.TIMED_OUT, now)
        else:
            order = _order(session, office, request, row)
            if order is None:
                _finish(request, State.UNSUPPORTED, now)
                continue
            request.attempts += 1
            request.claimed_by = node
            request.next_try_at = now + LEASE
            orders.append(order)
    return orders


def is_due(session: Session, now: datetime) -> bool:
    """Whether any request waits to be sent."""
    found = session.scalar(
        select(CoaRequest.id)
        .where(CoaRequest.state == State.QUEUED, CoaRequest.next_try_at <= now)
        .limit(1)
    )
    return found is not None


def finish(
    session: Session,
    now: datetime,
    node: str,
    request_id: int,
    state: State,
    error_cause: int | None = None,
) -> None:
    """Note what came of a request that `node` has claimed.

    A session that the NAS has ended, or does not know, is closed here as well: its stop
    may have been lost. Should it speak again, the ledger opens it again.
    """
    request = _claimed(session, node, request_id)
    if request is None:
        return
    _finish(request, state, now, error_cause)
    gone = error_cause == _SESSION_CONTEXT_NOT_FOUND
    if request.kind != Kind.DISCONNECT or not (state is State.ACKED or gone):
        return
    session.execute(
        update(NetworkSession)
        .where(NetworkSession.session_key == request.session_key, *open_conditions())
        .values(
            closed_at=now,
            close_cause=CloseCause.NOT_ON_NAS if gone else CloseCause.DISCONNECTED,
        )
        .execution_options(synchronize_session=False)
    )


def put_off(session: Session, now: datetime, node: str, request_id: int) -> None:
    """Note that a round brought no answer: try again later, or give up."""
    request = _claimed(session, node, request_id)
    if request is None:
        return
    if request.attempts >= MAXIMUM_ROUNDS:
        _finish(request, State.TIMED_OUT, now)
        return
    request.next_try_at = now + BACK_OFF[request.attempts - 1]
    request.claimed_by = None


def release(session: Session, again: datetime, node: str, request_ids: Collection[int]) -> None:
    """Give back requests that `node` has claimed and not finished; they are due at `again`."""
    session.execute(
        update(CoaRequest)
        .where(
            CoaRequest.id.in_(request_ids),
            CoaRequest.claimed_by == node,
            CoaRequest.state == State.QUEUED,
        )
        .values(next_try_at=again, claimed_by=None, attempts=CoaRequest.attempts - 1)
        .execution_options(synchronize_session=False)
    )


def find_request(session: Session, request_id: int) -> CoaRequest | None:
    """A request by its number."""
    return session.get(CoaRequest, request_id)


def latest_requests(session: Session, session_keys: Collection[str]) -> dict[str, CoaRequest]:
    """The newest request about each of these sessions."""
    rows = session.scalars(
        select(CoaRequest).where(CoaRequest.session_key.in_(session_keys)).order_by(CoaRequest.id)
    ).all()
    return {row.session_key: row for row in rows}


def open_conditions() -> tuple[ColumnElement[bool], ...]:
    """Hold for sessions that are open."""
    return (NetworkSession.stop_seen == 0, NetworkSession.closed_at.is_(None))


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
    return {
        "created_at": now,
        "kind": kind.value,
        "session_key": row.session_key,
        "nas_client_id": row.nas_client_id,
        "account_id": row.account_id,
        "reason": cause.value,
        "actor": actor,
        "not_before": now,
        "next_try_at": now,
        "wanted": "{}",
        "attempts": 0,
        "state": State.QUEUED.value,
    }


def _order(
    session: Session, office: Office, request: CoaRequest, row: NetworkSession
) -> Order | None:
    client = session.get(NasClient, request.nas_client_id)
    if client is None or not client.enabled:
        return None
    packet = last_packet(session, row.session_key, row.last_heard_at)
    return Order(
        request_id=request.id,
        kind=Kind(request.kind),
        change=Change.load(request.wanted),
        attempts=request.attempts,
        session_key=row.session_key,
        user_name=row.user_name,
        acct_session_id=row.acct_session_id,
        calling_station_id=row.calling_station_id,
        nas_name=client.name,
        vendor=client.vendor,
        address=client.coa_address or (packet.address if packet else _only_address(client)),
        port=client.coa_port,
        last_packet=packet,
        secret=nas.secret_of(office, client),
    )


def _only_address(client: NasClient) -> str | None:
    """The address of a NAS whose prefix holds just one."""
    network = parse_prefix(client.prefix)
    return str(network.network_address) if network.num_addresses == 1 else None


def _claimed(session: Session, node: str, request_id: int) -> CoaRequest | None:
    """The request, when it is still this node's; somebody else may have taken it up since."""
    return session.scalar(
        select(CoaRequest)
        .where(
            CoaRequest.id == request_id,
            CoaRequest.claimed_by == node,
            CoaRequest.state == State.QUEUED,
        )
        .with_for_update()
    )


def _finish(
    request: CoaRequest, state: State, now: datetime, error_cause: int | None = None
) -> None:
    request.state = state
    request.error_cause = error_cause
    request.finished_at = now


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
