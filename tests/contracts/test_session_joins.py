"""The joins of identity.domain.sessions and those of the ledgers' SQL are the same joins.

Accounting packets are cut into batches anywhere, in any order, with copies; what the
database holds must equal what the Python joins of all of them give.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from db.engine import Database
from db.ledger import open_ledger
from db.ledger.batch import ADDRESS_COLUMNS, SESSION_COLUMNS, Batch
from db.ledger.statements import SESSION_JOINS
from db.models import AddressInterval, NetworkSession
from db.models.base import to_micros
from identity.domain.sessions import (
    AddressState,
    SessionState,
    join_addresses,
    join_sessions,
)
from tests.conftest import Site

_EPOCH = datetime(2026, 11, 22, tzinfo=UTC)
_moments = st.integers(0, 5000).map(lambda second: _EPOCH + timedelta(seconds=second))
_texts = st.none() | st.sampled_from(["a", "Z", "ก", "é", "10"])
_counts = st.integers(0, 2**63 - 1)


@st.composite
def sessions(draw: st.DrawFn) -> SessionState:
    return SessionState(
        session_key=draw(st.sampled_from(["k1", "k2", "k3"])),
        nas_client_id=1,
        nas_identity="ap",
        acct_session_id="1",
        user_name="u",
        account_id=draw(st.none() | st.integers(1, 3)),
        session_ref=draw(_texts),
        called_station_id=draw(_texts),
        nas_port=draw(_texts),
        started_at=draw(_moments),
        last_heard_at=draw(_moments),
        session_seconds=draw(st.integers(0, 10**6)),
        stop_seen=draw(st.integers(0, 1)),
        stop_at=draw(st.none() | _moments),
        terminate_cause=draw(st.none() | st.integers(0, 20)),
        input_octets=draw(_counts),
        output_octets=draw(_counts),
    )


@st.composite
def addresses(draw: st.DrawFn) -> AddressState:
    return AddressState(
        session_key=draw(st.sampled_from(["k1", "k2"])),
        address=draw(st.sampled_from(["10.0.0.1", "2001:db8::1"])),
        from_at=draw(_moments),
        to_at=draw(_moments),
        first_offset_seconds=draw(st.none() | st.integers(0, 5000)),
        last_offset_seconds=draw(st.none() | st.integers(0, 5000)),
    )


def _row(state: SessionState | AddressState, columns: Sequence[str]) -> tuple[object, ...]:
    renamed = {"first_heard_at": "last_heard_at"}
    values = (getattr(state, renamed.get(column, column)) for column in columns)
    return tuple(to_micros(value) if isinstance(value, datetime) else value for value in values)


def _joined(states: Sequence[SessionState]) -> dict[str, SessionState]:
    joined: dict[str, SessionState] = {}
    for state in states:
        known = joined.get(state.session_key)
        joined[state.session_key] = state if known is None else join_sessions(known, state)
    return joined


def _joined_addresses(states: Sequence[AddressState]) -> dict[tuple[str, str], AddressState]:
    joined: dict[tuple[str, str], AddressState] = {}
    for state in states:
        key = (state.session_key, state.address)
        known = joined.get(key)
        joined[key] = state if known is None else join_addresses(known, state)
    return joined


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(st.lists(sessions(), max_size=4), max_size=5),
    st.lists(st.lists(addresses(), max_size=4), max_size=5),
)
def test_sql_and_python_join_alike(
    site_on: Site,
    session_batches: list[list[SessionState]],
    address_batches: list[list[AddressState]],
) -> None:
    database = Database(site_on.config.database_url)
    ledger = open_ledger(site_on.config.database_url)
    event = (0, 1, "127.0.0.1#1", 3, "k1", None, None, None, None, None, b"\x04")
    try:
        with database.write() as session:
            session.execute(delete(NetworkSession))
            session.execute(delete(AddressInterval))
        for index in range(max(len(session_batches), len(address_batches))):
            batch = Batch(accounting_events=[event], is_placed=True)
            for states in session_batches[index : index + 1]:
                batch.sessions = [_row(s, SESSION_COLUMNS) for s in _joined(states).values()]
            for held in address_batches[index : index + 1]:
                rows = _joined_addresses(held).values()
                batch.addresses = [_row(state, ADDRESS_COLUMNS) for state in rows]
            ledger.commit(batch)
        expected = _joined([state for states in session_batches for state in states])
        spans = _joined_addresses([state for states in address_batches for state in states])
        with database.read() as session:
            stored = {row.session_key: row for row in session.scalars(select(NetworkSession))}
            held_rows = {
                (row.session_key, row.address): row
                for row in session.scalars(select(AddressInterval))
            }
        assert stored.keys() == expected.keys()
        for key, state in expected.items():
            for column in SESSION_JOINS:
                assert getattr(stored[key], column) == getattr(state, column), column
        assert held_rows.keys() == spans.keys()
        for place, span in spans.items():
            for column in ADDRESS_COLUMNS:
                assert getattr(held_rows[place], column) == getattr(span, column), column
    finally:
        ledger.close()
        database.dispose()
