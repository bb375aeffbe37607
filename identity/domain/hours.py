"""School hours of a role: `mon-fri 07:30-17:00; sat 08:00-12:00`, in the site's zone.

Days are mon … sun, ranges of them (`fri-mon` runs over Sunday), lists with commas, or
`daily`; Thai letters (จ อ พ พฤ ศ ส อา) are read too. An end before its begin is on the next
day; `00:00-24:00` is a whole day. Outside of all of them the role is closed. Two such texts with
`&` between them are open when both are: a voucher may have hours beside its role's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from common.errors import UsageError

_MINUTES_A_DAY = 24 * 60
_MINUTES_A_WEEK = 7 * _MINUTES_A_DAY
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_THAI = ("จ", "อ", "พ", "พฤ", "ศ", "ส", "อา")
_NUMBERS = {name: number for names in (_DAYS, _THAI) for number, name in enumerate(names)}
_RULE = re.compile(r"(?P<days>\S+)\s+(?P<times>\S+)\Z")
_TIME = re.compile(r"([0-9]{1,2})[:.]([0-9]{2})\Z")
_EXAMPLE = "write hours like: mon-fri 07:30-17:00; sat 08:00-12:00"


@dataclass(frozen=True, slots=True)
class Hours:
    """When a role is open: spans of minutes since Monday 00:00, in order, apart from each other.

    A span may end beyond the week: Sunday night runs into Monday.
    """

    spans: tuple[tuple[int, int], ...]

    @property
    def is_always(self) -> bool:
        """Whether it never closes."""
        return self.spans == ((0, _MINUTES_A_WEEK),)


@lru_cache(maxsize=256)
def parse_hours(text: str) -> Hours:
    """The hours that `text` says.

    Where both sides of a `&` are never open together, there is no span.

    Raises:
        UsageError: it says none; the message shows an example.
    """
    if "&" in text:
        first, *others = (parse_hours(part) for part in text.split("&"))
        for other in others:
            first = _common(first, other)
        return first
    spans = []
    for rule in filter(None, (part.strip() for part in re.split(r"[;\n]", text.casefold()))):
        match = _RULE.match(re.sub(r"\s*([-,])\s*", r"\1", rule))
        if match is None:
            raise UsageError(f"{rule!r} is not a day and a time; {_EXAMPLE}")
        for begin, end in (_span(part) for part in match["times"].split(",")):
            for day in _days(match["days"]):
                start = day * _MINUTES_A_DAY + begin
                spans.append((start, start + end - begin))
    if not spans:
        raise UsageError(f"no hours are given; {_EXAMPLE}")
    return Hours(_joined(spans))


def both(hours: str | None, other: str | None) -> str | None:
    """The text of the hours that two rules leave open; None is always."""
    if hours is None or other is None or hours == other:
        return hours if other is None else other
    return f"{hours} & {other}"


def seconds_left(hours: Hours, now: datetime) -> int | None:
    """How long it stays open from `now` on: 0 when it is closed, None when it never closes.

    Args:
        now: aware, in the site's zone. Where clocks are put forward or back, the closing
            time is the one that clocks on the wall show.
    """
    if hours.is_always:
        return None
    minute = now.weekday() * _MINUTES_A_DAY + now.hour * 60 + now.minute
    for begin, end in hours.spans:
        for at in (minute, minute + _MINUTES_A_WEEK):
            if begin <= at < end:
                closing = _wall(now.date(), end - at + now.hour * 60 + now.minute, now)
                return max(1, int((closing - now).total_seconds()))
    return 0


def is_open(hours: Hours, now: datetime) -> bool:
    """Whether it is open at `now`, aware, in the site's zone."""
    return seconds_left(hours, now) != 0


def _wall(day: date, minutes: int, now: datetime) -> datetime:
    """The moment clocks show so many minutes after midnight of `day`, maybe days later."""
    days, rest = divmod(minutes, _MINUTES_A_DAY)
    at = time(rest // 60, rest % 60)
    # In UTC: two moments of one zone are subtracted as the clocks on the wall show them.
    return datetime.combine(day + timedelta(days=days), at, now.tzinfo).astimezone(UTC)


def _days(text: str) -> list[int]:
    if text in ("daily", "ทุกวัน"):
        return list(range(7))
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first not in _NUMBERS or (last or first) not in _NUMBERS:
            raise UsageError(f"{part!r} is no day of the week; {_EXAMPLE}")
        begin = _NUMBERS[first]
        length = (_NUMBERS[last or first] - begin) % 7
        found += [(begin + number) % 7 for number in range(length + 1)]
    return found


def _span(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    begin, end = _minute(first), _minute(last)
    if begin in (_MINUTES_A_DAY, end):
        raise UsageError(f"{text!r} is no span of time; {_EXAMPLE}")
    return begin, end if end > begin else end + _MINUTES_A_DAY


def _minute(text: str) -> int:
    match = _TIME.match(text)
    minute = int(match[1]) * 60 + int(match[2]) if match else -1
    if match is None or int(match[2]) > 59 or minute > _MINUTES_A_DAY:
        raise UsageError(f"{text!r} is no time of day; {_EXAMPLE}")
    return minute


def _common(one: Hours, other: Hours) -> Hours:
    """The hours in which both are open."""
    found = []
    for begin, end in one.spans:
        for shift in (-_MINUTES_A_WEEK, 0, _MINUTES_A_WEEK):
            for first, last in other.spans:
                low, high = max(begin, first + shift), min(end, last + shift)
                if low < high:
                    week = low // _MINUTES_A_WEEK * _MINUTES_A_WEEK
                    found.append((low - week, high - week))
    return Hours(_joined(found)) if found else Hours(())


def _joined(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The spans without overlaps; what touches is one span, over the end of the week too."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    while len(merged) > 1 and merged[-1][1] >= _MINUTES_A_WEEK + merged[0][0]:
        first = merged.pop(0)
        merged[-1] = (merged[-1][0], max(merged[-1][1], first[1] + _MINUTES_A_WEEK))
    begin, end = merged[0]
    if len(merged) == 1 and end - begin >= _MINUTES_A_WEEK:
        return ((0, _MINUTES_A_WEEK),)
    return tuple(merged)
