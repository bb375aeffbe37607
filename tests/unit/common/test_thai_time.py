"""Times as letters write them; the first vector is requirement R30's own."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UsageError
from common.thai_time import MONTHS_TH, read_bound, read_time

NOW = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)
WANTED = "2025-01-15T07:30:00+00:00"


@pytest.mark.parametrize(
    "text",
    [
        "15 ม.ค. 2568 14.30 น.",
        "15 ม.ค. 68 14.30 น.",
        "15 ม.ค. 2568 เวลา 14.30 น.",
        "15 มค 2568 14:30",
        "15 มกราคม 2568 14:30 น.",
        "15 มกราคม พ.ศ. 2568 เวลา 14.30 น.",
        "15 มกราคม พ.ศ.2568 เวลา 14.30 น",
        "15 มกราคม ค.ศ. 2025 เวลา 14.30 น.",
        "วันพุธที่ 15 มกราคม พ.ศ. 2568 เวลา 14.30 น.",
        "วันพุธ ที่ 15 มกราคม 2568 เวลา 14.30 น.",
        "วันที่ 15 เดือนมกราคม พ.ศ. 2568 เวลา 14.30 น.",
        "เมื่อวันที่ 15 มกราคม 2568 เวลา 14.30 น.",
        "เมื่อวันพุธที่ ๑๕ มกราคม ๒๕๖๘ เวลา ๑๔.๓๐ น.",
        "วันที่ ๑๕ เดือน มกราคม ปี พ.ศ. ๒๕๖๘ เวลา ๑๔ นาฬิกา ๓๐ นาที",
        "๑๕ มกราคม ๒๕๖๘ ๑๔.๓๐ น.",
        "วันพุธที่ ๑๕ มกราคม พุทธศักราช ๒๕๖๘ เวลา ๑๔.๓๐ นาฬิกา",
        "15 มกราคม คริสต์ศักราช 2025 14.30 นาฬิกา",
        "๑๕/๐๑/๒๕๖๘ ๑๔:๓๐",
        "15/1/2568 14:30",
        "15/1/68 14:30",
        "15-01-2568 14.30.00",
        "15.01.2025 14:30:00",
        "15/01/พ.ศ. 2568 14:30",
        "15 Jan 2025 14:30",
        "15 January 2025, 2:30 pm",
        "January 15, 2025 14:30",
        "Wednesday, 15 January 2025 14:30",
        "2568-01-15 14:30",
        "2568-01-15T14:30:00",
        "2025-01-15 14:30:00",
        "2025-01-15T14:30:00+07:00",
        "2025-01-15T14:30:00+0700",
        "2025-01-15T07:30:00Z",
        "2568-01-15T07:30:00Z",
        "2025-01-15 07:30 UTC",
        "15/1/2568 07:30 UTC",
        "15 ม.ค. 2568 07.30 น. (UTC)",
        "15 ม.ค. 2568 14.30 น. (UTC+7)",
        "15 ม.ค. 2568 14.30 น. (เวลาประเทศไทย)",
        "15 ม.ค. 2568 14.30 น. เวลาไทย",
        "15/1/2568 14:30 ICT",
        "15/1/2568 07:30 GMT",
        "15/1/2568 14:30 +7",
        "2025/01/15 14:30",
        "15\u00a0ม.ค.\u200b 2568  14.30 น.",
    ],
)
def test_the_same_moment_is_read_in_every_spelling(text: str) -> None:
    assert read_time(text, now=NOW).moment.isoformat() == WANTED


def test_a_time_is_said_back_in_both_calendars_and_in_utc() -> None:
    read = read_time("15 ม.ค. 68 14.30 น.", now=NOW)
    assert read.thai == "15 มกราคม พ.ศ. 2568 เวลา 14:30:00 น."
    assert read.western == "15 January 2025 C.E., 14:30:00 +07:00"
    assert read.utc == "2025-01-15 07:30:00 UTC"
    assert read.note == "the year 68 was read as B.E. 2568"
    assert read_time("15/1/2568 14:30", now=NOW).note == ""


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("31 ธ.ค. 2567 23:59:59 น.", "2024-12-31T16:59:59+00:00"),
        ("31 ธ.ค. 2567 24.00 น.", "2024-12-31T17:00:00+00:00"),
        ("1 มกราคม 2568 00:00", "2024-12-31T17:00:00+00:00"),
        ("29 กุมภาพันธ์ 2567 12.00 น.", "2024-02-29T05:00:00+00:00"),
        ("2026-11-22T14:05:12.25+07:00", "2026-11-22T07:05:12.250000+00:00"),
        ("3 มี.ค. 2569 09.05 น.", "2026-03-03T02:05:00+00:00"),
        ("3 มิ.ย. 2569 9.05 น.", "2026-06-03T02:05:00+00:00"),
        ("01/02/2569 10:00", "2026-02-01T03:00:00+00:00"),
        ("15/1/2568 12:30 am", "2025-01-14T17:30:00+00:00"),
        ("9 ต.ค. 69 10:00", "2026-10-09T03:00:00+00:00"),
        ("9 พ.ย. ค.ศ. 25 10:00", "2025-11-09T03:00:00+00:00"),
        ("9 พ.ย. พ.ศ. 69 10:00", "2026-11-09T03:00:00+00:00"),
    ],
)
def test_odd_but_right_times(text: str, moment: str) -> None:
    assert read_time(text, now=NOW).moment.isoformat() == moment


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("15/1/25 14:30", "could be B.E. 2525 (1982 C.E.) or 2025 C.E. (B.E. 2568)"),
        ("15 ม.ค. 13 14.30 น.", "could be B.E. 2513 (1970 C.E.) or 2013 C.E. (B.E. 2556)"),
        ("15/1/70 14:30", "could be B.E. 2570 (2027 C.E.) or 2070 C.E. (B.E. 2613)"),
    ],
)
def test_a_year_of_two_digits_that_could_be_either_shows_both_readings(
    text: str, says: str
) -> None:
    with pytest.raises(UsageError) as refused:
        read_time(text, now=NOW)
    assert says in str(refused.value) and "write all four digits" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("yesterday", "is not a time"),
        ("", "is not a time"),
        ("32/13/2569 10:00", "no month 13"),
        ("11/22/2569 10:00", "the day comes before the month"),
        ("29 ก.พ. 2568 10:00", "February 2025 (B.E. 2568) has 28 days"),
        ("22/11/2569", "the hour and minute are missing"),
        ("22/11/2569 25:00", "no 25:00"),
        ("22/11/2569 10:61", "no 10:61"),
        ("22/11/2569 14:30 pm", "14 pm"),
        ("15 มอคอ 2568 10:00", "is not a month"),
        ("วันจันทร์ที่ 15 มกราคม 2568 14.30 น.", "is a Wednesday (วันพุธ)"),
        ("15 ม.ค. ค.ศ. 2568 10:00", "between 1970 and 2200"),
        ("15/1/2300 10:00", "between 1970 and 2200"),
        ("15/1/0025 10:00", "between 1970 and 2200"),
        ("15/1/2568 บ่ายสองโมง", "is not understood"),
        ("15/1/2568 10:00 or so", "is not understood"),
        ("15 ม.ค. 2568 เวลาประมาณ 14.30 น.", "leave that word out, and give a tolerance"),
        ("15 Jan 2025 about 14:30", "leave that word out, and give a tolerance"),
        ("15/1/2568 10:00 +23:00", "away from UTC"),
    ],
)
def test_what_is_no_time_is_refused_with_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)):
        read_time(text, now=NOW)


def test_a_date_alone_is_its_first_moment_where_that_is_enough() -> None:
    read = read_time("22/11/2569", now=NOW, needs_clock=False)
    assert read.moment.isoformat() == "2026-11-21T17:00:00+00:00"
    assert not read.has_clock


def test_a_day_that_ends_a_period_is_in_it_and_a_time_is_taken_as_it_is() -> None:
    def read(text: str, end: bool) -> str:
        return read_bound(text, "Asia/Bangkok", now=NOW, end=end).isoformat()

    assert read("30 พ.ย. 2569", end=False) == "2026-11-29T17:00:00+00:00"
    assert read("2569-11-30", end=True) == "2026-11-30T16:59:59.999000+00:00"
    assert read("30/11/2569 00:00", end=True) == "2026-11-29T17:00:00+00:00"


@given(st.integers(86_400, 7_258_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
def test_what_is_said_back_reads_as_the_same_moment(moment: datetime) -> None:
    read = read_time(moment.isoformat(), now=NOW)
    assert read.moment == moment
    for said in (read.thai, read.western.replace(" C.E.", ""), read.utc):
        assert read_time(said, now=NOW).moment == moment
    local = moment + timedelta(hours=7)
    short = f"{local.day} {MONTHS_TH[local.month - 1]} {local.year + 543} {local:%H.%M.%S} น."
    assert read_time(short, now=NOW).moment == moment


@given(st.text(max_size=40))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        read_time(text, now=NOW)
