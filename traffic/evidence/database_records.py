"""Rows of the database that bear on an export: sessions, addresses, accounting, logins, accounts.

Of a session's accounting only what shows that it was open then: its start and stop, what came
in the period, and the last before it and the first after it. Exact octets lie beside the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from common.clock import to_rfc3339
from common.net import find_mac
from db.models import (
    Account,
    AccountingEvent,
    AddressInterval,
    AuthEvent,
    Base,
    NasClient,
    NetworkSession,
)
from identity.domain.spellings import spellings
from identity.services.named import account_id_of
from traffic.evidence.subjects import Found
from traffic.evidence.tables import Table
from traffic.lookup.holders import address_spellings
from traffic.lookup.question import CLOCK_ERROR

_START, _STOP = 1, 2
_PIECE = 400
"""Parameters of one statement; SQLite takes a limited number."""


def database_tables(
    session: Session, found: Sequence[Found], archived: Iterable[int], zone: str
) -> list[Table]:
    """The tables of everything that was found, each record once.

    Args:
        archived: accounts of sessions that have moved into the archive.
    """
    keys = sorted({key for one in found for key in one.sessions})
    rows = list(_rows(session, NetworkSession, NetworkSession.session_key, keys))
    tables = [_plain("sessions", rows, zone, lambda row: row.session_key)]
    intervals = [
        row
        for row in _rows(session, AddressInterval, AddressInterval.session_key, keys)
        if any(_concerns(one, row) for one in found)
    ]
    tables.append(
        _plain("addresses", intervals, zone, lambda row: f"{row.session_key}/{row.address}")
    )
    tables.append(_accounting(session, found, keys, zone))
    logins = _logins(session, found, rows)
    tables.append(_plain("logins", logins, zone, lambda row: str(row.id), without=("trace",)))
    numbers = {row.account_id for row in (*rows, *logins) if row.account_id is not None}
    tables.append(_accounts(session, numbers | set(archived), zone))
    return tables


def _rows(session: Session, model: Any, column: Any, values: Iterable[Any]) -> Iterator[Any]:
    listed = sorted(set(values))
    for start in range(0, len(listed), _PIECE):
        query = select(model).where(column.in_(listed[start : start + _PIECE])).order_by(column)
        yield from session.scalars(query).unique()


def _concerns(found: Found, row: AddressInterval) -> bool:
    if row.session_key not in found.sessions:
        return False
    if found.everyone:
        return True
    spelled = {text for address in found.addresses for text in _spellings(address)}
    return row.address in spelled


def _spellings(address: str) -> list[str]:
    return [address] if "/" in address else address_spellings(address)


def _accounting(session: Session, found: Sequence[Found], keys: Sequence[str], zone: str) -> Table:
    table = Table("accounting")
    names = {number: name for number, name in session.execute(select(NasClient.id, NasClient.name))}
    spans = {key: [one.window for one in found if key in (one.sessions)] for key in keys}
    events: dict[str, list[AccountingEvent]] = {}
    for event in _rows(session, AccountingEvent, AccountingEvent.session_key, keys):
        events.setdefault(event.session_key, []).append(event)
    chosen: dict[int, AccountingEvent] = {}
    for key, listed in events.items():
        listed.sort(key=lambda event: event.id)
        for window in spans[key]:
            before = [event for event in listed if event.received_at < window.from_at]
            after = [event for event in listed if event.received_at > window.to_at]
            wanted = [event for event in listed if event.status_type in (_START, _STOP)]
            wanted += [
                event for event in listed if window.from_at <= event.received_at <= window.to_at
            ]
            chosen.update({event.id: event for event in [*wanted, *before[-1:], *after[:1]]})
    for number in sorted(chosen):
        event = chosen[number]
        row = _tree(event, zone, without=("octets", "id"))
        row = {"record": f"accounting_event:{number}", "nas": names.get(event.nas_client_id), **row}
        table.add(row, event.octets, "radius")
    return table


def _logins(
    session: Session, found: Sequence[Found], sessions: Sequence[NetworkSession]
) -> list[AuthEvent]:
    """The login that each session came of, and all of the period of a person or device named."""
    references = {row.session_ref for row in sessions if row.session_ref}
    chosen = {row.id: row for row in _rows(session, AuthEvent, AuthEvent.session_ref, references)}
    for one in found:
        named: list[ColumnElement[bool]] = []
        if one.subject.address is None and one.subject.user is not None:
            name = find_mac(one.subject.user) or one.subject.user
            account = account_id_of(session, name)
            named.append(
                AuthEvent.user_name.in_(spellings(name))
                if account is None
                else AuthEvent.account_id == account
            )
        if one.subject.address is None and one.subject.mac is not None:
            named.append(AuthEvent.calling_station_id == one.subject.mac)
        if one.everyone or named:
            query = select(AuthEvent).where(
                AuthEvent.at >= one.subject.window.from_at - CLOCK_ERROR,
                AuthEvent.at <= one.subject.window.to_at + CLOCK_ERROR,
                *named,
            )
            chosen.update({row.id: row for row in session.scalars(query)})
    return [chosen[number] for number in sorted(chosen)]


def _accounts(session: Session, numbers: Iterable[int], zone: str) -> Table:
    """Who answers for each account, and how that is known; no more of a person than that."""
    table = Table("accounts")
    for account in _rows(session, Account, Account.id, numbers):
        person, sponsor, owner = account.person, None, None
        if account.sponsor_id is not None:
            sponsor = session.get_one(Account, account.sponsor_id).username
        if account.owner_id is not None:
            owner = session.get_one(Account, account.owner_id).username
        row: dict[str, Any] = {
            "record": f"account:{account.id}",
            "account_id": account.id,
            "username": account.username,
            "kind": account.kind,
            "full_name": account.full_name,
            "person_code": person.person_code if person else None,
            "organisation": account.organisation.name if account.organisation else None,
            "role": account.role.name,
            "sponsor": sponsor,
            "owner": owner,
            "guest_contact": account.contact if account.kind == "guest" else None,
            "proofing_method": person.proofing_method if person else None,
            "proofed_by": person.proofed_by if person else None,
            "proofed_at": _value(person.proofed_at, zone) if person else None,
            "state": account.state,
            "created_at": _value(account.created_at, zone),
            "ended_at": _value(account.ended_at, zone),
        }
        table.add(row)
    return table


def _plain(
    name: str, rows: Iterable[Any], zone: str, key: Any, without: Sequence[str] = ()
) -> Table:
    table = Table(name)
    for row in rows:
        table.add(
            {"record": f"{row.__tablename__}:{key(row)}", **_tree(row, zone, without=without)}
        )
    return table


def _tree(row: Base, zone: str, without: Sequence[str] = ()) -> dict[str, Any]:
    return {
        column.key: _value(getattr(row, column.key), zone)
        for column in row.__table__.columns
        if column.key not in without
    }


def _value(value: Any, zone: str) -> Any:
    return to_rfc3339(value, zone) if isinstance(value, datetime) else value
