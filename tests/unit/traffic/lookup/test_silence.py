"""Sessions that ended without a word, or seem to go on: how long their holder is certain."""

from __future__ import annotations

from datetime import timedelta

import pytest

from common.clock import utc_now
from db.engine import Database
from db.models import NetworkSession
from identity.domain.sessions import CloseCause
from tests.conftest import Site
from tests.unit.traffic.lookup.test_service import SENT, add_session, ask
from tests.unit.traffic.lookup.test_service import database as database
from traffic.lookup.service import UNPROVEN


def close_as_silent(database: Database, key: str) -> None:
    with database.write() as session:
        row = session.get_one(NetworkSession, key)
        row.closed_at, row.close_cause = row.last_heard_at, CloseCause.SILENT


@pytest.mark.parametrize(
    ("reports", "after_minutes", "outcome"),
    [
        pytest.param(True, 20, "ambiguous", id="before-the-silence-was-long"),
        pytest.param(True, 40, "none", id="after-it"),
        pytest.param(False, 600, "ambiguous", id="a-gateway-that-never-reports"),
    ],
)
def test_a_session_that_fell_silent_may_have_gone_on(
    site: Site, database: Database, reports: bool, after_minutes: int, outcome: str
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -60 * after_minutes, None)
    close_as_silent(database, "k1")
    add_session(database, "k2", "malee", "10.1.2.9", -60, None)
    with database.write() as session:
        session.get_one(NetworkSession, "k2").session_seconds = 30 if reports else 0
    found = ask(site, database, "10.1.2.3")
    assert found["outcome"] == outcome
    named = [one["user_name"] for one in found["candidates"]]
    assert named == (["somchai", None] if outcome == "ambiguous" else [])
    assert (UNPROVEN in found["warnings"]) == (outcome == "ambiguous")


@pytest.mark.parametrize(
    ("asked_after", "outcome"),
    [
        pytest.param(200, "single", id="before-its-last-report"),
        pytest.param(900, "ambiguous", id="after-it"),
        pytest.param(86_400, "ambiguous", id="long-after-it"),
    ],
)
def test_a_session_that_fell_silent_is_not_certain_because_nobody_has_closed_it(
    site: Site, database: Database, asked_after: int, outcome: str
) -> None:
    """The housekeeper closes such sessions, and may be what stands still."""
    add_session(database, "k1", "somchai", "10.1.2.3", 0, None)
    with database.write() as session:
        row = session.get_one(NetworkSession, "k1")
        row.session_seconds, row.last_heard_at = 300, SENT + timedelta(seconds=300)
    found = ask(site, database, "10.1.2.3", at=SENT + timedelta(seconds=asked_after))
    assert found["outcome"] == outcome
    assert found["candidates"][0]["user_name"] == "somchai"
    assert (UNPROVEN in found["warnings"]) == (outcome == "ambiguous")


def test_a_session_that_still_reports_is_certain(site: Site, database: Database) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", 0, None)
    with database.write() as session:
        row = session.get_one(NetworkSession, "k1")
        row.session_seconds, row.last_heard_at = 300, utc_now() - timedelta(minutes=30)
    assert ask(site, database, "10.1.2.3", at=SENT + timedelta(seconds=900))["outcome"] == "single"


def test_a_silent_session_is_dated_by_the_stopwatch_not_by_receipt(
    site: Site, database: Database
) -> None:
    """Its last report waited an hour in a queue: it tells of then, not of now."""
    add_session(database, "k1", "somchai", "10.1.2.3", -4000, None)
    with database.write() as session:
        row = session.get_one(NetworkSession, "k1")
        row.session_seconds, row.last_heard_at = 300, SENT - timedelta(seconds=100)
    close_as_silent(database, "k1")
    assert ask(site, database, "10.1.2.3", at=SENT - timedelta(seconds=3800))["outcome"] == "single"
    assert ask(site, database, "10.1.2.3")["outcome"] == "none"


@pytest.mark.parametrize(
    ("silent_seconds", "outcome"), [(500, "single"), (1800, "ambiguous"), (9000, "none")]
)
def test_a_restart_long_after_the_last_report_ends_nothing_anew(
    site: Site, database: Database, silent_seconds: int, outcome: str
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -silent_seconds - 320, None)
    add_session(database, "k2", "malee", "10.1.2.9", -60, None)
    with database.write() as session:
        row = session.get_one(NetworkSession, "k1")
        row.session_seconds = 300
        row.last_heard_at = SENT - timedelta(seconds=silent_seconds + 20)
        row.closed_at, row.close_cause = SENT + timedelta(seconds=20), CloseCause.NAS_RESTARTED
        session.get_one(NetworkSession, "k2").session_seconds = 30
    assert ask(site, database, "10.1.2.3")["outcome"] == outcome


def test_an_address_given_anew_after_a_silence_is_ambiguous(site: Site, database: Database) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -1200, None)
    close_as_silent(database, "k1")
    add_session(database, "k2", "malee", "10.1.2.3", -60, None)
    assert ask(site, database, "10.1.2.3")["outcome"] == "ambiguous"
