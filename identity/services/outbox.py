"""The outbox of dynamic authorization, handed out for sending and finished with the outcome.

Requests come from identity.services.dynamic; what is sent and how is radius_server.coa_sender's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    bindparam,
    delete,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from common.errors import BackendUnavailable
from common.logging import get_logger
from db.engine import Database
from db.models import CoaRequest, GrantedSession, NasClient, NetworkSession, WebGrant
from identity.domain.dynamic import POLLING, Change, Kind, State
from identity.domain.sessions import CloseCause
from identity.office import Office
from identity.services import granted_time, nas, web_grants
from identity.services.packets import LastPacket, last_packet

LEASE = timedelta(seconds=40)
"""Longer than a round of sending takes; what a dead node had claimed is then taken up."""

MAXIMUM_ROUNDS = 3
ABSENT = timedelta(seconds=90)
"""A NAS that is asked over its own connection, or comes and asks, and is not heard of for so long,
is given up."""

BACK_OFF = (timedelta(seconds=15), timedelta(seconds=60))
"""After the first and the second round without an answer: an access point that restarts."""

_SESSION_CONTEXT_NOT_FOUND = 503
"""Error-Cause, RFC 5176 section 3.5."""


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
    audit_session: str = ""
    """Cisco's name of the connection, where it is not in the last packet."""
    nas_address: str = ""
    """NAS-IP-Address, likewise."""
    is_reverse: bool = False
    """Over the connection that the NAS has opened; `address` is its RadSec identity then."""
    secret: bytes = field(repr=False)


def claim(
    session: Session,
    office: Office,
    node: str,
    limit: int,
    present: Collection[int] | None = None,
    *,
    called: bool = False,
) -> Sequence[Order]:
    """Take up to `limit` requests that are due, for this node alone until the lease ends.

    Those that need no asking any more are finished here: the session has ended, or they
    have been tried often enough.

    Args:
        present: the NAS that have a connection to the asker, who takes what goes over that;
            None takes everything else.
        called: for who calls controllers, and takes the sessions that were begun by a call.
    """
    now = office.clock()
    due = session.scalars(
        select(CoaRequest)
        .where(*_is_due(now, now - ABSENT, present, called))
        .order_by(CoaRequest.next_try_at, CoaRequest.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    orders = []
    for request in due:
        row = _subject(session, request, now)
        if row is None:
            _finish(request, State.SUPERSEDED, now)
        elif request.attempts >= MAXIMUM_ROUNDS or (
            present is None and not called and _is_fetched(session, request)
        ):
            _finish(request, State.TIMED_OUT, now)
        else:
            try:
                order = _order(session, office, request, row)
            except (BackendUnavailable, SQLAlchemyError):
                raise
            except Exception:
                # One row that nobody can read must not keep the others back for ever.
                get_logger("dynamic").exception("request_unreadable", request=request.id)
                _finish(request, State.FAILED, now)
                continue
            if order is None:
                _finish(request, State.UNSUPPORTED, now)
                continue
            request.attempts += 1
            request.claimed_by = node
            request.next_try_at = now + LEASE
            orders.append(order)
    return orders


def _subject(
    session: Session, request: CoaRequest, now: datetime
) -> NetworkSession | WebGrant | None:
    """What a request is about, while there is something to ask."""
    row = session.get(NetworkSession, request.session_key)
    if row is None:
        return web_grants.of_request(session, request)
    is_over = row.stop_seen or row.closed_at is not None
    return None if is_over and not granted_time.goes_on(session, now, row.session_key) else row


def is_due(
    session: Session,
    now: datetime,
    present: Collection[int] | None = None,
    *,
    called: bool = False,
) -> bool:
    """Whether any request waits to be sent; `present` and `called` as for `claim`."""
    return session.scalar(*_any_due(now, present, called)) is not None


def ask_due(database: Database, now: datetime, present: Collection[int] | None) -> bool:
    """The same, for who asks every second: without a session."""
    return bool(database.ask(*_any_due(now, present, False)))


def _any_due(
    now: datetime, present: Collection[int] | None, called: bool
) -> tuple[Select[int], dict[str, datetime]]:
    """The question, and its values."""
    if present is None and not called:
        return _ANY_DUE, {"now": now, "late": now - ABSENT}
    due = _is_due(now, now - ABSENT, present, called)
    return select(CoaRequest.id).where(*due).limit(1), {}


def _is_due(
    now: Any, late: Any, present: Collection[int] | None, called: bool
) -> tuple[ColumnElement[bool], ...]:
    """Args: now, late: this moment and `ABSENT` before it, or what stands for them."""
    reverse = CoaRequest.nas_client_id.in_(
        select(NasClient.id).where(
            or_(NasClient.coa_address == nas.OVER_RADSEC, NasClient.vendor.in_(POLLING))
        )
    )
    by_call = (
        select(GrantedSession.session_key)
        .where(GrantedSession.session_key == CoaRequest.session_key)
        .exists()
    )
    queued = CoaRequest.state == State.QUEUED
    if called:
        return queued, CoaRequest.next_try_at <= now, by_call
    if present is None:
        is_late = CoaRequest.next_try_at <= late
        return queued, CoaRequest.next_try_at <= now, or_(not_(or_(reverse, by_call)), is_late)
    here = CoaRequest.nas_client_id.in_(present)
    return queued, CoaRequest.next_try_at <= now, reverse, here, not_(by_call)


_ANY_DUE = (
    select(CoaRequest.id).where(*_is_due(bindparam("now"), bindparam("late"), None, False)).limit(1)
)
"""Asked every second: made once, because making it costs more than asking it."""


def _is_fetched(session: Session, request: CoaRequest) -> bool:
    """Whether somebody else than the sender of datagrams takes it, and did not come for it."""
    if session.get(GrantedSession, request.session_key) is not None:
        return True
    client = session.get(NasClient, request.nas_client_id)
    return client is not None and (
        client.coa_address == nas.OVER_RADSEC or client.vendor in POLLING
    )


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
        .where(
            NetworkSession.session_key == request.session_key,
            NetworkSession.stop_seen == 0,
            NetworkSession.closed_at.is_(None),
        )
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


def drop_finished(session: Session, before: datetime) -> int:
    """Delete requests that were finished before a moment; how many there were."""
    result: Any = session.execute(delete(CoaRequest).where(CoaRequest.finished_at < before))
    return int(result.rowcount)


def find_request(session: Session, request_id: int) -> CoaRequest | None:
    """A request by its number."""
    return session.get(CoaRequest, request_id)


def latest_requests(session: Session, session_keys: Collection[str]) -> dict[str, CoaRequest]:
    """The newest request about each of these sessions."""
    rows = session.scalars(
        select(CoaRequest).where(CoaRequest.session_key.in_(session_keys)).order_by(CoaRequest.id)
    ).all()
    return {row.session_key: row for row in rows}


def _order(
    session: Session, office: Office, request: CoaRequest, row: NetworkSession | WebGrant
) -> Order | None:
    client = session.get(NasClient, request.nas_client_id)
    if client is None or not client.enabled:
        return None
    is_reverse = client.coa_address == nas.OVER_RADSEC
    if isinstance(row, WebGrant):
        return _order_of_grant(office, request, row, client, is_reverse)
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
        address=client.radsec_identity if is_reverse else _address(client, packet),
        port=client.coa_port,
        last_packet=packet,
        is_reverse=is_reverse,
        secret=nas.NO_SECRET.encode() if is_reverse else nas.secret_of(office, client),
    )


def _order_of_grant(
    office: Office, request: CoaRequest, grant: WebGrant, client: NasClient, is_reverse: bool
) -> Order:
    """Of a device that waits: nothing is known of its connection but what the redirect told."""
    where = client.coa_address or grant.source
    return Order(
        request_id=request.id,
        kind=Kind(request.kind),
        change=Change.load(request.wanted),
        attempts=request.attempts,
        session_key=request.session_key,
        user_name="",
        acct_session_id="",
        calling_station_id=grant.calling,
        nas_name=client.name,
        vendor=client.vendor,
        address=client.radsec_identity if is_reverse else where,
        port=client.coa_port,
        last_packet=None,
        audit_session=grant.connection,
        nas_address=grant.nas_address,
        is_reverse=is_reverse,
        secret=nas.NO_SECRET.encode() if is_reverse else nas.secret_of(office, client),
    )


def _address(client: NasClient, packet: LastPacket | None) -> str | None:
    """Where to ask a NAS: where it was told, where it speaks from, or its only address."""
    if client.coa_address is not None:
        return client.coa_address
    network = client.network
    if network is None:  # it comes over TLS from wherever it is; no datagram finds it there
        return None
    if packet is not None:
        return packet.address
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
