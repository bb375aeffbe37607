"""How long the archive has lived, whatever the clock says."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from traffic.keeping.timeline import DAY_MS, STEP_MS, Timeline

NOON = 1_795_000_000_000
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Line:
    seq: int
    written_ms: int


@dataclass(frozen=True)
class Mark:
    seq: int
    at_ms: int


def days(*numbers: float) -> list[Line]:
    return [Line(seq, NOON + int(day * DAY_MS)) for seq, day in enumerate(numbers, 1)]


def test_a_day_of_the_clock_is_a_day_lived_through() -> None:
    timeline = Timeline(days(0, 1, 2, 3), [], NOON + 4 * DAY_MS)
    assert timeline.lived_since_line(1) == 4 * DAY_MS
    assert timeline.lived_since_line(4) == DAY_MS


def test_seals_carry_the_time_through_days_without_records() -> None:
    seals = [Mark(1, NOON + hour * HOUR_MS) for hour in range(1, 24 * 30)]
    timeline = Timeline(days(0), seals, NOON + 30 * DAY_MS)
    assert timeline.lived_since_line(1) == 30 * DAY_MS


def test_a_jump_of_a_year_is_one_day_wherever_in_the_chain_it_lies() -> None:
    ahead = Timeline(days(0, 1), [], NOON + 366 * DAY_MS)
    assert ahead.lived_since_line(1) == DAY_MS + STEP_MS
    written = Timeline(days(0, 1, 366, 366.5), [], NOON + 367 * DAY_MS)
    assert written.lived_since_line(1) == DAY_MS + STEP_MS + DAY_MS
    assert written.let_go_before(90 * DAY_MS, 90 * DAY_MS) is None


def test_a_clock_that_was_ahead_and_is_right_again_adds_one_day_at_most() -> None:
    timeline = Timeline(days(0, 400, 1, 2), [], NOON + 3 * DAY_MS)
    assert timeline.lived_since_line(1) == STEP_MS + 2 * DAY_MS


def test_a_clock_that_was_behind_makes_nothing_older() -> None:
    wrong = [Line(1, 0), Line(2, HOUR_MS), Line(3, NOON), Line(4, NOON + HOUR_MS)]
    timeline = Timeline(wrong, [], NOON + 2 * HOUR_MS)
    assert timeline.lived_since_line(1) == HOUR_MS + STEP_MS + 2 * HOUR_MS


def test_what_may_go_is_bounded_by_clock_and_by_chain() -> None:
    steady = Timeline(days(*range(200)), [], NOON + 200 * DAY_MS)
    assert steady.let_go_before(120 * DAY_MS, 90 * DAY_MS) == NOON + 80 * DAY_MS
    # Switched off for forty days: the chain has lived through less than the clock says.
    stopped = Timeline(days(*range(100), *range(140, 180)), [], NOON + 180 * DAY_MS)
    assert stopped.let_go_before(90 * DAY_MS, 90 * DAY_MS) == NOON + 50 * DAY_MS


def test_an_empty_archive_lets_nothing_go() -> None:
    timeline = Timeline([], [], NOON)
    assert timeline.let_go_before(90 * DAY_MS, 90 * DAY_MS) is None
    assert timeline.lived_since(NOON - DAY_MS) == 0


def test_time_since_a_moment_is_counted_from_the_last_time_the_clock_came_to_it() -> None:
    glitch = Timeline(days(0, 400, 1, 2, 3), [], NOON + 4 * DAY_MS)
    assert glitch.lived_since(NOON + 2 * DAY_MS) == 2 * DAY_MS


@given(st.lists(st.integers(0, 4000), min_size=1, max_size=40), st.integers(0, 4000))
def test_no_order_of_moments_lives_through_more_than_a_day_a_step(
    moments: list[int], now: int
) -> None:
    timeline = Timeline(days(*moments), [], NOON + now * DAY_MS)
    assert 0 <= timeline.lived_since_line(1) <= len(moments) * STEP_MS
    edge = timeline.let_go_before(90 * DAY_MS, 90 * DAY_MS)
    assert edge is None or edge <= timeline.now_ms - 90 * DAY_MS
