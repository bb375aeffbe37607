"""Times as Thai letters write them: both eras, Thai digits and months, `14.30 น.`.

Pure. What could be two moments is refused with a sentence that shows both; every time that
is read can be said back in both calendars and in UTC, so that a slip is seen before the
answer is used. Does not know words for hours (`บ่ายสองโมง`); they are refused.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from common import said_time
from common.errors import UsageError
from common.said_time import BUDDHIST_ERA, MONTHS_EN
from common.said_time import MONTHS_TH as MONTHS_TH

EARLIEST_YEAR = 1970
"""No record is older; a two-digit year that could only mean an earlier one does not."""
LATEST_YEAR = 2200
_FIRST_BUDDHIST = 2400
"""From here on a year of four digits is Buddhist Era: 1857 and later."""

_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789", "\u200b\u200c\u200d\ufeff")

_SHORT_TH = ("มค", "กพ", "มีค", "เมย", "พค", "มิย", "กค", "สค", "กย", "ตค", "พย", "ธค")
_WEEKDAYS = (
    ("จันทร์", "monday", "mon"), ("อังคาร", "tuesday", "tue"), ("พุธ", "wednesday", "wed"),
    ("พฤหัสบดี", "พฤหัส", "thursday", "thu"), ("ศุกร์", "friday", "fri"),
    ("เสาร์", "saturday", "sat"), ("อาทิตย์", "sunday", "sun"),
)  # fmt: skip

_MONTH_NUMBERS: dict[str, int] = {
    name.casefold(): number
    for names in (MONTHS_TH, _SHORT_TH, MONTHS_EN, tuple(name[:3] for name in MONTHS_EN))
    for number, name in enumerate(names, 1)
} | {"sept": 9}
_DAY_NUMBERS = {name: number for number, names in enumerate(_WEEKDAYS) for name in names}

_THAI_WORD = r"[ก-ฮะ-\u0e4e]+(?:\.?[ก-ฮะ-\u0e4e]+)*\.?"
_ERA = r"(?P<era>พ\.?\s?ศ\.?|พุทธศักราช|ค\.?\s?ศ\.?|คริสต์ศักราช|b\.?e\.?|a\.?d\.?|c\.?e\.?)?"
_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})(?P<sep>[-/.])(?P<month>\d{1,2})(?P=sep)(?P<day>\d{1,2})(?:\s*t\s*|\s+|$)"
)
_DAY_FIRST = re.compile(
    r"(?P<day>\d{1,2})\s?(?P<sep>[-/.])\s?(?P<month>\d{1,2})\s?(?P=sep)\s?"
    + _ERA
    + r"\s*(?P<year>\d{2}(?:\d{2})?)(?!\d)"
)
_NAMED = re.compile(
    rf"(?P<day>\d{{1,2}})[\s./-]*(?:เดือน\s*)?(?P<name>{_THAI_WORD}|[a-z]+\.?)[\s,/-]*(?:ปี\s*)?"
    + _ERA
    + r"\s*(?P<year>\d{2}(?:\d{2})?)(?!\d)"
)
_NAME_FIRST = re.compile(
    r"(?P<name>[a-z]+)\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?\s*,?\s+(?P<era>)(?P<year>\d{4})(?!\d)"
)
_LEADING_DAY = re.compile(r"(?:วัน\s*)?(?P<name>[ก-ฮะ-\u0e4e]+|[a-z]+)\s*(?:ที่|,)?\s*(?=\d)")
_CLOCK = re.compile(
    r"(?P<hour>\d{1,2})(?P<sep>[:.])(?P<minute>\d{2})"
    r"(?:[:.](?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?\s*(?P<half>am|pm|a\.m\.|p\.m\.)?"
)
_LONG_CLOCK = re.compile(
    r"(?P<hour>\d{1,2})\s*นาฬิกา(?:\s*(?P<minute>\d{1,2})\s*นาที)?(?:\s*(?P<second>\d{1,2})\s*วินาที)?"
)
_OFFSET = re.compile(
    r"\(?\s*(?:utc|gmt)?\s*(?P<sign>[+\u2212-])(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?\s*\)?"
)
_UTC = re.compile(r"\(?(?:z|utc|gmt|เวลาสากล)\)?")
_LOCAL = re.compile(r"\(?(?:ict|เวลาไทย|เวลาประเทศไทย|เวลาในประเทศไทย|ตามเวลาประเทศไทย)\)?")
_ABOUT = ("ประมาณ", "ราว", "about ", "approximately ")
"""What letters put before a time that nobody looked up; how wide it is meant, they alone know."""
_THAI_ZONE = timezone(timedelta(hours=7))

EXAMPLE = "write it like 15 ม.ค. 2568 14.30 น., 15/01/2568 14:30:05 or 2025-01-15T14:30:05+07:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTime:
    """A moment, and everything it takes to say how it was understood."""

    moment: datetime
    """Aware, UTC."""
    zone: str
    """Where it is said back."""
    year_as_written: str
    era: str
    """be | ce: the era the written year was read in."""
    is_short_year: bool
    has_clock: bool
    """False: only a date was given, and the moment is its first."""

    @property
    def thai(self) -> str:
        """`15 มกราคม พ.ศ. 2568 เวลา 14:30:00 น.`"""
        return said_time.thai(self.moment.astimezone(ZoneInfo(self.zone)))

    @property
    def western(self) -> str:
        """`15 January 2025 C.E., 14:30:00 +07:00`"""
        return said_time.western(self.moment.astimezone(ZoneInfo(self.zone)))

    @property
    def utc(self) -> str:
        """`2025-01-15 07:30:00 UTC`"""
        return said_time.universal(self.moment)

    @property
    def note(self) -> str:
        """Why a year of two digits was read as it was; empty for others."""
        if not self.is_short_year:
            return ""
        year = self.moment.astimezone(ZoneInfo(self.zone)).year
        mark = "B.E." if self.era == "be" else "C.E."
        full = year + BUDDHIST_ERA if self.era == "be" else year
        return f"the year {self.year_as_written} was read as {mark} {full}"


def read_time(
    text: str,
    zone: str = "Asia/Bangkok",
    *,
    now: datetime,
    needs_clock: bool = True,
) -> ReadTime:
    """The moment in `text`; in `zone` when no offset is given.

    Day before month, as Thai and British letters have it; a year of four digits from 2400 on
    is Buddhist Era. A year of two digits is taken only when one era alone gives a year that
    records can be of, 1970 to this one.

    Args:
        now: decides which two-digit years lie in the future.
        needs_clock: refuse a date without a time of day.

    Raises:
        UsageError: it is no time, or could be two; the message says what to write.
    """
    left = " ".join(text.translate(_DIGITS).replace("\u00a0", " ").split()).casefold()
    written, left = _take_date(left, text)
    year, era, is_short = _year(written.year, written.era, text, now)
    day = _date(year, written.month, written.day, text)
    _agree(written.weekday, day, text)
    clock, left = _take_clock(left, text)
    offset, left = _take_zone(left, text)
    if left.startswith(_ABOUT):
        raise UsageError(f"{text!r} says about when: leave that word out, and give a tolerance")
    if left.strip(" .,"):
        raise UsageError(f"{text!r}: {left.strip()!r} is not understood; {EXAMPLE}")
    if clock is None and needs_clock:
        raise UsageError(f"{text!r} is not a time: the hour and minute are missing; {EXAMPLE}")
    local = datetime(day.year, day.month, day.day, tzinfo=offset or ZoneInfo(zone))
    moment = (local + (clock or timedelta())).astimezone(UTC)
    return ReadTime(
        moment=moment,
        zone=zone,
        year_as_written=written.year,
        era=era,
        is_short_year=is_short,
        has_clock=clock is not None,
    )


def read_bound(text: str, zone: str, *, now: datetime, end: bool = False) -> datetime:
    """One end of a period, as people write it on a page and in a command.

    A time is taken as it is. A date alone is its first moment, with `end` its last one: whoever
    orders the records up to 30 November means that day too.

    Raises:
        UsageError: the text is neither.
    """
    read = read_time(text, zone, now=now, needs_clock=False)
    if end and not read.has_clock:
        return read.moment + timedelta(days=1) - timedelta(milliseconds=1)
    return read.moment


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    day: int
    month: int
    year: str
    era: str
    weekday: int | None


def _take_date(text: str, whole: str) -> tuple[_Written, str]:
    """The date at the beginning of `text`, and what follows it."""
    weekday = None
    leading = _LEADING_DAY.match(text)
    if leading is not None:
        name = leading["name"].removeprefix("เมื่อ").removeprefix("วัน").removesuffix("ที่")
        if name in _DAY_NUMBERS:
            weekday = _DAY_NUMBERS[name]
        elif name not in ("วัน", "ที่", ""):
            leading = None
    rest = text[leading.end() :] if leading is not None else text
    for pattern in (_YEAR_FIRST, _DAY_FIRST, _NAMED, _NAME_FIRST):
        found = pattern.match(rest)
        if found is None:
            continue
        parts = found.groupdict()
        if "name" in parts:
            month = _MONTH_NUMBERS.get(parts["name"].replace(".", ""))
            if month is None:
                raise UsageError(f"{whole!r}: {parts['name']!r} is not a month; {EXAMPLE}")
        else:
            month = int(parts["month"])
        written = _Written(
            day=int(parts["day"]),
            month=month,
            year=parts["year"],
            era=(parts.get("era") or "").replace(".", "").replace(" ", ""),
            weekday=weekday,
        )
        return written, rest[found.end() :].strip()
    raise UsageError(f"{whole!r} is not a time; {EXAMPLE}")


def _year(written: str, era: str, text: str, now: datetime) -> tuple[int, str, bool]:
    """(year C.E., era it was read in, whether it had two digits)."""
    number = int(written)
    buddhist = era in ("พศ", "พุทธศักราช", "be")
    common = era in ("คศ", "คริสต์ศักราช", "ad", "ce")
    if len(written) == 4:
        if buddhist or (not common and number >= _FIRST_BUDDHIST):
            number, read = number - BUDDHIST_ERA, "be"
        else:
            read = "ce"
        if not EARLIEST_YEAR <= number <= LATEST_YEAR:
            raise UsageError(
                f"{text!r} is not a time between {EARLIEST_YEAR} and {LATEST_YEAR}"
                f" (B.E. {EARLIEST_YEAR + BUDDHIST_ERA} and {LATEST_YEAR + BUDDHIST_ERA})"
            )
        return number, read, False
    as_buddhist, as_common = 2500 + number - BUDDHIST_ERA, 2000 + number
    if buddhist or common:
        return (as_buddhist, "be", True) if buddhist else (as_common, "ce", True)
    possible = [
        (year, read)
        for year, read in ((as_buddhist, "be"), (as_common, "ce"))
        if EARLIEST_YEAR <= year <= now.year
    ]
    if len(possible) == 1:
        return possible[0][0], possible[0][1], True
    raise UsageError(
        f"{text!r}: the year {written} could be B.E. {2500 + number} ({as_buddhist} C.E.) or"
        f" {as_common} C.E. (B.E. {as_common + BUDDHIST_ERA}); write all four digits"
    )


def _date(year: int, month: int, day: int, text: str) -> date:
    if not 1 <= month <= 12:
        swapped = f"; the day comes before the month: {month}/{day}" if day <= 12 else ""
        raise UsageError(f"{text!r} is not a time: there is no month {month}{swapped}")
    days = calendar.monthrange(year, month)[1]
    if not 1 <= day <= days:
        raise UsageError(
            f"{text!r} is not a time: {MONTHS_EN[month - 1]} {year}"
            f" (B.E. {year + BUDDHIST_ERA}) has {days} days"
        )
    return date(year, month, day)


def _agree(weekday: int | None, day: date, text: str) -> None:
    """Refuse a date whose day of the week says otherwise."""
    if weekday is not None and day.weekday() != weekday:
        is_really = _WEEKDAYS[day.weekday()]
        raise UsageError(
            f"{text!r} contradicts itself: {day.isoformat()} (B.E. {day.year + BUDDHIST_ERA}) is a"
            f" {is_really[-2].capitalize()} (วัน{is_really[0]})"
        )


def _take_clock(text: str, whole: str) -> tuple[timedelta | None, str]:
    """The time of day as a span since midnight, and what follows it."""
    rest = re.sub(r"^[,\s]*(?:เวลา|at\b)?\s*", "", text)
    found = _LONG_CLOCK.match(rest) or _CLOCK.match(rest)
    if found is None:
        return None, rest
    parts = found.groupdict()
    hour, minute = int(parts["hour"]), int(parts["minute"] or 0)
    second = int(parts["second"] or 0)
    half = (parts.get("half") or "").replace(".", "")
    if half:
        if not 1 <= hour <= 12:
            raise UsageError(f"{whole!r} is not a time: {hour} {half} is no hour")
        hour = hour % 12 + (12 if half == "pm" else 0)
    is_midnight = hour == 24 and not minute and not second
    if (hour > 23 and not is_midnight) or minute > 59 or second > 59:
        raise UsageError(f"{whole!r} is not a time: there is no {found[0].strip()} o'clock")
    micros = int((parts.get("fraction") or "0").ljust(6, "0")[:6])
    rest = re.sub(r"^\s*(?:น\.?|นาฬิกา|hrs?\.?)(?=\s|$|\()", "", rest[found.end() :])
    return timedelta(hours=hour, minutes=minute, seconds=second, microseconds=micros), rest.strip()


def _take_zone(text: str, whole: str) -> tuple[timezone | None, str]:
    """The offset that was given, if any, and what follows it."""
    found = _OFFSET.match(text)
    if found is not None:
        span = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"] or 0))
        if span >= timedelta(hours=15):
            raise UsageError(f"{whole!r}: no clock is {found[0]} away from UTC")
        return timezone(span if found["sign"] == "+" else -span), text[found.end() :]
    for pattern, offset in ((_UTC, UTC), (_LOCAL, _THAI_ZONE)):
        found = pattern.match(text)
        if found is not None:
            return offset, text[found.end() :]
    return None, text
