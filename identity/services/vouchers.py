"""Vouchers: issue a sheet, redeem a code, list and revoke.

First use is one conditional UPDATE, so two phones with one code cannot both be first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.orm import Session

from common.errors import Refused, UsageError
from db.models import Account, Voucher, VoucherBatch, VoucherDevice
from identity.domain.access import Denied, Method, Reason
from identity.domain.admission import format_code, new_code
from identity.domain.dynamic import Cause
from identity.office import Office
from identity.services import approval, audit, dynamic, people, roles

MAXIMUM_BATCH = 2000
_PURPOSE = "voucher"
_UNUSED_LIFETIME = timedelta(days=180)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedVoucher:
    """One code as the printed slip shows it."""

    code: str
    state: str
    first_used_at: datetime | None
    expires_at: datetime | None


def create_batch(
    session: Session,
    office: Office,
    *,
    count: int,
    role: str,
    minutes: int,
    devices: int,
    issuer: str,
    name: str = "",
) -> tuple[VoucherBatch, Sequence[str]]:
    """Issue `count` codes and return them grouped for reading (`ABCDE-FGHJK`).

    Raises:
        UsageError: a number is out of range.
        Refused: the issuer is not a person, so nobody would answer for the guests, or is an
            approver who may not grant this role.
    """
    for value, low, high, what in (
        (count, 1, MAXIMUM_BATCH, "the number of vouchers"),
        (minutes, 1, 366 * 24 * 60, "the minutes of a voucher"),
        (devices, 1, 100, "the devices of a voucher"),
    ):
        if not low <= value <= high:
            raise UsageError(f"{what} must be {low}..{high}")
    sponsor = people.get(session, issuer)
    if sponsor.kind != "person":
        raise Refused(f"{issuer} is a {sponsor.kind}; vouchers need a person as their issuer")
    approval.refuse_role(session, sponsor, role)
    now = office.clock()
    batch = VoucherBatch(
        name=name.strip() or f"{now:%Y-%m-%d %H:%M}",
        role_id=roles.get(session, role).id,
        issuer_id=sponsor.id,
        minutes=minutes,
        devices=devices,
        created_at=now,
        hard_expiry=now + _UNUSED_LIFETIME,
    )
    session.add(batch)
    session.flush()
    codes = [new_code() for _ in range(count)]
    session.add_all(
        Voucher(
            batch_id=batch.id,
            code_hmac=office.vault.lookup_hash(code),
            code_encrypted=office.vault.encrypt(code.encode(), _PURPOSE),
            state="unused",
        )
        for code in codes
    )
    audit.record(
        session,
        now,
        sponsor.username,
        "voucher:created",
        f"batch {batch.id}",
        count=count,
        minutes=minutes,
        devices=devices,
        role=role,
    )
    return batch, [format_code(code) for code in codes]


def redeem(session: Session, office: Office, code: str, client_mac: str | None) -> Account | Denied:
    """The guest account behind `code` (as `find_code` returns it), made at first use."""
    now = office.clock()
    voucher = session.scalar(
        select(Voucher).where(Voucher.code_hmac == office.vault.lookup_hash(code))
    )
    if voucher is None:
        return Denied(Reason.VOUCHER_UNKNOWN, Method.VOUCHER)
    if voucher.state == "revoked":
        return Denied(Reason.VOUCHER_REVOKED, Method.VOUCHER, voucher.account_id)
    if voucher.state == "unused":
        if voucher.batch.hard_expiry <= now:
            return Denied(Reason.VOUCHER_EXPIRED, Method.VOUCHER)
        _first_use(session, voucher, now)
    account = session.get(Account, voucher.account_id)
    if account is None or voucher.expires_at is None:
        return Denied(Reason.VOUCHER_UNKNOWN, Method.VOUCHER)
    if voucher.expires_at <= now:
        return Denied(Reason.VOUCHER_EXPIRED, Method.VOUCHER, account.id)
    if account.state != "active":
        return Denied(Reason.SUSPENDED, Method.VOUCHER, account.id)
    if client_mac is not None and not _bind(session, voucher, client_mac, now):
        return Denied(Reason.VOUCHER_DEVICES, Method.VOUCHER, account.id)
    return account


def _first_use(session: Session, voucher: Voucher, now: datetime) -> None:
    expires_at = now + timedelta(minutes=voucher.batch.minutes)
    result = cast(
        "CursorResult[Any]",
        session.execute(
            update(Voucher)
            .where(Voucher.id == voucher.id, Voucher.state == "unused")
            .values(state="active", first_used_at=now, expires_at=expires_at)
        ),
    )
    if result.rowcount == 1:
        account = Account(
            username=f"voucher-{voucher.id}",
            kind="guest",
            state="active",
            sponsor_id=voucher.batch.issuer_id,
            guest_name=f"Voucher {voucher.id} ({voucher.batch.name})",
            organisation_id=session.get_one(Account, voucher.batch.issuer_id).organisation_id,
            role_id=voucher.batch.role_id,
            expires_at=expires_at,
            created_at=now,
        )
        session.add(account)
        session.flush()
        voucher.account_id = account.id
        audit.record(session, now, account.username, "voucher:first_used", f"voucher {voucher.id}")
        session.flush()
    session.refresh(voucher)


def _bind(session: Session, voucher: Voucher, mac: str, now: datetime) -> bool:
    if session.get(VoucherDevice, (voucher.id, mac)) is not None:
        return True
    # The row lock makes two new devices count one after the other; SQLite has one writer anyway.
    session.execute(select(Voucher.id).where(Voucher.id == voucher.id).with_for_update())
    # It may be the very device that the lock was waited for: NAS and portal ask at once.
    if session.get(VoucherDevice, (voucher.id, mac)) is not None:
        return True
    used = session.scalar(
        select(func.count())
        .select_from(VoucherDevice)
        .where(VoucherDevice.voucher_id == voucher.id)
    )
    if (used or 0) >= voucher.batch.devices:
        return False
    session.add(VoucherDevice(voucher_id=voucher.id, mac=mac, first_seen_at=now))
    session.flush()
    return True


def codes_of(session: Session, office: Office, batch_id: int) -> Sequence[IssuedVoucher]:
    """The codes of a batch for printing; the caller records who printed them."""
    rows = session.scalars(
        select(Voucher).where(Voucher.batch_id == batch_id).order_by(Voucher.id)
    ).all()
    return [
        IssuedVoucher(
            code=format_code(office.vault.decrypt(row.code_encrypted, _PURPOSE).decode()),
            state=row.state,
            first_used_at=row.first_used_at,
            expires_at=row.expires_at,
        )
        for row in rows
    ]


def revoke_batch(session: Session, office: Office, batch_id: int, actor: str) -> int:
    """Revoke every code of a batch and suspend the guests that came in by it."""
    now = office.clock()
    rows = session.scalars(select(Voucher).where(Voucher.batch_id == batch_id)).all()
    changed = 0
    guests = []
    for row in rows:
        if row.state != "revoked":
            row.state = "revoked"
            changed += 1
            if row.account_id is not None:
                account = session.get(Account, row.account_id)
                if account is not None and account.state == "active":
                    account.state = "suspended"
                    account.ended_at = now
                    guests.append(account.id)
    dynamic.disconnect_accounts(session, now, guests, Cause.SUSPENDED, actor)
    audit.record(session, now, actor, "voucher:revoked", f"batch {batch_id}", count=changed)
    return changed
