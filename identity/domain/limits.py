"""What a login that is proven comes to, given the hours and quotas of its role."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from identity.domain.access import Denied, Granted, Reason
from identity.domain.hours import parse_hours, seconds_left
from identity.domain.quota import DayUsage, remaining


def hold(
    granted: Granted, usage: Iterable[DayUsage], now: datetime, zone: ZoneInfo
) -> Granted | Denied:
    """The same login, ending when its role closes or its time is used up; or a refusal.

    Args:
        usage: of the account since identity.domain.quota.first_day; asked for only when
            `has_quota` holds for the role.
        zone: of the site; hours and days are its.

    Raises:
        UsageError: the role's hours cannot be read, so nobody can say whether it is open.
    """
    role, local = granted.account.role, now.astimezone(zone)
    limits = []
    if role.hours is not None:
        left = seconds_left(parse_hours(role.hours), local)
        if left == 0:
            return Denied(Reason.OUTSIDE_HOURS, granted.method, granted.account.account_id)
        limits.append(left)
    rest = remaining(role, usage, local)
    if rest.exhausted is not None:
        return Denied(Reason.QUOTA, granted.method, granted.account.account_id)
    limits.append(rest.seconds)
    ends = [now + timedelta(seconds=left) for left in limits if left is not None]
    if granted.expires_at is not None:
        ends.append(granted.expires_at)
    return replace(granted, expires_at=min(ends, default=None), octets_left=rest.octets)
