"""Who is online now: open sessions of an account, and the session behind an address.

Reads what accounting wrote. It says nothing about the past; that is traffic.lookup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.net import parse_address
from db.models import Account, AddressInterval, NetworkSession
from identity.domain.sessions import address_spans
from identity.services.session_states import address_state, session_state

_SHORTEST_PREFIX = 32
"""No site hands a client more than a /32 of IPv6."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """One open session as its owner may see it."""

    session_key: str
    account_id: int | None
    mac: str
    addresses: tuple[str, ...]
    started_at: datetime
    last_heard_at: datetime
    input_octets: int
    output_octets: int
    ends_at: datetime | None
    """When the role's session time or the account's expiry ends it; None without a limit."""


def open_sessions(session: Session, account_id: int) -> Sequence[Presence]:
    """The open sessions of an account, newest first."""
    rows = session.scalars(
        select(NetworkSession)
        .where(
            NetworkSession.account_id == account_id,
            NetworkSession.closed_at.is_(None),
            NetworkSession.stop_seen == 0,
        )
        .order_by(NetworkSession.first_heard_at.desc())
    ).all()
    account = session.get(Account, account_id)
    return [_presence(row, _held(session, row), account) for row in rows]


def session_of(session: Session, address: str) -> Presence | None:
    """The open session that holds `address` now, or None.

    When two sessions claim it, the one heard last is taken: the other has lost its stop.
    """
    rows = session.scalars(
        select(NetworkSession)
        .join(AddressInterval, AddressInterval.session_key == NetworkSession.session_key)
        .where(
            AddressInterval.address.in_(_spellings(address)),
            NetworkSession.closed_at.is_(None),
            NetworkSession.stop_seen == 0,
        )
        .order_by(NetworkSession.last_heard_at.desc())
    ).unique()
    wanted = set(_spellings(address))
    for row in rows:
        held = _held(session, row)
        if wanted.intersection(held):
            account = session.get(Account, row.account_id) if row.account_id else None
            return _presence(row, held, account)
    return None


def _held(session: Session, row: NetworkSession) -> tuple[str, ...]:
    """The addresses a session holds now: those whose span is still open."""
    intervals = session.scalars(
        select(AddressInterval).where(AddressInterval.session_key == row.session_key)
    ).all()
    spans = address_spans(session_state(row), [address_state(item) for item in intervals])
    return tuple(sorted({span.address for span in spans if span.to_at is None}))


def _presence(row: NetworkSession, addresses: tuple[str, ...], account: Account | None) -> Presence:
    ends = []
    if account is not None:
        if account.role.session_seconds is not None:
            ends.append(row.started_at + timedelta(seconds=account.role.session_seconds))
        if account.expires_at is not None:
            ends.append(account.expires_at)
    return Presence(
        session_key=row.session_key,
        account_id=row.account_id,
        mac=row.calling_station_id or "",
        addresses=addresses,
        started_at=row.started_at,
        last_heard_at=row.last_heard_at,
        input_octets=row.input_octets,
        output_octets=row.output_octets,
        ends_at=min(ends, default=None),
    )


def _spellings(address: str) -> Sequence[str]:
    """The address as it may be stored: itself, or an IPv6 prefix that contains it."""
    parsed = parse_address(address)
    if parsed.version == 4:
        return [str(parsed)]
    prefixes = (
        str(ip_network((parsed, length), strict=False)) for length in range(_SHORTEST_PREFIX, 129)
    )
    return [str(parsed), *prefixes]
