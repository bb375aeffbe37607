"""What live sessions of vouchers are held to beside their role: hours, data, minutes of use.

Belongs to identity.services.enforcement, which says when to look.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from common.errors import UsageError
from common.logging import get_logger
from db.models import NetworkSession, Voucher, VoucherBatch
from identity.domain.access import RoleProfile
from identity.domain.hours import is_open, parse_hours
from identity.domain.quota import OCTETS_A_MEGABYTE, has_quota, has_total, remaining
from identity.domain.vouchers import Limits, Validity, VoucherState, tightened
from identity.services.dynamic import open_conditions
from identity.services.usage import usage_of
from identity.services.voucher_terms import limits_by_account, profiles_by_account

_KEYS_A_QUERY = 400


def any_counted(session: Session) -> bool:
    """Whether what some voucher in use has used matters."""
    counted = or_(
        VoucherBatch.quota_mb.is_not(None), VoucherBatch.validity == Validity.MINUTES_OF_USE
    )
    found = session.scalar(
        select(Voucher.id)
        .join(VoucherBatch, VoucherBatch.id == Voucher.batch_id)
        .where(counted, Voucher.state == VoucherState.ACTIVE)
        .limit(1)
    )
    return found is not None


def sheets_with_hours(session: Session) -> dict[int, str]:
    """The hours of every sheet that has any and is in use."""
    rows = session.execute(
        select(VoucherBatch.id, VoucherBatch.hours)
        .join(Voucher, Voucher.batch_id == VoucherBatch.id)
        .where(VoucherBatch.hours.is_not(None), Voucher.state == VoucherState.ACTIVE)
        .distinct()
    )
    return {number: hours for number, hours in rows if hours is not None}


def closed_sheets(hours: dict[int, str], local: datetime) -> list[int]:
    """Those of these sheets that are closed at a local time."""
    closed = []
    for number, text in hours.items():
        try:
            if not is_open(parse_hours(text), local):
                closed.append(number)
        except UsageError as error:
            # Written by hand into the table: logins are refused by it, but nobody is thrown out.
            get_logger(__name__).error("hours_unreadable", sheet=number, error=str(error))
    return closed


def open_guests(session: Session, sheets: Collection[int]) -> set[int]:
    """The guests of these sheets who have an open session."""
    found = session.scalars(
        select(Voucher.account_id)
        .join(NetworkSession, NetworkSession.account_id == Voucher.account_id)
        .where(*open_conditions(), Voucher.batch_id.in_(sorted(sheets)))
        .distinct()
    )
    return {account_id for account_id in found if account_id is not None}


def open_counted_guests(session: Session) -> set[int]:
    """The guests with an open session whose voucher counts data or minutes."""
    counted = or_(
        VoucherBatch.quota_mb.is_not(None), VoucherBatch.validity == Validity.MINUTES_OF_USE
    )
    found = session.scalars(
        select(Voucher.account_id)
        .join(VoucherBatch, VoucherBatch.id == Voucher.batch_id)
        .join(NetworkSession, NetworkSession.account_id == Voucher.account_id)
        .where(*open_conditions(), counted)
        .distinct()
    )
    return {account_id for account_id in found if account_id is not None}


def used_up(session: Session, account_ids: Collection[int], local: datetime) -> set[int]:
    """Those among these accounts whose voucher, or its role, has nothing left."""
    profiles = {
        account_id: profile
        for account_id, profile in profiles_by_account(session, account_ids).items()
        if has_quota(profile)
    }
    used = usage_of(session, profiles, date.min) if profiles else {}
    return {
        account_id
        for account_id, profile in profiles.items()
        if remaining(profile, used.get(account_id, ()), local).exhausted
    }


def mark_exhausted(session: Session, account_ids: Collection[int], local: datetime) -> int:
    """Write down which vouchers of these accounts are at their end, and of what; how many.

    A role's quota that is used up comes back, a voucher's does not.
    """
    limits, marked = limits_by_account(session, account_ids), 0
    used = usage_of(session, limits, date.min) if limits else {}
    for account_id, own in limits.items():
        whole = tightened(RoleProfile(name=""), own)
        days = used.get(account_id, ())
        if not has_total(whole) or remaining(whole, days, local).exhausted is None:
            continue
        octets = sum(day.octets for day in days)
        session.execute(
            update(Voucher)
            .where(Voucher.account_id == account_id, Voucher.state == VoucherState.ACTIVE)
            .values(state=VoucherState.EXHAUSTED, exhausted_by=_what(own, octets))
            .execution_options(synchronize_session=False)
        )
        marked += 1
    return marked


def _what(limits: Limits, octets: int) -> str:
    over = limits.quota_mb is not None and octets >= limits.quota_mb * OCTETS_A_MEGABYTE
    return "data" if over else "time"
