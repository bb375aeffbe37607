"""What is done to vouchers after they were issued: revoke, extend, hand over, release, delete.

Every change is on record with who made it, and live sessions follow it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, exists, select
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused, UsageError
from db.models import Account, NetworkSession, Voucher, VoucherBatch, VoucherDevice
from identity.domain.admission import find_code
from identity.domain.dynamic import Cause
from identity.domain.vouchers import (
    LONGEST_MINUTES,
    Validity,
    VoucherState,
    may_release,
    state_of,
)
from identity.office import Office
from identity.services import audit, dynamic
from identity.services.voucher_terms import clock_of
from identity.services.vouchers import find


def get_batch(session: Session, batch_id: int) -> VoucherBatch:
    """The sheet of this number.

    Raises:
        NotFound: there is none.
    """
    batch = session.get(VoucherBatch, batch_id)
    if batch is None:
        raise NotFound(f"there is no sheet {batch_id}; see: yuenyan voucher list")
    return batch


def get_voucher(session: Session, office: Office, text: str) -> Voucher:
    """The voucher whose code, or number with a # before it, is `text`.

    Raises:
        NotFound: there is none.
    """
    found = None
    if text.startswith("#") and text[1:].isdigit() and len(text) < 20:
        found = session.get(Voucher, int(text[1:]))
    elif (code := find_code(text)) is not None:
        found = find(session, office, code)
    if found is None:
        raise NotFound("there is no voucher with this code or number")
    return found


def of_batch(session: Session, batch_id: int) -> Sequence[Voucher]:
    """All vouchers of a sheet."""
    return session.scalars(
        select(Voucher).where(Voucher.batch_id == batch_id).order_by(Voucher.id)
    ).all()


def revoke_batch(session: Session, office: Office, batch_id: int, actor: str) -> int:
    """Revoke every code of a batch and suspend the guests that came in by it."""
    return revoke(session, office, of_batch(session, batch_id), actor, f"batch {batch_id}")


def revoke(
    session: Session, office: Office, rows: Sequence[Voucher], actor: str, target: str
) -> int:
    """Revoke these codes and suspend the guests that came in by them; how many were not before."""
    now = office.clock()
    changed, guests = 0, []
    for row in rows:
        if row.state == VoucherState.REVOKED:
            continue
        row.state = VoucherState.REVOKED
        changed += 1
        account = session.get(Account, row.account_id) if row.account_id is not None else None
        if account is not None and account.state == "active":
            account.state = "suspended"
            account.ended_at = now
            guests.append(account.id)
    dynamic.disconnect_accounts(session, now, guests, Cause.SUSPENDED, actor)
    audit.record(session, now, actor, "voucher:revoked", target, count=changed)
    return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """What codes get on top; None and 0 leave that as it is."""

    minutes: int = 0
    megabytes: int = 0
    until: datetime | None = None
    """The new hard end, later or earlier than the old one."""

    def check(self, now: datetime) -> None:
        """Raise UsageError when it changes nothing or is out of range."""
        if not (self.minutes or self.megabytes or self.until):
            raise UsageError("say by what to extend: minutes, megabytes or a new end")
        if not 0 <= self.minutes <= LONGEST_MINUTES:
            raise UsageError(f"the minutes of an extension must be 0..{LONGEST_MINUTES}")
        if not 0 <= self.megabytes <= 10_000_000:
            raise UsageError("the megabytes of an extension must be 0..10000000")
        if self.until is not None and self.until <= now:
            raise UsageError("the new end of the vouchers is over already")


def extend_batch(
    session: Session, office: Office, batch_id: int, extension: Extension, actor: str
) -> int:
    """Extend every code of a sheet that was not revoked; how many those are."""
    batch = get_batch(session, batch_id)
    if extension.until is not None:
        batch.hard_expiry = extension.until
    rows = of_batch(session, batch_id)
    return extend(session, office, rows, extension, actor, f"batch {batch_id}")


def extend(
    session: Session,
    office: Office,
    rows: Sequence[Voucher],
    extension: Extension,
    actor: str,
    target: str,
) -> int:
    """Extend these codes; how many were extended.

    Minutes are added to what the sheet counts: to the time left of a code that runs, from now for
    one that has run out, to the length of one that nobody has used, to the minutes of use. Revoked
    codes stay revoked; guests whose account has been anonymised since stay gone.

    Raises:
        UsageError: nothing is to change, or a number is out of range.
        Refused: megabytes for codes without a quota, minutes for a fixed window, or none of
            these codes may be extended.
    """
    now, changed = office.clock(), 0
    extension.check(now)
    for row in rows:
        if row.state == VoucherState.REVOKED:
            continue
        account = session.get(Account, row.account_id) if row.account_id is not None else None
        if account is not None and account.anonymised_at is not None:
            continue
        _extend_one(row, account, extension, now)
        changed += 1
    if not changed:
        raise Refused(_why_none(rows))
    audit.record(
        session,
        now,
        actor,
        "voucher:extended",
        target,
        count=changed,
        minutes=extension.minutes or None,
        megabytes=extension.megabytes or None,
        until=extension.until.isoformat() if extension.until else None,
    )
    session.flush()
    return changed


def _why_none(rows: Sequence[Voucher]) -> str:
    """Why an extension of these codes would change nothing."""
    if len(rows) != 1:
        return "no code of this sheet can be extended: revoked codes stay revoked"
    if rows[0].state == VoucherState.REVOKED:
        return "this code was revoked; revoked codes stay revoked"
    return "the guest of this code was anonymised; issue a new code"


def _extend_one(row: Voucher, account: Account | None, extension: Extension, now: datetime) -> None:
    batch = row.batch
    if extension.megabytes and batch.quota_mb is None:
        raise Refused("these vouchers have no data quota to extend")
    if extension.minutes and batch.validity == Validity.FIXED_WINDOW:
        raise Refused("these vouchers end on a fixed day; give the new end instead of minutes")
    used_end = row.expires_at if row.state != VoucherState.UNUSED else None
    row.extra_mb += extension.megabytes
    row.extra_minutes += extension.minutes
    if extension.until is not None:
        row.hard_expiry = extension.until
    added = timedelta(minutes=extension.minutes)
    end = row.hard_expiry or batch.hard_expiry
    if extension.minutes and batch.validity != Validity.MINUTES_OF_USE:
        # Extended by an officer: the sheet's own hard end must not take it back.
        wanted = max(used_end or end, now) + added
        if used_end is not None or batch.validity == Validity.FROM_CREATION:
            end = max(end, wanted)
            row.hard_expiry = end
    if used_end is None:
        return
    if batch.validity != Validity.FROM_FIRST_USE:
        row.expires_at = end
    elif extension.minutes:
        row.expires_at = min(max(used_end, now) + added, end)
    elif extension.until is not None:
        row.expires_at = min(used_end, end)
    if row.state == VoucherState.EXHAUSTED:
        row.state, row.exhausted_by = VoucherState.ACTIVE.value, None
    if account is not None:
        account.expires_at = row.expires_at
        if account.state == "expired" and row.expires_at is not None and row.expires_at > now:
            account.state, account.ended_at = "active", None


def note_receiver(
    session: Session, office: Office, batch_id: int, receiver: str, actor: str
) -> None:
    """Put on record who was handed the sheet."""
    batch = get_batch(session, batch_id)
    receiver = receiver.strip()
    if not receiver or len(receiver) > 120 or not receiver.isprintable():
        raise UsageError("the receiver has at most 120 characters, all on one line")
    batch.receiver = receiver
    audit.record(
        session,
        office.clock(),
        actor,
        "voucher:handed_over",
        f"batch {batch_id}",
        receiver=receiver,
    )


def release_device(
    session: Session, office: Office, voucher: Voucher, mac: str, actor: str
) -> None:
    """Take a device off a code, so that another may use it. Its session ends.

    Raises:
        NotFound: the device does not use this code.
    """
    device = session.get(VoucherDevice, (voucher.id, mac))
    if device is None or device.released_at is not None:
        raise NotFound("this device does not use the voucher")
    now = office.clock()
    device.released_at = now
    rows = session.scalars(
        select(NetworkSession).where(
            *dynamic.open_conditions(),
            NetworkSession.account_id == voucher.account_id,
            NetworkSession.calling_station_id == mac,
        )
    ).all()
    if voucher.account_id is not None:
        dynamic.request_disconnect(session, now, rows, Cause.OFFICER, actor)
    audit.record(session, now, actor, "voucher:device_released", f"voucher {voucher.id}")


def release_own_device(session: Session, office: Office, voucher: Voucher, mac: str) -> None:
    """The same for whoever holds the code, once in 24 hours.

    Raises:
        Refused: one was released in the last 24 hours, or the code is not in use.
    """
    now = office.clock()
    state = state_of(voucher.state, clock_of(voucher), voucher.expires_at, now)
    if state is not VoucherState.ACTIVE:
        raise Refused("this voucher is not in use")
    if not may_release(voucher.guest_released_at, now):
        raise Refused("a device was taken off this voucher in the last 24 hours")
    release_device(session, office, voucher, mac, f"voucher-{voucher.id}")
    voucher.guest_released_at = now


def delete_expired(
    session: Session, office: Office, actor: str, batch_id: int | None = None
) -> int:
    """Delete codes that can never be used again and stand for nobody; how many.

    A code that nobody has used names nobody. One that was used stays until the guest's account was
    anonymised, which waits for the retention of traffic data and for every hold.
    """
    now = office.clock()
    gone = (
        select(Account.id)
        .where(Account.id == Voucher.account_id, Account.anonymised_at.is_not(None))
        .exists()
    )
    wanted = select(Voucher).where(
        (Voucher.account_id.is_(None)) | gone,
    )
    if batch_id is not None:
        wanted = wanted.where(Voucher.batch_id == batch_id)
    over = (VoucherState.EXPIRED, VoucherState.REVOKED, VoucherState.EXHAUSTED)
    rows = [
        row
        for row in session.scalars(wanted)
        if state_of(row.state, clock_of(row), row.expires_at, now) in over
    ]
    sheets = {row.batch_id for row in rows}
    numbers = [row.id for row in rows]
    for start in range(0, len(numbers), 400):
        some = numbers[start : start + 400]
        session.execute(delete(VoucherDevice).where(VoucherDevice.voucher_id.in_(some)))
        session.execute(delete(Voucher).where(Voucher.id.in_(some)))
    empty = cast(
        "CursorResult[Any]",
        session.execute(
            delete(VoucherBatch).where(
                VoucherBatch.id.in_(sheets), ~exists().where(Voucher.batch_id == VoucherBatch.id)
            )
        ),
    ).rowcount
    if numbers:
        audit.record(
            session, now, actor, "voucher:deleted", "expired", count=len(numbers), sheets=empty
        )
    return len(numbers)
