"""Whether an account may come in now with a device, and for how long, where no RADIUS is asked.

The rules of a login by RADIUS: state, hours, quota, simultaneous devices. Asked before a gateway
is (hand_over) and when a gateway brings a token back (entering).
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.errors import UsageError
from db.models import Account, NetworkSession
from identity.domain.access import Denied, Granted, Method, Reason
from identity.domain.limits import hold
from identity.domain.quota import first_day, has_quota
from identity.office import Office
from identity.services.dynamic import open_conditions
from identity.services.snapshots import snapshot
from identity.services.usage import usage_of


def admit(
    session: Session,
    office: Office,
    account: Account,
    device: str,
    method: Method,
    *,
    alias: str = "",
    has_room: bool = True,
) -> Granted | Denied:
    """Hold every rule; a device that is in may come again.

    Args:
        device: its MAC address; empty where nobody has named it: devices are counted later then.
        alias: what else its session may be on record under: its address, where a make names none.
        has_room: False while the disk is full and nobody new is let in.
    """
    now = office.clock()
    facts = snapshot(session, account)
    refusal = facts.refusal(now)
    if refusal is not None:
        return Denied(refusal, method, account.id)
    most = facts.role.simultaneous
    inside: set[str] = set()
    if not has_room or (most is not None and device):
        inside = stations(session, account.id)
    if not has_room and not {device, alias or device} & inside:
        return Denied(Reason.DISK_FULL, method, account.id)
    zone = ZoneInfo(office.config.site.timezone)
    used = {}
    if has_quota(facts.role):
        used = usage_of(session, [account.id], first_day(now.astimezone(zone).date()))
    granted = Granted(account=facts, method=method, expires_at=facts.expires_at)
    try:
        held = hold(granted, used.get(account.id, ()), now, zone)
    except UsageError:
        # Written by hand into the table: nobody can say whether its role is open.
        return Denied(Reason.OUTSIDE_HOURS, method, account.id)
    if isinstance(held, Denied) or most is None or not device:
        return held
    if not {device, alias or device} & inside and len(inside) >= most:
        return Denied(Reason.SIMULTANEOUS, method, account.id)
    return held


def stations(session: Session, account_id: int) -> set[str]:
    """The devices with an open session; a session without one counts as one of its own."""
    rows = session.execute(
        select(NetworkSession.calling_station_id, NetworkSession.session_key).where(
            NetworkSession.account_id == account_id, *open_conditions()
        )
    )
    return {station or key for station, key in rows}
