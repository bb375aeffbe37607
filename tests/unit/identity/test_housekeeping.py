"""identity.services.housekeeping: what time does by itself, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from db.models import (
    Account,
    AddressInterval,
    AuditEvent,
    CoaRequest,
    NasBoot,
    NetworkSession,
    PortalToken,
    Registration,
    ServiceRun,
    UsageDay,
)
from identity.office import Office
from identity.services import housekeeping, people, registrations, sessions, tokens
from identity.services.housekeeping import Report, run_once
from tests.conftest import ADMIN, add_person
from tests.moved_clock import Clock

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def timed(office_on: Office, clock: Clock) -> Iterator[Office]:
    """An office whose clock the test moves."""
    yield replace(office_on, clock=clock)


def _account(office: Office, name: str) -> Account:
    with office.database.read() as session:
        return people.get(session, name)


def _add_session(office: Office, key: str, **values: Any) -> None:
    fields: dict[str, Any] = {
        "session_key": key,
        "nas_client_id": 1,
        "nas_identity": "ap1",
        "acct_session_id": key,
        "user_name": "somchai",
        "started_at": NOW - timedelta(hours=2),
        "last_heard_at": NOW,
        "session_seconds": 0,
        "stop_seen": 0,
        "input_octets": 0,
        "output_octets": 0,
        **values,
    }
    fields.setdefault("first_heard_at", fields["started_at"])
    with office.database.write() as session:
        session.add(NetworkSession(**fields))


def _listening(office: Office, since: timedelta, alive: timedelta = timedelta(0)) -> None:
    """A RADIUS server that has received for so long and said so a while ago."""
    with office.database.write() as session:
        session.add(
            ServiceRun(
                process="radius",
                node="n/0",
                started_at=NOW - since,
                alive_at=NOW - alive,
                stopped_at=None,
            )
        )


def _closings(office: Office) -> dict[str, tuple[str | None, datetime | None]]:
    with office.database.read() as session:
        rows = session.scalars(select(NetworkSession)).all()
    return {row.session_key: (row.close_cause, row.closed_at) for row in rows}


def test_with_nothing_due_nothing_is_done(timed: Office) -> None:
    assert run_once(timed) == Report()


def test_an_account_expires_at_its_moment_and_keeps_it(timed: Office, clock: Clock) -> None:
    add_person(timed, "somchai")
    with timed.database.write() as session:
        people.set_expiry(session, timed, "somchai", NOW + timedelta(hours=1), "test")
    assert run_once(timed).expired_accounts == 0

    clock.now = NOW + timedelta(hours=1, seconds=20)
    assert run_once(timed).expired_accounts == 1
    account = _account(timed, "somchai")
    assert (account.state, account.ended_at) == ("expired", NOW + timedelta(hours=1))
    with timed.database.read() as session:
        (event,) = session.scalars(select(AuditEvent).where(AuditEvent.actor == "housekeeper"))
    assert (event.action, event.target) == ("account:expired", "somchai")
    assert run_once(timed) == Report()


def test_an_account_suspended_before_keeps_the_moment_it_ended(timed: Office, clock: Clock) -> None:
    add_person(timed, "somchai")
    with timed.database.write() as session:
        people.set_expiry(session, timed, "somchai", NOW + timedelta(hours=1), "test")
        people.set_state(session, timed, "somchai", "suspended", "test")
    clock.now = NOW + timedelta(hours=2)
    run_once(timed)
    account = _account(timed, "somchai")
    assert (account.state, account.ended_at) == ("expired", NOW)


def test_a_year_that_ends_for_everyone_is_done_in_chunks(
    timed: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "_CHUNK", 2)
    for number in range(5):
        add_person(timed, f"pupil{number}")
        with timed.database.write() as session:
            people.set_expiry(session, timed, f"pupil{number}", NOW, "test")
    assert run_once(timed).expired_accounts == 5


def _apply(office: Office, name: str) -> str:
    application = registrations.Application(
        username=name,
        full_name="A Visitor",
        contact="081",
        purpose="a visit",
        password="long enough",
    )
    with office.database.write() as session:
        return registrations.submit(session, office, application).reference


def test_a_guests_registration_follows_the_account(timed: Office, clock: Clock) -> None:
    reference = _apply(timed, "visitor")
    with timed.database.write() as session:
        registrations.approve(session, timed, reference, ADMIN)
    clock.now = NOW + registrations.GUEST_LIFETIME
    assert run_once(timed).expired_accounts == 1
    with timed.database.read() as session:
        registration = registrations.find(session, reference)
        assert registration is not None
        assert registration.state == "expired"

    # More time for the guest: the account comes back, the old application does not.
    with timed.database.write() as session:
        later = clock.now + timedelta(days=2)
        people.set_expiry(session, timed, "visitor", later, "test")
        account = people.set_state(session, timed, "visitor", "active", "test")
        registrations.follow_account(session, account)
        again = registrations.find(session, reference)
        assert again is not None
        assert (account.state, again.state) == ("active", "expired")


def test_an_application_nobody_decided_is_closed(timed: Office, clock: Clock) -> None:
    _apply(timed, "visitor")
    clock.now = NOW + registrations.PENDING_LIFETIME
    assert run_once(timed).expired_registrations == 1
    with timed.database.read() as session:
        assert session.scalars(select(Registration.state)).all() == ["expired"]


def test_tokens_are_dropped_a_day_after_they_died(timed: Office, clock: Clock) -> None:
    add_person(timed, "somchai")
    with timed.database.write() as session:
        tokens.mint(session, timed, people.get(session, "somchai"))
    clock.now = NOW + timedelta(hours=23)
    assert run_once(timed).dropped_tokens == 0
    clock.now = NOW + timedelta(hours=25)
    assert run_once(timed).dropped_tokens == 1
    with timed.database.read() as session:
        assert session.scalars(select(PortalToken)).all() == []


def test_a_session_that_fell_silent_is_closed_when_it_was_last_heard(timed: Office) -> None:
    _listening(timed, timedelta(hours=1))
    heard = NOW - timedelta(minutes=35)
    _add_session(timed, "silent", last_heard_at=heard, session_seconds=3600)
    _add_session(timed, "late", last_heard_at=NOW - timedelta(minutes=34), session_seconds=3600)
    _add_session(timed, "stopped", last_heard_at=heard, session_seconds=1, stop_seen=1)
    assert run_once(timed).silent_sessions == 1
    assert _closings(timed) == {
        "silent": ("silent", heard),
        "late": (None, None),
        "stopped": (None, None),
    }


@pytest.mark.parametrize(
    ("since", "alive"),
    [
        pytest.param(timedelta(minutes=34), timedelta(0), id="it came back lately"),
        pytest.param(timedelta(hours=9), timedelta(minutes=2), id="it is down"),
    ],
)
def test_silence_while_nobody_listened_closes_nothing(
    timed: Office, since: timedelta, alive: timedelta
) -> None:
    _listening(timed, since, alive)
    heard = NOW - timedelta(hours=8)
    _add_session(timed, "silent", last_heard_at=heard, session_seconds=3600)
    assert run_once(timed) == Report()


def test_how_many_missed_updates_mean_silence_is_the_site_s_choice(
    timed: Office, clock: Clock
) -> None:
    radius = timed.config.radius.model_copy(update={"missed_interims": 3})
    strict = replace(timed, config=timed.config.model_copy(update={"radius": radius}))
    _listening(timed, timedelta(hours=1))
    _add_session(timed, "silent", last_heard_at=NOW - timedelta(minutes=15), session_seconds=3600)
    assert run_once(timed).silent_sessions == 0
    assert run_once(strict).silent_sessions == 1


def test_what_no_quota_and_no_officer_needs_any_more_is_dropped(
    timed: Office, clock: Clock
) -> None:
    _add_session(timed, "s")
    with timed.database.write() as session:
        session.add(
            UsageDay(
                session_key="s",
                day=NOW.date(),
                account_id=1,
                octets=1,
                seconds=1,
                counted_octets=1,
                counted_seconds=1,
                counted_until=NOW,
            )
        )
        for state in ("queued", "acked"):
            session.add(
                CoaRequest(
                    created_at=NOW,
                    kind="coa",
                    session_key="s",
                    nas_client_id=1,
                    reason="officer",
                    actor="head",
                    not_before=NOW,
                    next_try_at=NOW,
                    state=state,
                    finished_at=None if state == "queued" else NOW,
                )
            )
    done = run_once(timed)
    assert (done.dropped_usage_days, done.dropped_requests) == (0, 0)
    clock.now = NOW + timedelta(days=timed.config.archive.retention_days, seconds=1)
    done = run_once(timed)
    assert (done.dropped_usage_days, done.dropped_requests) == (1, 1)


def test_a_nas_that_never_sends_interim_updates_has_a_day(timed: Office, clock: Clock) -> None:
    _listening(timed, timedelta(hours=3))
    started = NOW - timedelta(hours=2)
    _add_session(timed, "quiet", last_heard_at=started, nas_identity="quiet-ap")
    _add_session(timed, "dead", last_heard_at=started, nas_identity="speaking-ap")
    _add_session(timed, "speaks", session_seconds=600, nas_identity="speaking-ap")
    assert run_once(timed).silent_sessions == 1
    assert _closings(timed)["dead"] == ("silent", started)
    assert _closings(timed)["quiet"] == (None, None)

    clock.now = started + timedelta(hours=24)
    run_once(timed)
    assert _closings(timed)["quiet"] == ("silent", started)


def test_sessions_from_before_a_restart_are_closed_at_the_restart(timed: Office) -> None:
    boot = NOW - timedelta(minutes=10)
    with timed.database.write() as session:
        session.add(NasBoot(nas_client_id=1, nas_identity="ap1", at=boot, status_type=7))
        session.add(NasBoot(nas_client_id=1, nas_identity="ap1", at=NOW, status_type=8))
    _add_session(timed, "before", last_heard_at=boot - timedelta(minutes=1))
    _add_session(timed, "heard-since", last_heard_at=NOW + timedelta(seconds=1))
    _add_session(timed, "other-device", last_heard_at=boot, nas_identity="ap2")
    _add_session(timed, "other-nas", last_heard_at=boot, nas_client_id=2)
    assert run_once(timed).restarted_sessions == 1
    assert _closings(timed) == {
        "before": ("nas_restarted", boot),
        "heard-since": (None, None),
        "other-device": (None, None),
        "other-nas": (None, None),
    }


def test_sessions_are_listed_with_who_when_and_where(timed: Office) -> None:
    number = add_person(timed, "somchai")
    _add_session(
        timed,
        "open",
        account_id=number,
        calling_station_id="3c22fb010203",
        started_at=NOW - timedelta(minutes=5),
    )
    _add_session(timed, "over", stop_seen=1, stop_at=NOW, session_seconds=60, user_name="Other")
    with timed.database.write() as session:
        for address, seen in (("10.0.0.7", 1), ("10.0.0.8", 3)):
            session.add(
                AddressInterval(
                    session_key="open",
                    address=address,
                    source="radius",
                    from_at=NOW - timedelta(minutes=5 - seen),
                    to_at=NOW - timedelta(minutes=5 - seen),
                )
            )
    with timed.database.read() as session:
        newest, oldest = sessions.list_sessions(session)
        active = sessions.list_sessions(session, active=True)
        of_person = sessions.list_sessions(session, username="SOMCHAI")
        by_name_sent = sessions.list_sessions(session, username="other")
        one = sessions.list_sessions(session, limit=1)
    assert (newest.session_key, newest.account, newest.mac) == (
        "open",
        "somchai",
        "3c:22:fb:01:02:03",
    )
    assert newest.until is None
    assert [(span.address, span.from_at, span.to_at) for span in newest.addresses] == [
        ("10.0.0.7", NOW - timedelta(minutes=5), NOW - timedelta(minutes=2)),
        ("10.0.0.8", NOW - timedelta(minutes=2), None),
    ]
    assert (oldest.account, oldest.nas) == (None, "#1")
    assert oldest.until == NOW - timedelta(hours=2) + timedelta(seconds=61)
    assert [view.session_key for view in active] == ["open"]
    assert [view.session_key for view in of_person] == ["open"]
    assert [view.session_key for view in by_name_sent] == ["over"]
    assert [view.session_key for view in one] == ["open"]
