"""identity.domain.quota: whatever order packets come in, every octet and second counts once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.domain.access import RoleProfile
from identity.domain.quota import (
    DayUsage,
    Mark,
    Period,
    Remaining,
    Totals,
    begins,
    count,
    ends,
    first_day,
    has_quota,
    remaining,
    spread,
)
from identity.domain.sessions import SessionState, join_sessions

BANGKOK = ZoneInfo("Asia/Bangkok")
BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)  # 21:00 in Bangkok
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=BANGKOK)  # a Wednesday
TODAY = NOON.date()
MB = 1_000_000


def totals(octets: int, seconds: int, heard: int | None = None) -> Totals:
    return Totals(
        octets=octets,
        session_seconds=seconds,
        started_at=START,
        last_heard_at=START + timedelta(seconds=seconds if heard is None else heard),
    )


def sums(days: Sequence[DayUsage]) -> dict[date, tuple[int, int]]:
    octets: Counter[date] = Counter()
    seconds: Counter[date] = Counter()
    for one in days:
        octets[one.day] += one.octets
        seconds[one.day] += one.seconds
    return {day: (octets[day], seconds[day]) for day in octets}


def test_a_session_within_a_day_counts_on_that_day() -> None:
    mark, days = count(None, totals(5000, 3600), BANGKOK)
    assert days == [DayUsage(date(2026, 11, 22), 5000, 3600)]
    assert mark == Mark(octets=5000, seconds=3600, until=START + timedelta(hours=1))
    again, more = count(mark, totals(7000, 5400), BANGKOK)
    assert sums(more) == {date(2026, 11, 22): (2000, 1800)}
    assert again.octets == 7000


def test_a_session_over_midnight_is_cut_there() -> None:
    _, days = count(None, totals(6000, 6 * 3600), BANGKOK)
    assert sums(days) == {
        date(2026, 11, 22): (3000, 3 * 3600),
        date(2026, 11, 23): (3000, 3 * 3600),
    }


def test_a_copy_and_a_late_packet_add_nothing() -> None:
    mark, _ = count(None, totals(5000, 3600), BANGKOK)
    for seen in (totals(5000, 3600), totals(4000, 3000)):
        after, days = count(mark, seen, BANGKOK)
        assert after == mark
        assert sums(days) == {date(2026, 11, 22): (0, 0)}


def test_a_start_that_turns_out_earlier_counts_no_second_twice() -> None:
    mark, _ = count(None, totals(10, 100), BANGKOK)
    earlier = Totals(
        octets=20,
        session_seconds=120,
        started_at=START - timedelta(seconds=60),
        last_heard_at=START + timedelta(seconds=60),
    )
    after, days = count(mark, earlier, BANGKOK)
    assert sums(days) == {date(2026, 11, 22): (10, 20)}
    assert after.until == mark.until


def test_without_a_stopwatch_what_was_heard_counts() -> None:
    mark, days = count(None, totals(10, 0, heard=600), BANGKOK)
    assert sums(days) == {date(2026, 11, 22): (10, 600)}
    assert mark.until == START + timedelta(seconds=600)


@pytest.mark.parametrize(
    ("begin", "hours"),
    [
        pytest.param(datetime(2026, 3, 28, 12, 0, tzinfo=UTC), [11, 23, 14], id="spring"),
        pytest.param(datetime(2026, 10, 24, 12, 0, tzinfo=UTC), [10, 25, 13], id="autumn"),
    ],
)
def test_days_with_a_changed_clock_have_their_own_length(begin: datetime, hours: list[int]) -> None:
    days = spread(begin, begin + timedelta(hours=48), 48, 48 * 3600, BERLIN)
    assert [one.seconds // 3600 for one in days] == hours
    assert sum(one.octets for one in days) == 48


@given(
    st.integers(0, 10**6), st.integers(0, 10 * 86400), st.integers(0, 2**62), st.integers(0, 10**7)
)
def test_the_parts_are_the_whole(offset: int, span: int, octets: int, seconds: int) -> None:
    begin = START + timedelta(seconds=offset)
    days = spread(begin, begin + timedelta(seconds=span), octets, seconds, BANGKOK)
    assert sum(one.octets for one in days) == octets
    assert sum(one.seconds for one in days) == seconds
    assert all(one.octets >= 0 and one.seconds >= 0 for one in days)
    assert [one.day for one in days] == sorted({one.day for one in days})


@st.composite
def sessions(draw: st.DrawFn) -> list[SessionState]:
    """The packets of one session in the order the NAS sent them: totals only grow."""
    steps = draw(st.lists(st.tuples(st.integers(1, 40_000), st.integers(0, 10**9)), min_size=1))
    seconds = octets = 0
    packets = []
    for more_seconds, more_octets in [(0, 0), *steps]:
        seconds, octets = seconds + more_seconds, octets + more_octets
        heard = START + timedelta(seconds=seconds)
        packets.append(
            SessionState(
                session_key="k",
                nas_client_id=1,
                acct_session_id="1",
                user_name="u",
                started_at=heard - timedelta(seconds=seconds),
                last_heard_at=heard,
                session_seconds=seconds,
                input_octets=octets,
            )
        )
    return packets


@given(sessions(), st.data())
def test_every_octet_counts_once_in_any_order_with_any_copies(
    sent: list[SessionState], data: st.DataObject
) -> None:
    copies = data.draw(st.lists(st.sampled_from(sent), max_size=5))
    arrived = data.draw(st.permutations([*sent, *copies]))
    mark: Mark | None = None
    known: SessionState | None = None
    counted: list[DayUsage] = []
    for packet in arrived:
        known = packet if known is None else join_sessions(known, packet)
        if data.draw(st.booleans()):  # the counter looks now and then
            continue
        mark, days = count(mark, _totals(known), BANGKOK)
        counted += days
    assert known is not None
    mark, days = count(mark, _totals(known), BANGKOK)
    counted += days
    last = sent[-1]
    assert sum(one.octets for one in counted) == last.input_octets
    assert sum(one.seconds for one in counted) == last.session_seconds
    # Each second on the day it passed: time runs evenly, whatever the order.
    whole = sums(spread(START, last.last_heard_at, 0, last.session_seconds, BANGKOK))
    for day, (_, seconds) in sums(counted).items():
        assert abs(seconds - whole[day][1]) <= len(arrived)


def _totals(state: SessionState) -> Totals:
    return Totals(
        octets=state.input_octets + state.output_octets,
        session_seconds=state.session_seconds,
        started_at=state.started_at,
        last_heard_at=state.last_heard_at,
    )


def role(**limits: Any) -> RoleProfile:
    return RoleProfile(name="student", **limits)


def used(day: int, megabytes: int = 0, minutes: int = 0) -> DayUsage:
    """Use on a day of November 2026."""
    return DayUsage(date(2026, 11, day), megabytes * MB, minutes * 60)


def test_a_role_without_quota_needs_no_usage() -> None:
    assert not has_quota(role(simultaneous=1))
    assert has_quota(role(quota_minutes_week=60))
    assert remaining(role(), [used(25, 10**6)], NOON) == Remaining()


@pytest.mark.parametrize(
    ("limits", "usage", "octets"),
    [
        ({"quota_mb_day": 100}, [used(24, 500), used(25, 30)], 70),
        ({"quota_mb_week": 100}, [used(22, 500), used(23, 30), used(25, 30)], 40),
        ({"quota_mb_month": 100}, [used(1, 30), used(25, 30)], 40),
        ({"quota_mb_day": 100, "quota_mb_week": 60}, [used(24, 20), used(25, 30)], 10),
        ({"quota_mb_day": 100}, [], 100),
        ({"quota_mb_day": 100}, [used(26, 90)], 100),
    ],
)
def test_data_left(limits: dict[str, int], usage: list[DayUsage], octets: int) -> None:
    found = remaining(role(**limits), usage, NOON)
    assert found == Remaining(octets=octets * MB)


@pytest.mark.parametrize(
    ("limits", "usage", "period", "resets"),
    [
        ({"quota_mb_day": 100}, [used(25, 100)], Period.DAY, date(2026, 11, 26)),
        ({"quota_mb_week": 100}, [used(23, 101)], Period.WEEK, date(2026, 11, 30)),
        ({"quota_mb_month": 100}, [used(1, 101)], Period.MONTH, date(2026, 12, 1)),
        ({"quota_minutes_day": 60}, [used(25, 0, 60)], Period.DAY, date(2026, 11, 26)),
        (
            {"quota_mb_day": 100, "quota_minutes_month": 60},
            [used(25, 100, 61)],
            Period.MONTH,
            date(2026, 12, 1),
        ),
    ],
)
def test_a_used_up_quota_says_when_it_begins_anew(
    limits: dict[str, int], usage: list[DayUsage], period: Period, resets: date
) -> None:
    found = remaining(role(**limits), usage, NOON)
    assert found.exhausted is period
    assert found.resets_at is not None
    assert found.resets_at.astimezone(BANGKOK) == datetime.combine(
        resets, datetime.min.time(), BANGKOK
    )
    assert 0 in (found.octets, found.seconds)


def test_time_left() -> None:
    found = remaining(role(quota_minutes_day=60), [used(25, 0, 20)], NOON)
    assert found == Remaining(seconds=40 * 60)


def test_who_has_time_left_at_midnight_has_that_of_the_next_day_too() -> None:
    late = NOON.replace(hour=23, minute=30)
    found = remaining(role(quota_minutes_day=60), [used(25, 0, 20)], late)
    assert found.seconds == 30 * 60 + 60 * 60


def test_the_tightest_quota_counts() -> None:
    limits = role(quota_minutes_day=60, quota_minutes_week=90, quota_minutes_month=600)
    found = remaining(limits, [used(23, 0, 70), used(25, 0, 10)], NOON)
    assert found.seconds == 10 * 60


@pytest.mark.parametrize(
    ("today", "week", "month", "month_end"),
    [
        (date(2026, 11, 22), date(2026, 11, 16), date(2026, 11, 1), date(2026, 12, 1)),
        (date(2026, 12, 31), date(2026, 12, 28), date(2026, 12, 1), date(2027, 1, 1)),
        (date(2028, 2, 29), date(2028, 2, 28), date(2028, 2, 1), date(2028, 3, 1)),
        (date(2026, 10, 1), date(2026, 9, 28), date(2026, 10, 1), date(2026, 11, 1)),
    ],
)
def test_periods(today: date, week: date, month: date, month_end: date) -> None:
    assert begins(Period.DAY, today) == today
    assert begins(Period.WEEK, today) == week
    assert begins(Period.MONTH, today) == month
    assert ends(Period.DAY, today) == today + timedelta(days=1)
    assert ends(Period.WEEK, today) == week + timedelta(days=7)
    assert ends(Period.MONTH, today) == month_end
    assert first_day(today) == min(week, month)
