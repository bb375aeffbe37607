"""How much of a role's quotas is left, and on which days the use of a session falls.

RADIUS sessions report totals since their start. A session keeps a mark: what of its totals
has been counted, up to which moment. What came since is spread evenly over the time since,
cut at local midnights, so that whatever order packets come in, every octet counts once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from identity.domain.access import RoleProfile

OCTETS_A_MEGABYTE = 1_000_000
SECONDS_A_MINUTE = 60
_NEVER = datetime.max.replace(tzinfo=UTC)


class Period(StrEnum):
    """What a quota is for. A week begins on Monday; the whole is a voucher's life."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class DayUsage:
    """What was used on one local day."""

    day: date
    octets: int
    """Both directions."""
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """What is left; None means no limit.

    `octets` and `seconds` are of the tightest quota. `exhausted` names a used-up one, and
    `resets_at` is when the last of those that are used up begins anew; None is never.
    """

    octets: int | None = None
    seconds: int | None = None
    exhausted: Period | None = None
    resets_at: datetime | None = None


@lru_cache(maxsize=1024)
def has_quota(role: RoleProfile) -> bool:
    """Whether usage matters to this role at all."""
    return any(megabytes is not None or minutes is not None for _, megabytes, minutes in _of(role))


def _of(role: RoleProfile) -> tuple[tuple[Period, int | None, int | None], ...]:
    return (
        (Period.DAY, role.quota_mb_day, role.quota_minutes_day),
        (Period.WEEK, role.quota_mb_week, role.quota_minutes_week),
        (Period.MONTH, role.quota_mb_month, role.quota_minutes_month),
        (Period.WHOLE, role.quota_mb_total, role.quota_minutes_total),
    )


def has_total(role: RoleProfile) -> bool:
    """Whether all days of an account matter, not only those since `first_day`."""
    return role.quota_mb_total is not None or role.quota_minutes_total is not None


def begins(period: Period, today: date) -> date:
    """The first day of the period that `today` is in."""
    if period is Period.WHOLE:
        return date.min
    if period is Period.WEEK:
        return today - timedelta(days=today.weekday())
    return today.replace(day=1) if period is Period.MONTH else today


def ends(period: Period, today: date) -> date:
    """The day after the last one of the period that `today` is in; the whole has none."""
    if period is Period.WHOLE:
        return date.max
    if period is Period.MONTH:
        return (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    return begins(period, today) + timedelta(days=7 if period is Period.WEEK else 1)


def first_day(today: date) -> date:
    """The earliest day whose usage can still matter: of this week or this month."""
    return min(begins(Period.WEEK, today), begins(Period.MONTH, today))


def remaining(role: RoleProfile, usage: Iterable[DayUsage], now: datetime) -> Remaining:
    """What is left of every quota of `role`.

    Args:
        usage: the account's days since `first_day`, or all of them where `has_total` holds;
            others do no harm.
        now: aware, in the site's zone: its date decides what is today.
    """
    days, today = list(usage), now.date()
    octets: list[int] = []
    seconds: list[int] = []
    used_up: list[tuple[datetime, Period]] = []
    for period, megabytes, minutes in _of(role):
        if megabytes is None and minutes is None:
            continue
        since, reset = begins(period, today), _reset(period, now)
        spent = [one for one in days if since <= one.day <= today]
        if megabytes is not None:
            octets.append(megabytes * OCTETS_A_MEGABYTE - sum(one.octets for one in spent))
        if minutes is not None:
            quota = minutes * SECONDS_A_MINUTE
            left = quota - sum(one.seconds for one in spent)
            until_reset = int((reset - now).total_seconds())
            # At the reset it begins anew: who has more left than that may stay beyond it.
            begins_anew = left >= until_reset and period is not Period.WHOLE
            seconds.append(until_reset + quota if begins_anew else left)
        over = megabytes is not None and octets[-1] <= 0
        if over or (minutes is not None and seconds[-1] <= 0):
            used_up.append((reset, period))
    last = max(used_up) if used_up else None
    return Remaining(
        octets=max(0, min(octets)) if octets else None,
        seconds=max(0, min(seconds)) if seconds else None,
        exhausted=last[1] if last else None,
        resets_at=last[0] if last and last[1] is not Period.WHOLE else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodLeft:
    """What is left of the quotas of one period; None where there is none."""

    period: Period
    octets: int | None
    octets_quota: int | None
    seconds: int | None
    seconds_quota: int | None
    resets_at: datetime | None
    """None for the whole."""


def left_by_period(
    role: RoleProfile, usage: Iterable[DayUsage], now: datetime
) -> Sequence[PeriodLeft]:
    """What is left of each quota of `role` by itself; the arguments are those of `remaining`."""
    days, today = list(usage), now.date()
    found = []
    for period, megabytes, minutes in _of(role):
        if megabytes is None and minutes is None:
            continue
        since = begins(period, today)
        spent = [one for one in days if since <= one.day <= today]
        octets_quota = None if megabytes is None else megabytes * OCTETS_A_MEGABYTE
        seconds_quota = None if minutes is None else minutes * SECONDS_A_MINUTE
        found.append(
            PeriodLeft(
                period=period,
                octets=_rest(octets_quota, sum(one.octets for one in spent)),
                octets_quota=octets_quota,
                seconds=_rest(seconds_quota, sum(one.seconds for one in spent)),
                seconds_quota=seconds_quota,
                resets_at=None if period is Period.WHOLE else _reset(period, now),
            )
        )
    return found


def _rest(quota: int | None, used: int) -> int | None:
    return None if quota is None else max(0, quota - used)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What of a session has been counted."""

    octets: int
    seconds: int
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a session has come to, as all its packets together tell."""

    octets: int
    session_seconds: int
    """Of the NAS's stopwatch; 0 when it has none."""
    started_at: datetime
    last_heard_at: datetime


def count(mark: Mark | None, totals: Totals, zone: ZoneInfo) -> tuple[Mark, Sequence[DayUsage]]:
    """The new mark, and what has to be added to which days; the last of them is the mark's.

    Totals only grow, and a mark never goes back, so copies and late packets add nothing.
    """
    known = mark or Mark(octets=0, seconds=0, until=totals.started_at)
    heard = int((totals.last_heard_at - totals.started_at).total_seconds())
    seconds = max(known.seconds, totals.session_seconds or heard)
    octets = max(known.octets, totals.octets)
    moment = (
        totals.started_at + timedelta(seconds=totals.session_seconds)
        if totals.session_seconds
        else totals.last_heard_at
    )
    until = max(known.until, moment)
    added = spread(known.until, until, octets - known.octets, seconds - known.seconds, zone)
    return Mark(octets=octets, seconds=seconds, until=until), added


def spread(
    begin: datetime, end: datetime, octets: int, seconds: int, zone: ZoneInfo
) -> Sequence[DayUsage]:
    """Even use between two moments, by local days; the parts sum up to the whole exactly.

    Args:
        begin, end: aware, in this order; days without a part in between are there too.
    """
    span = (end - begin) // timedelta(microseconds=1)
    day, last = begin.astimezone(zone).date(), end.astimezone(zone).date()
    days: list[DayUsage] = []
    given_octets = given_seconds = 0
    while True:
        if day >= last:
            so_far_octets, so_far_seconds = octets, seconds
        else:
            passed = (_day_begins(day + timedelta(days=1), zone) - begin) // timedelta(
                microseconds=1
            )
            so_far_octets, so_far_seconds = octets * passed // span, seconds * passed // span
        days.append(DayUsage(day, so_far_octets - given_octets, so_far_seconds - given_seconds))
        given_octets, given_seconds = so_far_octets, so_far_seconds
        if day >= last:
            return days
        day += timedelta(days=1)


def _day_begins(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _reset(period: Period, now: datetime) -> datetime:
    """When the quota of the period that `now` is in begins anew."""
    if period is Period.WHOLE:
        return _NEVER
    return _midnight(ends(period, now.date()), now)


def _midnight(day: date, now: datetime) -> datetime:
    # In UTC: two moments of one zone are subtracted as the clocks on the wall show them.
    return datetime.combine(day, time(), now.tzinfo).astimezone(UTC)
