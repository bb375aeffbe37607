"""Whether several people may hold one voucher, whose account then tells of all of them.

A code proves that somebody has the slip, not which of its holders it is: what an account with a
password shows its owner is, of such an account, other people's.
"""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Voucher, VoucherBatch, VoucherDevice


def is_for_several(session: Session, voucher: Voucher) -> bool:
    """Whether this code was issued for more than one device."""
    return session.get_one(VoucherBatch, voucher.batch_id).devices > 1


def is_shared(session: Session, account_id: int) -> bool:
    """Whether this is the account of a voucher that more than one device may use, or has used.

    A code for one device counts when that device was taken off it and another came.
    """
    row = session.execute(
        select(Voucher.id, VoucherBatch.devices)
        .join(VoucherBatch, VoucherBatch.id == Voucher.batch_id)
        .where(Voucher.account_id == account_id)
    ).first()
    if row is None:
        return False
    if row.devices > 1:
        return True
    used = session.scalar(
        select(func.count()).select_from(VoucherDevice).where(VoucherDevice.voucher_id == row.id)
    )
    return (used or 0) > 1
