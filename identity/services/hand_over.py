"""Whether somebody the portal has proven may come in now, and for how long.

The same rules as a login by RADIUS, asked before a gateway is: a make that is called instead of
asking RADIUS would otherwise hold none of them, and a visitor reads why instead of coming back
from the gateway with nothing but a refusal.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.net import find_mac
from db.models import Account, NetworkSession, PortalToken, Voucher, VoucherBatch
from identity.domain.access import Denied, Granted, Method, Reason
from identity.domain.dynamic import Cause
from identity.office import Office
from identity.services import admitting, dynamic, granted_time
from identity.services.snapshots import snapshot
from identity.services.voucher_terms import is_of_voucher

GRANTED = "portal:granted="
"""Begins the trace of a hand-over that asked no RADIUS; the device follows."""


def admit(
    session: Session,
    office: Office,
    account: Account,
    mac: str,
    ip: str = "",
    *,
    has_room: bool = True,
) -> Granted | Denied:
    """Hold state, hours, quota and the simultaneous limit; a device that is in may come again.

    Args:
        mac: of the device, or empty where the gateway did not name it; RADIUS then counts.
        ip: its address: the session of a make that names devices so has that for its device.
        has_room: False while the disk is full and nobody new is let in.
    """
    return admitting.admit(
        session, office, account, mac, Method.PORTAL, alias=ip, has_room=has_room
    )


def full_for(session: Session, office: Office, account: Account, device: str) -> Denied | None:
    """Why `device` may not come in where no RADIUS counts; None when there is room.

    Whom the portal has let in counts while that session is on record, and whom it is letting in,
    too: the caller adds the token of this hand-over in the same transaction.

    Args:
        device: as the make names it to the gateway, a MAC address or an address.
    """
    # Locked, so that hand-overs of one account count one after the other.
    session.get(Account, account.id, with_for_update={"of": Account})
    facts = snapshot(session, account)
    limits = [facts.role.simultaneous]
    if is_of_voucher(facts.kind, facts.username) and find_mac(device) is None:
        # A MAC address has its place among the devices of the voucher, which can be taken off it.
        limits += session.scalars(
            select(VoucherBatch.devices)
            .join(Voucher, Voucher.batch_id == VoucherBatch.id)
            .where(Voucher.account_id == account.id)
        )
    most = min((one for one in limits if one is not None), default=None)
    if most is None:
        return None
    now = office.clock()
    inside = _inside(session, account.id, now)
    if device not in inside and len(inside) >= most:
        # What sleeps gives way, and is ended, at the latest when it wakes.
        asleep = granted_time.asleep(session, now, NetworkSession.account_id == account.id)
        dynamic.request_disconnect(session, now, asleep, Cause.ANOTHER_DEVICE)
        inside = _inside(session, account.id, now)
    if device not in inside and len(inside) >= most:
        return Denied(Reason.SIMULTANEOUS, Method.PORTAL, account.id)
    return None


def _inside(session: Session, account_id: int, now: datetime) -> set[str]:
    return {
        *admitting.stations(session, account_id),
        *granted_time.devices_inside(session, now, account_id),
        *session.scalars(
            select(PortalToken.client_mac).where(
                PortalToken.account_id == account_id,
                PortalToken.consumed_at.is_(None),
                PortalToken.expires_at > now,
                PortalToken.client_mac.is_not(None),
            )
        ),
    }
