"""identity.domain.hours and limits: when a role is open, and how long it stays so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UsageError
from identity.domain.access import (
    AccountSnapshot,
    Denied,
    Granted,
    Method,
    Reason,
    RoleProfile,
)
from identity.domain.hours import Hours, is_open, parse_hours, seconds_left
from identity.domain.limits import hold
from identity.domain.quota import DayUsage

BANGKOK = ZoneInfo("Asia/Bangkok")
BERLIN = ZoneInfo("Europe/Berlin")
SCHOOL = "mon-fri 07:30-17:00; sat 08:00-12:00"


def at(day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
    """A moment of the week of Monday 2026-11-23, in Bangkok."""
    return datetime(2026, 11, 22 + day, hour, minute, second, tzinfo=BANGKOK)


MON, FRI, SAT, SUN = 1, 5, 6, 7


@pytest.mark.parametrize(
    ("text", "moment", "left"),
    [
        (SCHOOL, at(MON, 7, 29, 59), 0),
        (SCHOOL, at(MON, 7, 30), 9 * 3600 + 1800),
        (SCHOOL, at(FRI, 16, 59, 59), 1),
        (SCHOOL, at(FRI, 17, 0), 0),
        (SCHOOL, at(SAT, 11, 0), 3600),
        (SCHOOL, at(SUN, 11, 0), 0),
        ("fri 22:00-06:00", at(FRI, 23, 0), 7 * 3600),
        ("fri 22:00-06:00", at(SAT, 5, 0), 3600),
        ("fri 22:00-06:00", at(SAT, 6, 0), 0),
        ("sun 22:00-06:00", at(MON, 5, 0), 3600),
        ("sun 22:00-06:00", at(SUN, 23, 0), 7 * 3600),
        ("sun 22:00-24:00; mon 00:00-06:00", at(SUN, 23, 0), 7 * 3600),
        ("sun 22:00-24:00; mon 00:00-06:00", at(MON, 5, 0), 3600),
        ("daily 00:00-24:00", at(SUN, 23, 0), None),
        ("daily 12:00-11:59", at(MON, 11, 59, 30), 0),
        ("daily 12:00-11:59", at(MON, 12, 0), 24 * 3600 - 60),
        ("fri-mon 08:00-09:00", at(SUN, 8, 30), 1800),
        ("fri-mon 08:00-09:00", at(2, 8, 30), 0),
        ("mon,wed 08:00-10:00,13:00-15:00", at(3, 14, 0), 3600),
        ("Mon - Fri  08.00 - 10.00", at(MON, 9), 3600),
        ("จ-ศ 08:00-10:00", at(FRI, 9), 3600),
        ("ทุกวัน 08:00-10:00", at(SUN, 9), 3600),
        ("mon 08:00-12:00; mon 10:00-16:00", at(MON, 11), 5 * 3600),
    ],
)
def test_how_long_it_stays_open(text: str, moment: datetime, left: int | None) -> None:
    hours = parse_hours(text)
    assert seconds_left(hours, moment) == left
    assert is_open(hours, moment) == (left != 0)


@pytest.mark.parametrize(
    "text",
    ["", ";", "mon", "08:00-10:00", "mon 8-10", "mon 08:00", "noday 08:00-10:00",
     "mon-noday 08:00-10:00", "mon 08:60-10:00", "mon 25:00-26:00", "mon 08:00-08:00",
     "mon 24:00-06:00", "mon 24:30-25:00", "mon 08:00-10:00 sharp", "mon- 08:00"],
)  # fmt: skip
def test_what_says_no_hours_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="mon-fri 07:30-17:00"):
        parse_hours(text)


def test_closing_is_what_the_clock_on_the_wall_shows() -> None:
    hours = parse_hours("sat 22:00-06:00")
    spring = datetime(2026, 3, 28, 23, 0, tzinfo=BERLIN)
    autumn = datetime(2026, 10, 24, 23, 0, tzinfo=BERLIN)
    assert seconds_left(hours, spring) == 6 * 3600
    assert seconds_left(hours, autumn) == 8 * 3600


_spans = st.tuples(st.integers(0, 6), st.integers(0, 1439), st.integers(1, 1440)).map(
    lambda one: (one[0], one[1], (one[1] + one[2]))
)


@given(st.lists(_spans, min_size=1, max_size=6), st.integers(0, 7 * 1440 - 1))
def test_open_is_in_any_of_the_spans(spans: list[tuple[int, int, int]], minute: int) -> None:
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    rules, week = [], set()
    for day, begin, end in spans:
        shown = end if end <= 1440 else end - 1440
        if shown == begin:
            continue
        rules.append(f"{days[day]} {begin // 60}:{begin % 60:02}-{shown // 60}:{shown % 60:02}")
        week |= {(day * 1440 + m) % 10080 for m in range(begin, end)}
    if not rules:
        return
    hours = parse_hours("; ".join(rules))
    now = datetime(2026, 11, 23, tzinfo=BANGKOK) + timedelta(minutes=minute)
    assert is_open(hours, now) == (minute in week)
    left = seconds_left(hours, now)
    if left is None:
        assert len(week) == 10080
    elif left:
        assert all((minute + m) % 10080 in week for m in range(left // 60))
        assert (minute + left // 60) % 10080 not in week


def test_spans_are_kept_apart() -> None:
    assert parse_hours("mon 10:00-12:00; mon 08:00-10:00") == Hours(((480, 720),))


def granted(expires_at: datetime | None = None, **limits: int | str) -> Granted:
    account = AccountSnapshot(
        account_id=7,
        username="somchai",
        kind="person",
        state="active",
        expires_at=expires_at,
        role=RoleProfile(name="student", **limits),  # type: ignore[arg-type]
    )
    return Granted(account=account, method=Method.PAP, expires_at=expires_at)


NOW = at(MON, 16).astimezone(UTC)


def test_a_login_without_limits_is_as_it_was() -> None:
    assert hold(granted(), (), NOW, BANGKOK) == granted()


def test_a_login_ends_when_its_role_closes() -> None:
    held = hold(granted(hours=SCHOOL), (), NOW, BANGKOK)
    assert isinstance(held, Granted)
    assert held.expires_at == NOW + timedelta(hours=1)


def test_a_login_ends_with_whatever_comes_first() -> None:
    soon = NOW + timedelta(minutes=1)
    held = hold(granted(soon, hours=SCHOOL), (), NOW, BANGKOK)
    assert isinstance(held, Granted) and held.expires_at == soon
    used = [DayUsage(at(MON, 0).date(), 0, 50 * 60)]
    held = hold(granted(hours=SCHOOL, quota_minutes_day=60), used, NOW, BANGKOK)
    assert isinstance(held, Granted) and held.expires_at == NOW + timedelta(minutes=10)


def test_closed_and_used_up_are_refusals() -> None:
    late = at(MON, 18).astimezone(UTC)
    assert hold(granted(hours=SCHOOL), (), late, BANGKOK) == Denied(
        Reason.OUTSIDE_HOURS, Method.PAP, 7
    )
    used = [DayUsage(at(MON, 0).date(), 5_000_000, 0)]
    assert hold(granted(quota_mb_day=5), used, NOW, BANGKOK) == Denied(Reason.QUOTA, Method.PAP, 7)


def test_hours_nobody_can_read_let_nobody_in() -> None:
    with pytest.raises(UsageError):
        hold(granted(hours="whenever"), (), NOW, BANGKOK)
