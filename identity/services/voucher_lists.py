"""How sheets and codes of vouchers stand: for the admin's pages and for the command line."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session

from db.models import Account, Voucher, VoucherBatch
from identity.domain.spellings import spellings
from identity.domain.vouchers import VoucherState
from identity.services.reach import Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchUse:
    """How many codes of a sheet are in which state."""

    unused: int = 0
    active: int = 0
    exhausted: int = 0
    expired: int = 0
    revoked: int = 0

    @property
    def total(self) -> int:
        return self.unused + self.active + self.exhausted + self.expired + self.revoked


def state_now(now: datetime) -> ColumnElement[str]:
    """The state that people see, in a query over Voucher joined with VoucherBatch.

    The same as identity.domain.vouchers.state_of, and codes whose sign-ins are used up.
    """
    over = and_(Voucher.state == "active", Voucher.expires_at <= now)
    end = func.coalesce(Voucher.hard_expiry, VoucherBatch.hard_expiry)
    lapsed = and_(Voucher.state == "unused", end <= now)
    spent = and_(Voucher.state == "active", Voucher.use_count >= VoucherBatch.uses)
    found: Any = case((or_(over, lapsed), "expired"), (spent, "exhausted"), else_=Voucher.state)
    return found  # type: ignore[no-any-return]


def uses_of(session: Session, batch_ids: Collection[int], now: datetime) -> dict[int, BatchUse]:
    """How the codes of each of these sheets stand."""
    state = state_now(now)
    counted: dict[int, dict[str, int]] = {batch_id: {} for batch_id in batch_ids}
    for batch_id, name, number in session.execute(
        select(Voucher.batch_id, state, func.count())
        .join(VoucherBatch, VoucherBatch.id == Voucher.batch_id)
        .where(Voucher.batch_id.in_(sorted(batch_ids)))
        .group_by(Voucher.batch_id, state)
    ):
        counted[batch_id][name] = number
    return {batch_id: BatchUse(**states) for batch_id, states in counted.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What sheets somebody looks for; None and empty texts are all."""

    text: str = ""
    state: str = ""
    """A state that at least one code of the sheet is in."""
    issuer: str = ""
    since: datetime | None = None
    until: datetime | None = None


def sheets(wanted: Wanted, now: datetime) -> Select[VoucherBatch, Account]:
    """Sheets and their issuers, newest first."""
    statement = (
        select(VoucherBatch, Account)
        .join(Account, Account.id == VoucherBatch.issuer_id)
        .order_by(VoucherBatch.id.desc())
    )
    if wanted.text:
        statement = statement.where(
            or_(
                _contains(VoucherBatch.name, wanted.text),
                _contains(VoucherBatch.receiver, wanted.text),
            )
        )
    if wanted.issuer:
        statement = statement.where(Account.username.in_(spellings(wanted.issuer)))
    if wanted.since is not None:
        statement = statement.where(VoucherBatch.created_at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(VoucherBatch.created_at <= wanted.until)
    if wanted.state in set(VoucherState):
        statement = statement.where(
            exists().where(Voucher.batch_id == VoucherBatch.id, state_now(now) == wanted.state)
        )
    return statement


def issuers(session: Session, reach: Reach) -> Sequence[tuple[str, str]]:
    """Who has issued sheets in reach: user name and the name people know."""
    rows = session.execute(
        select(Account)
        .where(
            Account.id.in_(select(VoucherBatch.issuer_id).where(reach.batches())),
        )
        .order_by(Account.username)
    ).scalars()
    return [(row.username, row.full_name or row.username) for row in rows]


def codes(batch_id: int, state: str, now: datetime) -> Select[Voucher, str]:
    """The codes of a sheet with their states, in the order in which they are printed."""
    shown = state_now(now)
    statement = (
        select(Voucher, shown.label("shown"))
        .join(VoucherBatch, VoucherBatch.id == Voucher.batch_id)
        .where(Voucher.batch_id == batch_id)
        .order_by(Voucher.id)
    )
    return statement.where(shown == state) if state in set(VoucherState) else statement


def _contains(column: Any, text: str) -> ColumnElement[bool]:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return column.ilike(f"%{escaped}%", escape="\\")  # type: ignore[no-any-return]
