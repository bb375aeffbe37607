"""What is left to an account: data and time of its role's quotas, hours, a voucher's devices.

What people read about themselves. Whether somebody may come in is decided elsewhere, from the
same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from common.errors import UsageError
from db.models import Account, Voucher, VoucherDevice
from identity.domain.hours import parse_hours, seconds_left
from identity.domain.quota import PeriodLeft, first_day, has_quota, has_total, left_by_period
from identity.office import Office
from identity.services.usage import usage_of
from identity.services.voucher_terms import profile_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What an account may still use, as of one moment."""

    quotas: Sequence[PeriodLeft] = ()
    is_open: bool = True
    closes_at: datetime | None = None
    """When the hours of its role end; None while they never do, or are over."""
    voucher_devices: tuple[int, int] | None = None
    """Devices that have used its voucher, and how many may."""

    @property
    def says_something(self) -> bool:
        """Whether there is any limit to tell of."""
        return bool(
            self.quotas
            or self.closes_at is not None
            or not self.is_open
            or self.voucher_devices is not None
        )

    @property
    def octets(self) -> int | None:
        """Octets of both directions that are left of the tightest quota; None without one."""
        return min((one.octets for one in self.quotas if one.octets is not None), default=None)


def allowance(session: Session, office: Office, account: Account) -> Allowance:
    """What is left to `account` now."""
    now = office.clock()
    local = now.astimezone(ZoneInfo(office.config.site.timezone))
    profile = profile_of(session, account)
    quotas: Sequence[PeriodLeft] = ()
    if has_quota(profile):
        since = date.min if has_total(profile) else first_day(local.date())
        used = usage_of(session, [account.id], since)
        quotas = left_by_period(profile, used.get(account.id, ()), local)
    left: int | None = None
    if profile.hours is not None:
        try:
            left = seconds_left(parse_hours(profile.hours), local)
        except UsageError:
            left = 0  # written by hand into the table; every login is refused then
    return Allowance(
        quotas=quotas,
        is_open=left != 0,
        closes_at=_whole_minute(now + timedelta(seconds=left)) if left else None,
        voucher_devices=_voucher_devices(session, account),
    )


def _whole_minute(moment: datetime) -> datetime:
    """The next one: hours end on minutes, and the seconds that are left were cut."""
    later = moment + timedelta(seconds=1)
    return later.replace(second=0, microsecond=0)


def _voucher_devices(session: Session, account: Account) -> tuple[int, int] | None:
    if account.kind != "guest":
        return None
    voucher = session.scalar(select(Voucher).where(Voucher.account_id == account.id))
    if voucher is None:
        return None
    used = session.scalar(
        select(func.count())
        .select_from(VoucherDevice)
        .where(VoucherDevice.voucher_id == voucher.id, VoucherDevice.released_at.is_(None))
    )
    return used or 0, voucher.batch.devices
