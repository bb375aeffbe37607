"""The terms of vouchers and the forms of codes, without any storage."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from common.errors import UsageError
from identity.domain.access import Reason, RoleProfile
from identity.domain.admission import (
    ALPHABET,
    find_code,
    find_usual_code,
    format_code,
    is_strong,
    new_code,
)
from identity.domain.hours import both, is_open, parse_hours, seconds_left
from identity.domain.quota import DayUsage, left_by_period, remaining
from identity.domain.vouchers import (
    Clock,
    Limits,
    Place,
    Scope,
    Terms,
    Validity,
    VoucherState,
    is_new_use,
    state_of,
    tightened,
)

NOW = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)
BANGKOK = ZoneInfo("Asia/Bangkok")
HOUR = timedelta(hours=1)
TERMS = Terms(count=1)


@pytest.mark.parametrize(
    ("length", "digits", "prefix"),
    [
        (8, False, ""),
        *((length, digits, "") for length in (10, 12) for digits in (False, True)),
        *((length, False, "MTG2") for length in (10, 12)),
    ],
)
def test_every_form_of_code_is_found_as_it_is_printed(
    length: int, digits: bool, prefix: str
) -> None:
    code = new_code(length, digits, prefix)
    printed = format_code(code, prefix)
    assert find_code(printed.lower().replace("-", " ")) == code
    assert set(code.removeprefix(prefix)) <= set("0123456789" if digits else ALPHABET)
    assert printed.startswith(prefix) and printed.replace("-", "") == code


def test_twelve_symbols_stand_in_threes_of_four_and_a_prefix_alone() -> None:
    assert format_code("ABCDEFGHJKMN") == "ABCD-EFGH-JKMN"
    assert format_code("ABCDEFGH") == "ABCD-EFGH"
    assert format_code("MTGABCDEFGHJK", "MTG") == "MTG-ABCDE-FGHJK"


def test_only_long_codes_with_a_letter_are_strong() -> None:
    assert is_strong("ABCDEFGHJK") and is_strong("ABCDEFGHJKMN") and is_strong("MTGABCDEFGHJK")
    assert not is_strong("ABCDEFGH") and not is_strong("2345678923") and not is_strong("1" * 12)
    assert all(is_strong(new_code(10)) for _ in range(200))


@pytest.mark.parametrize("name", ["65010234", "6501023456", "preecha5", "teacher2teach"])
def test_names_and_student_numbers_are_not_taken_for_the_usual_code(name: str) -> None:
    assert find_usual_code(name) is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"count": 0}, "number of vouchers must be 1..2000"),
        ({"minutes": 0}, "minutes of a voucher"),
        ({"devices": 101}, "devices of a voucher"),
        ({"uses": 0}, "sign-ins"),
        ({"quota_mb": -1}, "megabytes"),
        ({"idle_seconds": 5}, "idle seconds"),
        ({"language": "de"}, "th, en or both"),
        ({"receiver": "two\nlines"}, "receiver"),
        ({"hours": "whenever"}, "write hours like"),
        ({"code_length": 9}, "8, 10 or 12"),
        ({"code_length": 8, "digits_only": True}, "8 digits can be guessed"),
        ({"prefix": "lower"}, "prefix has 1 to 4"),
        ({"prefix": "MTG", "code_length": 8}, "prefix is for codes of 10 or 12"),
        ({"validity": Validity.FIXED_WINDOW}, "needs the day on which it ends"),
        ({"hard_expiry": NOW - HOUR}, "end before they begin"),
        ({"not_before": NOW + 2 * HOUR, "hard_expiry": NOW + HOUR}, "end before they begin"),
    ],
)
def test_terms_out_of_range_are_refused_by_name(change: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        replace(TERMS, **change).check(NOW)


def clock(validity: Validity, **values: Any) -> Clock:
    known: dict[str, Any] = {
        "minutes": 60,
        "not_before": None,
        "hard_expiry": NOW + 24 * HOUR,
    }
    return Clock(validity=validity, **(known | values))


@pytest.mark.parametrize(
    ("validity", "end"),
    [
        (Validity.FROM_FIRST_USE, NOW + 3 * HOUR),
        (Validity.FROM_CREATION, NOW + 24 * HOUR),
        (Validity.FIXED_WINDOW, NOW + 24 * HOUR),
        (Validity.MINUTES_OF_USE, NOW + 24 * HOUR),
    ],
)
def test_each_validity_has_its_end(validity: Validity, end: datetime) -> None:
    assert clock(validity).ends_if_begun(NOW + 2 * HOUR) == end


def test_the_hard_end_and_the_begin_hold_for_all() -> None:
    late = NOW + timedelta(hours=23, minutes=30)
    assert clock(Validity.FROM_FIRST_USE).ends_if_begun(late) == NOW + 24 * HOUR
    assert clock(Validity.FROM_FIRST_USE).refusal(NOW + 24 * HOUR, None) is Reason.VOUCHER_EXPIRED
    early = clock(Validity.FROM_CREATION, not_before=NOW + HOUR)
    assert early.refusal(NOW, None) is Reason.VOUCHER_EARLY
    assert early.refusal(NOW + HOUR, None) is None


def test_the_last_moment_of_a_sheet_follows_from_its_terms() -> None:
    minutes = timedelta(minutes=480)
    creation = replace(TERMS, validity=Validity.FROM_CREATION)
    assert TERMS.last_moment(NOW) == NOW + timedelta(days=180) + minutes
    assert creation.last_moment(NOW) == NOW + minutes
    assert replace(creation, not_before=NOW + HOUR).last_moment(NOW) == NOW + HOUR + minutes
    assert replace(creation, hard_expiry=NOW + HOUR).last_moment(NOW) == NOW + HOUR


def test_a_state_expires_by_time_alone() -> None:
    one = clock(Validity.FROM_FIRST_USE)
    assert state_of("unused", one, None, NOW) is VoucherState.UNUSED
    assert state_of("unused", one, None, NOW + 25 * HOUR) is VoucherState.EXPIRED
    assert state_of("active", one, NOW + HOUR, NOW + HOUR) is VoucherState.EXPIRED
    assert state_of("revoked", one, NOW + HOUR, NOW + HOUR) is VoucherState.REVOKED


def test_of_two_limits_the_tighter_one_holds() -> None:
    role = RoleProfile(name="guest", down_kbps=5000, idle_seconds=600, hours="mon-fri 08:00-16:00")
    both_of_them = tightened(
        role,
        Limits(down_kbps=9000, up_kbps=500, idle_seconds=300, hours="mon 15:00-20:00", quota_mb=7),
    )
    assert (both_of_them.down_kbps, both_of_them.up_kbps, both_of_them.idle_seconds) == (
        5000, 500, 300,
    )  # fmt: skip
    monday = datetime(2026, 6, 1, 15, 30, tzinfo=BANGKOK)
    assert seconds_left(parse_hours(both_of_them.hours or ""), monday) == 30 * 60
    assert not is_open(parse_hours(both_of_them.hours or ""), monday.replace(hour=17))
    assert both_of_them.quota_mb_total == 7


def test_hours_that_never_meet_are_always_closed() -> None:
    never = parse_hours(both("mon 08:00-10:00", "tue 08:00-10:00") or "")
    assert never.spans == ()
    assert seconds_left(never, datetime(2026, 6, 1, 9, 0, tzinfo=BANGKOK)) == 0


def test_hours_meet_over_the_end_of_the_week() -> None:
    meet = parse_hours("sun 22:00-03:00 & daily 00:00-02:00")
    assert is_open(meet, datetime(2026, 6, 1, 1, 0, tzinfo=BANGKOK))
    assert not is_open(meet, datetime(2026, 6, 1, 2, 30, tzinfo=BANGKOK))
    assert not is_open(meet, datetime(2026, 6, 2, 1, 0, tzinfo=BANGKOK))


def test_a_quota_of_the_whole_life_counts_every_day_and_never_begins_anew() -> None:
    role = RoleProfile(name="guest", quota_mb_total=100, quota_minutes_total=60)
    days = [
        DayUsage(date(2026, 1, 3), 60_000_000, 600),
        DayUsage(date(2026, 6, 1), 30_000_000, 600),
    ]
    now = datetime(2026, 6, 1, 9, 0, tzinfo=BANGKOK)
    left = remaining(role, days, now)
    assert (left.octets, left.seconds, left.exhausted) == (10_000_000, 2400, None)
    (shown,) = left_by_period(role, days, now)
    assert shown.resets_at is None and shown.seconds == 2400
    over = remaining(role, [*days, DayUsage(date(2026, 6, 1), 0, 2400)], now)
    assert over.exhausted == "whole" and over.resets_at is None and over.seconds == 0


@pytest.mark.parametrize(
    ("scope", "place", "holds"),
    [
        (Scope(), Place(), True),
        (Scope(nas_client_id=1), Place(nas_client_id=1), True),
        (Scope(nas_client_id=1), Place(nas_client_id=2), False),
        (Scope(nas_client_id=1), Place(), False),
        (Scope(organisation_id=3), Place(organisations=frozenset({3, 1})), True),
        (Scope(organisation_id=3), Place(organisations=frozenset({1})), False),
        (Scope(ssid="Guests"), Place(ssid="Guests"), True),
        (Scope(ssid="Guests"), Place(ssid="Staff"), False),
    ],
)
def test_a_scope_holds_where_it_says(scope: Scope, place: Place, holds: bool) -> None:
    assert scope.holds(place) is holds


def test_a_sign_in_soon_after_another_is_the_same_use() -> None:
    assert is_new_use(None, NOW)
    assert not is_new_use(NOW, NOW + timedelta(minutes=9))
    assert is_new_use(NOW, NOW + timedelta(minutes=10))
