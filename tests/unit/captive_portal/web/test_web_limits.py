"""Counting failures: captive_portal.web.limits."""

from __future__ import annotations

from captive_portal.web.limits import FailureLimits, Limit

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
