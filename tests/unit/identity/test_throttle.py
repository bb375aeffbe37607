"""Penalties: who waits, how long, and who never does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity.domain.throttle import PENALTY_OCTETS, Limits, Penalties

PHONE, TABLET = "3c22fb010203", "a6b4c6010299"
LIMITS = Limits(account_failures=3, device_failures=8)
START = 1000.0


@pytest.fixture
def penalties() -> Penalties:
    return Penalties(b"k" * 32, limits=LIMITS)


def fail(penalties: Penalties, times: int, name: str = "alice", now: float = START) -> None:
    for _ in range(times):
        penalties.failed(name, PHONE, 1, now)


def waits(penalties: Penalties, now: float, name: str = "alice", nas: int = 1) -> bool:
    return penalties.holds_back(name, PHONE, nas, now)


def test_nobody_waits_before_it_failed_more_often_than_people_do(penalties: Penalties) -> None:
    assert penalties.are_idle(START)
    fail(penalties, 3)
    assert not penalties.are_idle(START)
    assert not waits(penalties, START)
    fail(penalties, 1)
    assert waits(penalties, START + 0.9)
    assert not waits(penalties, START + 1.1)


def test_waits_double_up_to_a_minute(penalties: Penalties) -> None:
    now, lengths = START, []
    fail(penalties, 3, now=now)
    for _ in range(9):
        fail(penalties, 1, now=now)
        step = 0.0
        while waits(penalties, now + step):
            step += 0.25
        lengths.append(step)
        now += step
    assert lengths[0] == pytest.approx(1.0, abs=0.3)
    assert lengths == sorted(lengths)
    assert 50 <= lengths[-1] <= 60


def test_a_failure_never_touches_another_device_account_or_nas(penalties: Penalties) -> None:
    fail(penalties, 50)
    assert not penalties.holds_back("alice", TABLET, 1, START)
    assert not penalties.holds_back_device(TABLET, 1, START)
    assert not penalties.holds_back("bob", PHONE, 1, START)
    assert not waits(penalties, START, nas=2)
    assert not penalties.holds_back_device(PHONE, 2, START)


def test_a_device_that_tries_many_names_waits_whatever_the_name(penalties: Penalties) -> None:
    for number in range(8):
        penalties.failed(f"pupil{number}", PHONE, 1, START)
    assert not penalties.holds_back_device(PHONE, 1, START)
    penalties.failed("pupil8", PHONE, 1, START)
    assert penalties.holds_back_device(PHONE, 1, START)
    assert not waits(penalties, START, name="pupil9")


def test_a_success_forgives_the_account_but_not_the_device(penalties: Penalties) -> None:
    fail(penalties, 9)
    penalties.succeeded("Alice ", PHONE, 1)
    assert not waits(penalties, START)
    assert penalties.holds_back_device(PHONE, 1, START)


def test_failures_are_forgotten_with_time(penalties: Penalties) -> None:
    fail(penalties, 3)
    later = START + 3 * 60
    fail(penalties, 3, now=later)
    assert not waits(penalties, later)


def test_a_waiting_guesser_gets_one_try_a_minute_for_ever(penalties: Penalties) -> None:
    now, tries = START, 0
    while now < START + 24 * 3600:
        if not waits(penalties, now):
            fail(penalties, 1, now=now)
            tries += 1
        now += 1.0
    assert tries <= 24 * 60 + 20


def test_without_a_device_the_wait_is_short_for_all_who_share_the_nas(
    penalties: Penalties,
) -> None:
    for _ in range(60):
        penalties.failed("alice", None, 1, START)
    assert penalties.holds_back("alice", None, 1, START + 4.9)
    assert not penalties.holds_back("alice", None, 1, START + 5.1)
    assert not penalties.holds_back_device(None, 1, START)


def test_zero_switches_it_off() -> None:
    penalties = Penalties(b"k", limits=Limits(account_failures=0, device_failures=0))
    fail(penalties, 100)
    assert penalties.are_idle(START)


def test_workers_share_what_they_saw() -> None:
    table = bytearray(PENALTY_OCTETS)
    one, other = (Penalties(b"k", table, LIMITS) for _ in range(2))
    fail(one, 4)
    assert waits(other, START)
    other.succeeded("alice", PHONE, 1)
    assert not waits(one, START)


def test_a_flood_of_new_names_does_not_set_the_waiting_free() -> None:
    """In a table of a single slot everybody clashes."""
    penalties = Penalties(b"k", bytearray(8 + 40), Limits(account_failures=3, device_failures=0))
    fail(penalties, 5)
    for number in range(1000):
        penalties.failed(f"flood{number}", TABLET, 1, START)
    assert waits(penalties, START)


def test_the_table_never_grows() -> None:
    penalties = Penalties(b"k", limits=LIMITS)
    for number in range(100_000):
        penalties.failed("alice", f"{number:012x}", 1, START)
    assert len(penalties._table) == PENALTY_OCTETS


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["failed", "succeeded"]),
            st.sampled_from(["alice", "bob", "กานดา", "\udcff", ""]),
            st.sampled_from([PHONE, TABLET, None]),
            st.floats(0, 1000),
        ),
        max_size=200,
    )
)
def test_no_history_makes_anybody_wait_longer_than_a_minute(
    history: list[tuple[str, str, str | None, float]],
) -> None:
    penalties = Penalties(b"k", limits=LIMITS)
    now = START
    for what, name, station, seconds in history:
        now += seconds
        if what == "failed":
            penalties.failed(name, station, 1, now)
        else:
            penalties.succeeded(name, station, 1)
    for name, station in _pairs(history):
        assert not penalties.holds_back(name, station, 1, now + 60.001)
        assert not penalties.holds_back_device(station, 1, now + 60.001)


def _pairs(history: list[tuple[str, str, str | None, float]]) -> Iterator[tuple[str, str | None]]:
    yield from {(name, station) for _, name, station, _ in history}
