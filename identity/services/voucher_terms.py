"""The terms of stored vouchers as the rules want them, and the role as a voucher leaves it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Account, NasClient, Organisation, Role, Voucher, VoucherBatch
from identity.domain.access import RoleProfile
from identity.domain.vouchers import NOWHERE, Clock, Limits, Place, Scope, Validity, tightened
from identity.services import roles

USERNAME_PREFIX = "voucher-"
"""Of the accounts that first uses make."""

_KEYS_A_QUERY = 400


def clock_of(voucher: Voucher) -> Clock:
    """When this code runs."""
    batch = voucher.batch
    return Clock(
        validity=Validity(batch.validity),
        minutes=batch.minutes + voucher.extra_minutes,
        not_before=batch.not_before,
        hard_expiry=voucher.hard_expiry or batch.hard_expiry,
    )


def limits_of(batch: VoucherBatch, extra_mb: int = 0, extra_minutes: int = 0) -> Limits:
    """What a code of this sheet adds to the limits of its role."""
    counted = batch.validity == Validity.MINUTES_OF_USE
    return Limits(
        quota_mb=None if batch.quota_mb is None else batch.quota_mb + extra_mb,
        minutes_of_use=batch.minutes + extra_minutes if counted else None,
        down_kbps=batch.down_kbps,
        up_kbps=batch.up_kbps,
        idle_seconds=batch.idle_seconds,
        hours=batch.hours,
    )


def scope_of(batch: VoucherBatch) -> Scope:
    """Where the codes of this sheet work."""
    return Scope(
        nas_client_id=batch.nas_client_id,
        organisation_id=batch.organisation_id,
        ssid=batch.ssid,
    )


def place_of(session: Session, nas_client_id: int | None, ssid: str = "") -> Place:
    """The place that a network device stands for, with the organisations it belongs to."""
    if nas_client_id is None:
        return replace(NOWHERE, ssid=ssid)
    own = session.scalar(select(NasClient.organisation_id).where(NasClient.id == nas_client_id))
    found: set[int] = set()
    while own is not None and own not in found:
        found.add(own)
        own = session.scalar(select(Organisation.parent_id).where(Organisation.id == own))
    return Place(nas_client_id=nas_client_id, organisations=frozenset(found), ssid=ssid)


def is_of_voucher(kind: str, username: str) -> bool:
    """Whether an account may have come of a voucher; spares a look for all the others."""
    return kind == "guest" and username.startswith(USERNAME_PREFIX)


def profile_of(session: Session, account: Account) -> RoleProfile:
    """What the account may do: its role, tightened by its voucher when it has one."""
    profile = roles.profile(account.role)
    if not is_of_voucher(account.kind, account.username):
        return profile
    limits = limits_by_account(session, [account.id])
    return tightened(profile, limits[account.id]) if account.id in limits else profile


def limits_by_account(session: Session, account_ids: Collection[int]) -> dict[int, Limits]:
    """What vouchers add to these accounts; those that did not come of one are absent."""
    found: dict[int, Limits] = {}
    numbers = sorted(account_ids)
    for start in range(0, len(numbers), _KEYS_A_QUERY):
        rows = session.execute(
            select(Voucher.account_id, Voucher.extra_mb, Voucher.extra_minutes, VoucherBatch)
            .join(VoucherBatch, VoucherBatch.id == Voucher.batch_id)
            .where(Voucher.account_id.in_(numbers[start : start + _KEYS_A_QUERY]))
        )
        for account_id, extra_mb, extra_minutes, batch in rows:
            assert account_id is not None
            found[account_id] = limits_of(batch, extra_mb, extra_minutes)
    return found


def profiles_by_account(session: Session, account_ids: Collection[int]) -> dict[int, RoleProfile]:
    """The profiles of the accounts among these that came of vouchers."""
    limits = limits_by_account(session, account_ids)
    numbers, found = sorted(limits), {}
    for start in range(0, len(numbers), _KEYS_A_QUERY):
        rows = session.execute(
            select(Account.id, Role)
            .join(Role, Role.id == Account.role_id)
            .where(Account.id.in_(numbers[start : start + _KEYS_A_QUERY]))
        )
        for account_id, role in rows:
            found[account_id] = tightened(roles.profile(role), limits[account_id])
    return found
