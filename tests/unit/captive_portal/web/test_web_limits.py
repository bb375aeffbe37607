"""Counting failures: captive_portal.web.limits."""

from __future__ import annotations

from captive_portal.web.limits import FailureLimits, Limit, site_of

THREE = Limit.of("three", "3 per 10 minutes")
MANY = Limit.of("many", "100 per 1 hour")


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
