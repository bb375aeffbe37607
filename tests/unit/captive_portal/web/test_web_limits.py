"""Counting failures: captive_portal.web.limits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select

from captive_portal.web import limits as limits_module
from captive_portal.web.limits import FailureLimits, Limit, site_of
from common.errors import BackendUnavailable
from db.models import PageCount
from identity.domain.guessing import Bucket
from identity.office import Office
from identity.services import housekeeping, page_counts

THREE = Limit.of("three", "3 per 10 minutes")
MANY = Limit.of("many", "100 per 1 hour")
SHARED = Limit.of("shared", "3 per 10 minutes", shared=True)


def test_attempts_are_refused_once_the_failures_are_used_up() -> None:
    limits = FailureLimits()
    checks = ((THREE, "somchai"), (MANY, "site"))
    for _ in range(3):
        assert limits.wait_seconds(*checks) == 0
        limits.count(*checks)
    assert 590 <= limits.wait_seconds(*checks) <= 601
    assert limits.wait_seconds((THREE, "somying"), (MANY, "site")) == 0
    assert limits.wait_seconds((MANY, "site")) == 0


def test_attempts_made_at_the_same_moment_do_not_find_the_same_room() -> None:
    limits = FailureLimits()
    check = (THREE, "somchai")
    assert [limits.take(check) for _ in range(5)] == [0, 0, 0, 1, 1]
    limits.give_back(check)  # it was right
    assert limits.take(check) == 0
    limits.count(check)
    limits.give_back(check)  # it was wrong
    assert limits.take(check) == 1
    limits.give_back(check)
    limits.give_back(check)
    limits.count(check)
    limits.count(check)
    assert limits.take(check) > 500, "used up by failures alone"


def test_an_attempt_that_has_to_wait_takes_no_room_elsewhere() -> None:
    limits = FailureLimits()
    for _ in range(3):
        limits.count((THREE, "somchai"))
    for _ in range(100):
        assert limits.take((THREE, "somchai"), (MANY, "site"))
    assert limits.take((MANY, "site")) == 0


def test_one_ipv6_network_is_one_place_and_an_ipv4_address_is_its_own() -> None:
    assert site_of("2001:db8::1") == site_of("2001:db8::ffff") == "2001:db8::/64"
    assert site_of("2001:db8:0:1::1") != site_of("2001:db8::1")
    assert site_of("::ffff:192.0.2.1") == site_of("192.0.2.1") == "192.0.2.1"
    assert site_of("unknown") == "unknown"


def test_workers_count_together_and_a_restart_forgets_nothing(office_on: Office) -> None:
    office = office_on
    share = partial(page_counts.add, office)
    first, second = FailureLimits(share), FailureLimits(share)
    check = (SHARED, "somchai 10.0.0.1")
    for worker in (first, second, first):
        assert worker.wait_seconds(check) == 0
        worker.count(check)
    assert 190 <= first.wait_seconds(check) <= 202, "until one has leaked away"
    assert second.wait_seconds(check) == 0, "it has not been told yet"
    second.count(check)
    assert second.wait_seconds(check) > 0
    restarted = FailureLimits(share)
    restarted.count(check)
    assert restarted.wait_seconds(check) > 0
    assert restarted.wait_seconds((SHARED, "somying 10.0.0.1")) == 0
    with office.database.read() as session:
        (row,) = session.scalars(select(PageCount)).all()
    assert row.level == 3000 and "somchai" not in row.key


def test_what_has_leaked_away_is_dropped(office: Office) -> None:
    FailureLimits(partial(page_counts.add, office)).count((SHARED, "somchai"))
    now = office.clock() + timedelta(days=1, seconds=1)
    later = replace(office, clock=lambda: now)
    assert housekeeping.run_once(later).dropped_counts == 1


def test_asking_before_an_attempt_asks_no_database(office: Office) -> None:
    asked: list[Mapping[str, Bucket]] = []

    def share(counts: Mapping[str, Bucket]) -> Mapping[str, int]:
        asked.append(counts)
        return {}

    limits = FailureLimits(share)
    check = (SHARED, "somchai")
    assert limits.take(check) == limits.wait_seconds(check) == 0
    limits.give_back(check)
    limits.count((MANY, "a login that succeeds"))
    assert asked == []


def test_without_its_database_a_worker_counts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def share(_counts: Mapping[str, Bucket]) -> Mapping[str, int]:
        raise BackendUnavailable("database", "gone")

    limits = FailureLimits(share)
    for _ in range(3):
        limits.count((SHARED, "somchai"))
    assert limits.wait_seconds((SHARED, "somchai")) > 500


def test_waits_that_are_over_are_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits_module, "_MOST_REMEMBERED", 2)
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    limits = FailureLimits(lambda counts: dict.fromkeys(counts, 10))
    for name in "abc":
        limits.count((SHARED, name))
    now = 1011.0
    limits.count((SHARED, "d"))
    assert list(limits._waits) == ["shared d"]
