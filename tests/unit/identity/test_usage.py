"""identity.services.usage and enforcement: counted after each packet, held to at once.

On both databases, through the ledger as the workers write.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from common.errors import UsageError
from db.append_only import lifted
from db.ledger import Batch, open_ledger
from db.models import AccountingEvent, CoaRequest, NetworkSession, Role, UsageDay
from db.models.base import to_micros
from identity.domain.dynamic import Cause, State
from identity.domain.quota import DayUsage
from identity.office import Office
from identity.services import dynamic, people, roles
from identity.services.enforcement import Enforcement
from identity.services.usage import KEPT, UsageCounter, drop_usage, usage_of
from identity.stores.sql import SqlStore
from tests.conftest import add_person
from tests.moved_clock import Clock

NOW = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)  # Tuesday noon in Bangkok
TODAY = date(2026, 11, 24)
MB = 1_000_000


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def timed(office_on: Office, clock: Clock) -> Iterator[Office]:
    """An office whose clock the test moves."""
    yield replace(office_on, clock=clock)


@pytest.fixture
def somchai(timed: Office) -> int:
    return add_person(timed, "somchai")


def limit(office: Office, **limits: Any) -> None:
    """Limits of the role of pupils."""
    with office.database.write() as session:
        role = session.scalars(select(Role).where(Role.name == "student")).one()
        for name, value in limits.items():
            setattr(role, name, value)


def report(
    office: Office,
    key: str,
    account_id: int | None,
    seconds: int = 0,
    megabytes: float = 0,
    *,
    began: datetime = NOW,
    stop: bool = False,
    reference: str | None = None,
) -> None:
    """One accounting packet, committed by the ledger."""
    heard = to_micros(began + timedelta(seconds=seconds))
    start = to_micros(began)
    batch = Batch(
        accounting_events=[
            (heard, 1, "127.0.0.1#1", 3, key, "x", None, None, seconds, None, b"\x04")
        ],
        sessions=[
            (key, 1, "ap", key, "x", account_id, reference, None, None, None, start, heard,
             heard, seconds, int(stop), heard if stop else None, None, int(megabytes * MB), 0)
        ],
    )  # fmt: skip
    ledger = open_ledger(office.database.url)
    try:
        ledger.commit(batch)
    finally:
        ledger.close()


def used(office: Office, account_id: int) -> dict[date, tuple[int, int]]:
    with office.database.read() as session:
        days = usage_of(session, [account_id], TODAY - KEPT).get(account_id, ())
    return {one.day: (one.octets, one.seconds) for one in days}


def asked(office: Office) -> list[tuple[str, str]]:
    """Which sessions are to end, and why."""
    with office.database.read() as session:
        rows = session.scalars(select(CoaRequest).order_by(CoaRequest.id)).all()
    return [(row.session_key, row.reason) for row in rows]


def test_what_is_new_is_counted_and_only_that(timed: Office, somchai: int) -> None:
    counter = UsageCounter(timed)
    assert counter.turn() == set()
    report(timed, "a", somchai)
    report(timed, "a", somchai, 300, 20)
    assert counter.turn() == {somchai}
    assert used(timed, somchai) == {TODAY: (20 * MB, 300)}
    assert counter.turn() == set()
    report(timed, "a", somchai, 600, 50, stop=True)
    report(timed, "b", somchai, 60, 1)
    assert counter.turn() == {somchai}
    assert used(timed, somchai) == {TODAY: (51 * MB, 660)}


def test_a_session_over_midnight_counts_on_both_days(timed: Office, somchai: int) -> None:
    counter = UsageCounter(timed)
    counter.turn()
    began = datetime(2026, 11, 23, 16, 50, tzinfo=UTC)  # 23:50 in Bangkok
    report(timed, "a", somchai, 1200, 20, began=began)
    counter.turn()
    assert used(timed, somchai) == {
        TODAY - timedelta(days=1): (10 * MB, 600),
        TODAY: (10 * MB, 600),
    }
    report(timed, "a", somchai, 1500, 30, began=began)
    counter.turn()
    assert used(timed, somchai)[TODAY] == (20 * MB, 900)


def test_a_new_counter_goes_on_where_another_ended(timed: Office, somchai: int) -> None:
    report(timed, "a", somchai, 300, 20)
    assert UsageCounter(timed).turn() == {somchai}
    report(timed, "a", somchai, 600, 30)
    with timed.database.write() as session, lifted(session):
        session.execute(delete(AccountingEvent))  # so that only looking back can find it
    report(timed, "z", None)
    assert UsageCounter(timed).turn() == {somchai}
    assert used(timed, somchai) == {TODAY: (30 * MB, 600)}


def test_counting_begins_with_the_week_or_month(timed: Office, somchai: int) -> None:
    report(timed, "old", somchai, 300, 5, began=NOW - timedelta(days=20), stop=True)
    with timed.database.write() as session, lifted(session):
        session.execute(delete(AccountingEvent))
    UsageCounter(timed).turn()
    assert used(timed, somchai) == {TODAY - timedelta(days=20): (5 * MB, 300)}


def test_many_sessions_are_looked_back_at_in_turns(
    timed: Office, somchai: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("identity.services.usage._CHUNK", 3)
    monkeypatch.setattr("identity.services.usage._CHUNKS_A_TURN", 2)
    monkeypatch.setattr("identity.services.usage._NEWEST", 0)
    for number in range(14):
        report(timed, f"s{number}", somchai, 60, 1, stop=True)
    counter = UsageCounter(timed)
    counter.turn()
    assert used(timed, somchai) == {TODAY: (6 * MB, 360)}
    counter.turn()
    counter.turn()
    assert used(timed, somchai) == {TODAY: (14 * MB, 840)}


def test_usage_follows_the_session_to_its_true_owner(timed: Office, somchai: int) -> None:
    suda = add_person(timed, "suda")
    counter = UsageCounter(timed)
    counter.turn()
    report(timed, "a", somchai, 300, 20)
    counter.turn()
    report(timed, "a", suda, 600, 30, reference="ff")
    assert counter.turn() == {suda}
    assert used(timed, somchai) == {}
    assert used(timed, suda) == {TODAY: (30 * MB, 600)}


def test_a_session_of_nobody_is_not_counted(timed: Office, somchai: int) -> None:
    counter = UsageCounter(timed)
    counter.turn()
    report(timed, "a", None, 300, 20)
    assert counter.turn() == set()
    report(timed, "a", somchai, 400, 20)
    counter.turn()
    assert used(timed, somchai) == {TODAY: (20 * MB, 400)}


def test_the_worker_s_store_knows_the_usage(timed: Office, somchai: int) -> None:
    report(timed, "a", somchai, 300, 20)
    report(timed, "b", somchai, 300, 5)
    UsageCounter(timed).turn()
    store = SqlStore(timed)
    assert store.usage([somchai, 999]) == {
        somchai: (DayUsage(TODAY, 25 * MB, 600),),
        999: (),
    }
    store.close()


def test_old_days_are_dropped(timed: Office, somchai: int) -> None:
    report(timed, "a", somchai, 300, 20)
    UsageCounter(timed).turn()
    with timed.database.write() as session:
        assert drop_usage(session, TODAY + KEPT) == 0
        assert drop_usage(session, TODAY + KEPT + timedelta(days=1)) == 1


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    packets=st.permutations([(60 * n, n * n) for n in range(8)]),
    turns=st.sets(st.integers(0, 7)),
)
def test_any_order_of_packets_and_turns_counts_the_same(
    timed: Office, packets: list[tuple[int, int]], turns: set[int]
) -> None:
    with timed.database.write() as session, lifted(session):
        for table in (UsageDay, NetworkSession, AccountingEvent):
            session.execute(delete(table))
    counter = UsageCounter(timed)
    for number, (seconds, megabytes) in enumerate(packets):
        report(timed, "a", 1, seconds, megabytes)
        if number in turns:
            counter.turn()
    counter.turn()
    assert used(timed, 1) == {TODAY: (49 * MB, 420)}


def test_who_has_used_up_a_quota_is_to_leave(timed: Office, somchai: int) -> None:
    limit(timed, quota_mb_day=100)
    suda = add_person(timed, "suda")
    watch = Enforcement(timed)
    assert watch.turn() == {}
    report(timed, "a", somchai, 300, 60)
    report(timed, "b", somchai, 300, 30)
    report(timed, "c", suda, 300, 60)
    assert watch.turn() == {}
    report(timed, "a", somchai, 600, 75)
    assert watch.turn() == {"sessions_to_end_by_quota": 2}
    assert sorted(asked(timed)) == [("a", Cause.QUOTA), ("b", Cause.QUOTA)]
    report(timed, "a", somchai, 900, 80)
    assert watch.turn() == {}


@pytest.mark.parametrize(
    ("limits", "seconds", "megabytes"),
    [
        ({"quota_mb_week": 50}, 60, 50),
        ({"quota_mb_month": 50}, 60, 51),
        ({"quota_minutes_day": 5}, 300, 0),
        ({"quota_minutes_week": 5}, 300, 0),
        ({"quota_minutes_month": 5}, 301, 0),
    ],
)
def test_every_kind_of_quota_is_held(
    timed: Office, somchai: int, limits: dict[str, int], seconds: int, megabytes: int
) -> None:
    limit(timed, **limits)
    watch = Enforcement(timed)
    watch.turn()
    report(timed, "a", somchai, seconds, megabytes)
    watch.turn()
    assert asked(timed) == [("a", Cause.QUOTA)]


def test_a_quota_that_is_lowered_holds_at_once(timed: Office, somchai: int) -> None:
    limit(timed, quota_mb_day=100)
    watch = Enforcement(timed)
    watch.turn()
    report(timed, "a", somchai, 300, 60)
    watch.turn()
    limit(timed, quota_mb_day=50)
    watch.turn()
    assert asked(timed) == [("a", Cause.QUOTA)]


def test_a_first_quota_counts_what_was_before_it(timed: Office, somchai: int) -> None:
    watch = Enforcement(timed)
    report(timed, "a", somchai, 300, 60)
    assert watch.turn() == {}
    assert used(timed, somchai) == {}
    limit(timed, quota_mb_day=50)
    watch.turn()
    assert asked(timed) == [("a", Cause.QUOTA)]


def test_when_school_closes_sessions_end(timed: Office, somchai: int, clock: Clock) -> None:
    limit(timed, hours="mon-fri 07:30-17:00")
    watch = Enforcement(timed)
    clock.now = datetime(2026, 11, 24, 16, 59, 58, tzinfo=ZoneInfo("Asia/Bangkok"))
    report(timed, "a", somchai, 300, began=clock.now - timedelta(seconds=300))
    assert watch.turn() == {}
    clock.now += timedelta(seconds=4)
    assert watch.turn() == {"sessions_to_end_by_hours": 1}
    assert asked(timed) == [("a", Cause.HOURS)]
    clock.now += timedelta(seconds=4)
    assert watch.turn() == {}


def test_hours_nobody_can_read_throw_nobody_out(timed: Office, somchai: int) -> None:
    limit(timed, hours="whenever")
    report(timed, "a", somchai, 300)
    assert Enforcement(timed).turn() == {}


def test_the_end_of_an_account_s_time_is_noticed(timed: Office, somchai: int, clock: Clock) -> None:
    report(timed, "a", somchai)
    watch = Enforcement(timed)
    with timed.database.write() as session:
        people.set_expiry(session, timed, "somchai", NOW + timedelta(seconds=10), "head")
    assert watch.turn() == {}
    clock.now += timedelta(seconds=13)
    assert watch.turn() == {"sessions_to_end_by_entitlement": 1}
    assert asked(timed) == [("a", Cause.EXPIRED)]


def test_a_state_that_changed_behind_everybody_s_back_is_noticed(
    timed: Office, somchai: int
) -> None:
    report(timed, "a", somchai)
    watch = Enforcement(timed)
    watch.turn()
    with timed.database.write() as session:
        people.get(session, "somchai").state = "suspended"
    assert watch.turn() == {"sessions_to_end_by_entitlement": 1}
    assert asked(timed) == [("a", Cause.SUSPENDED)]


def test_who_is_let_in_again_in_time_stays(timed: Office, somchai: int) -> None:
    report(timed, "a", somchai)
    with timed.database.write() as session:
        people.set_state(session, timed, "somchai", "suspended", "head")
    with timed.database.write() as session:
        people.set_state(session, timed, "somchai", "active", "head")
    with timed.database.read() as session:
        (request,) = session.scalars(select(CoaRequest))
    assert request.state == State.SUPERSEDED
    assert Enforcement(timed).turn() == {}
    with timed.database.write() as session:
        people.set_state(session, timed, "somchai", "suspended", "head")
    assert len(asked(timed)) == 2


def test_a_nas_that_refused_is_asked_again_after_a_while(
    timed: Office, somchai: int, clock: Clock
) -> None:
    report(timed, "a", somchai)
    with timed.database.write() as session:
        people.set_state(session, timed, "somchai", "suspended", "head")
        session.execute(update(CoaRequest).values(state="nakked", finished_at=clock.now))
    watch = Enforcement(timed)
    assert watch.turn() == {}
    clock.now += dynamic.ASK_AGAIN_AFTER
    assert watch.turn() == {"sessions_to_end_by_entitlement": 1}


def test_another_role_ends_what_the_old_one_began(timed: Office, somchai: int) -> None:
    report(timed, "a", somchai)
    with timed.database.write() as session:
        account = people.get(session, "somchai")
        dynamic.change_role(session, timed, account, "student", "head")
    assert asked(timed) == []
    with timed.database.write() as session:
        account = people.get(session, "somchai")
        dynamic.change_role(session, timed, account, "staff", "head")
    assert asked(timed) == [("a", Cause.ROLE_CHANGED)]


def test_hours_are_checked_before_they_are_kept(timed: Office) -> None:
    with pytest.raises(UsageError), timed.database.write() as session:
        roles.set_hours(session, timed, "student", "mon", "head")
    with timed.database.write() as session:
        roles.set_hours(session, timed, "student", "mon 08:00-10:00", "head")
    with timed.database.read() as session:
        assert roles.profile(roles.get(session, "student")).hours == "mon 08:00-10:00"
