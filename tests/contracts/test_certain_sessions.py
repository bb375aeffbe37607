"""What the ledger takes for certain is what identity.domain.reused_ids would decide, too."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from db.engine import Database
from db.ledger import Ledger, open_ledger
from db.ledger.batch import SESSION_COLUMNS, Batch, UnclearError
from db.models import NetworkSession
from identity.domain.reused_ids import Claim, Course, place
from identity.domain.sessions import SessionState, ended_at
from tests.conftest import Site
from tests.contracts.test_session_joins import _EPOCH, _moments, _row, sessions


def _commit(ledger: Ledger, state: SessionState, is_placed: bool = False) -> None:
    event = (0, 1, "127.0.0.1#1", 3, "k1", None, None, None, None, None, b"\x04")
    row = _row(state, SESSION_COLUMNS)
    ledger.commit(Batch(accounting_events=[event], sessions=[row], is_placed=is_placed))


def _a_session(second: int, stop_after: int | None = None, input_octets: int = 0) -> SessionState:
    started = _EPOCH + timedelta(seconds=second)
    return SessionState(
        session_key="k1",
        nas_client_id=1,
        acct_session_id="1",
        user_name="u",
        started_at=started,
        last_heard_at=started,
        session_seconds=stop_after or 0,
        stop_seen=int(stop_after is not None),
        stop_at=None if stop_after is None else started + timedelta(seconds=stop_after),
        input_octets=input_octets,
    )


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sessions(), sessions(), st.none() | _moments, st.booleans(), st.none() | _moments)
def test_a_packet_that_is_joined_unseen_is_part_of_that_session(
    site_on: Site,
    stored: SessionState,
    coming: SessionState,
    closed_at: datetime | None,
    is_start: bool,
    told_at: datetime | None,
) -> None:
    # A stop comes after its start, and only what has no stop is closed otherwise.
    assume(stored.stop_at is None or stored.started_at <= stored.stop_at)
    stored = replace(
        stored, session_key="k1", last_heard_at=max(stored.started_at, coming.started_at)
    )
    coming = replace(coming, session_key="k1")
    if stored.stop_seen:
        closed_at = None
    database, ledger = Database(site_on.config.database_url), None
    try:
        ledger = open_ledger(site_on.config.database_url)
        with database.write() as session:
            session.execute(delete(NetworkSession))
        _commit(ledger, stored, is_placed=True)
        if closed_at is not None:
            with database.write() as session:
                row = session.get_one(NetworkSession, "k1")
                row.closed_at, row.close_cause = closed_at, "silent"
        try:
            _commit(ledger, coming)
        except UnclearError:
            assert stored.stop_seen or closed_at is not None, "an open session is always joined"
        else:
            end = ended_at(stored, closed_at)
            claim = Claim(coming.session_ref, coming.started_at, is_start, told_at)
            assert place([Course(stored.session_ref, end)], claim) == 1
    finally:
        if ledger is not None:
            ledger.close()
        database.dispose()


def test_nothing_of_an_unclear_batch_is_stored(site_on: Site) -> None:
    ledger = open_ledger(site_on.config.database_url)
    database = Database(site_on.config.database_url)
    try:
        _commit(ledger, _a_session(0, stop_after=60))
        with pytest.raises(UnclearError):
            _commit(ledger, _a_session(120, input_octets=7))
        with database.read() as session:
            row = session.get_one(NetworkSession, "k1")
            assert (row.input_octets, row.stop_seen) == (0, 1)
        _commit(ledger, _a_session(120, input_octets=7), is_placed=True)
        with database.read() as session:
            assert session.get_one(NetworkSession, "k1").input_octets == 7
    finally:
        ledger.close()
        database.dispose()
