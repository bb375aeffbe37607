"""Whether a device may join with a sign-in that began with a voucher.

A voucher lets in so many devices. The address of a signed-in page can be opened on another
device, so the hand-off counts devices as well as the form for the code.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Voucher, VoucherDevice
from identity.office import Office


def may_join(session: Session, office: Office, account_id: int, mac: str) -> bool:
    """True when `mac` is, or has now become, a device of the account's voucher.

    An account that did not come of a voucher, and a device the gateway does not name, may:
    the role's own limit counts those.
    """
    if not mac:
        return True
    # Locked, so that two new devices count one after the other.
    voucher = session.scalar(
        select(Voucher).where(Voucher.account_id == account_id).with_for_update(of=Voucher)
    )
    if voucher is None:
        return True
    known = set(
        session.scalars(select(VoucherDevice.mac).where(VoucherDevice.voucher_id == voucher.id))
    )
    if mac in known:
        return True
    if len(known) >= voucher.batch.devices:
        return False
    session.add(VoucherDevice(voucher_id=voucher.id, mac=mac, first_seen_at=office.clock()))
    return True
