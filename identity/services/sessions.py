"""Sessions as the ledger holds them, with names: for lists, reports and the command line.

Says when a session was, who answers for it and which addresses it had. Who was behind one
address at one time is traffic.lookup's question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from common.net import find_mac, format_mac
from db.models import Account, AddressInterval, NasClient, NetworkSession
from identity.domain.sessions import (
    AddressSpan,
    AddressState,
    address_spans,
    ended_at,
)
from identity.domain.spellings import spellings
from identity.services import people
from identity.services.known_grants import known_by_grant
from identity.services.session_states import address_state, session_state

ACCOUNTING = "accounting"

_KEYS_A_QUERY = 500
"""SQLite takes 32,766 parameters in one statement, older ones 999."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """One session, readable. `until` is None while it is open."""

    session_key: str
    user_name: str
    account: str | None
    full_name: str
    nas: str
    mac: str | None
    called_station_id: str | None
    addresses: tuple[AddressSpan, ...]
    started_at: datetime
    until: datetime | None
    last_heard_at: datetime
    session_seconds: int
    input_octets: int
    output_octets: int
    terminate_cause: int | None
    close_cause: str | None
    known_by: str
    """`accounting`, or how else it is known (identity.domain.granting.Basis)."""


def list_sessions(
    session: Session, *, active: bool = False, username: str | None = None, limit: int = 1000
) -> Sequence[SessionView]:
    """The newest sessions first; those of `username` by account or by the name that was sent.

    Raises:
        NotFound: nobody of that name has an account or ever had a session.
    """
    query = select(NetworkSession).order_by(NetworkSession.first_heard_at.desc()).limit(limit)
    if active:
        query = query.where(NetworkSession.closed_at.is_(None), NetworkSession.stop_seen == 0)
    if username is not None:
        query = query.where(_belongs_to(session, username))
    rows = session.scalars(query).all()
    spans = _address_states(session, [row.session_key for row in rows])
    accounts = _accounts(session, {row.account_id for row in rows})
    granted = known_by_grant(session, [row.session_key for row in rows])
    nas_names = {
        number: name for number, name in session.execute(select(NasClient.id, NasClient.name))
    }
    return [
        _view(
            row,
            accounts.get(row.account_id or 0),
            nas_names.get(row.nas_client_id, f"#{row.nas_client_id}"),
            spans.get(row.session_key, []),
            granted.get(row.session_key, ACCOUNTING),
        )
        for row in rows
    ]


def _belongs_to(session: Session, username: str) -> ColumnElement[bool]:
    name = find_mac(username) or username.strip()
    account = people.find(session, name)
    sent = func.lower(NetworkSession.user_name).in_(spellings(name))
    if account is not None:
        return or_(NetworkSession.account_id == account.id, sent)
    if session.scalar(select(NetworkSession.session_key).where(sent).limit(1)) is None:
        people.get(session, name)
    return sent


def _address_states(session: Session, keys: Sequence[str]) -> dict[str, list[AddressState]]:
    found: dict[str, list[AddressState]] = {}
    for start in range(0, len(keys), _KEYS_A_QUERY):
        rows = session.scalars(
            select(AddressInterval)
            .where(AddressInterval.session_key.in_(keys[start : start + _KEYS_A_QUERY]))
            .order_by(AddressInterval.session_key)
        ).all()
        for key, group in groupby(rows, key=lambda row: row.session_key):
            found[key] = [address_state(row) for row in group]
    return found


def _accounts(session: Session, numbers: set[int | None]) -> dict[int, Account]:
    wanted = sorted(number for number in numbers if number is not None)
    found: dict[int, Account] = {}
    for start in range(0, len(wanted), _KEYS_A_QUERY):
        rows = session.scalars(
            select(Account).where(Account.id.in_(wanted[start : start + _KEYS_A_QUERY]))
        )
        found.update({account.id: account for account in rows})
    return found


def _view(
    row: NetworkSession,
    account: Account | None,
    nas: str,
    addresses: Sequence[AddressState],
    known_by: str,
) -> SessionView:
    state = session_state(row)
    spans = address_spans(state, addresses, row.closed_at)
    mac = find_mac(row.calling_station_id) if row.calling_station_id else None
    return SessionView(
        session_key=row.session_key,
        user_name=row.user_name,
        account=account.username if account else None,
        full_name=account.full_name if account else "",
        nas=nas,
        mac=format_mac(mac) if mac else row.calling_station_id,
        called_station_id=row.called_station_id,
        addresses=tuple(sorted(spans, key=lambda span: (span.from_at, span.address))),
        started_at=row.started_at,
        until=ended_at(state, row.closed_at),
        last_heard_at=row.last_heard_at,
        session_seconds=row.session_seconds,
        input_octets=row.input_octets,
        output_octets=row.output_octets,
        terminate_cause=row.terminate_cause,
        close_cause=row.close_cause,
        known_by=known_by,
    )
