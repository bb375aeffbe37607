"""Whether somebody the portal has proven may come in now, and for how long.

The same rules as a login by RADIUS, asked before a gateway is: a make that is called instead of
asking RADIUS would otherwise hold none of them, and a visitor reads why instead of coming back
from the gateway with nothing but a refusal.
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


def admit(session: Session, office: Office, account: Account, mac: str) -> Granted | Denied:
    """Hold state, hours, quota and the simultaneous limit; a device that is in may come again.

    Args:
        mac: of the device, or empty where the gateway did not name it; RADIUS then counts.
    """
    now = office.clock()
    facts = snapshot(session, account)
    refusal = facts.refusal(now)
    if refusal is not None:
        return Denied(refusal, Method.PORTAL, account.id)
    zone = ZoneInfo(office.config.site.timezone)
    used = {}
    if has_quota(facts.role):
        used = usage_of(session, [account.id], first_day(now.astimezone(zone).date()))
    granted = Granted(account=facts, method=Method.PORTAL, expires_at=facts.expires_at)
    try:
        held = hold(granted, used.get(account.id, ()), now, zone)
    except UsageError:
        # Written by hand into the table: nobody can say whether its role is open.
        return Denied(Reason.OUTSIDE_HOURS, Method.PORTAL, account.id)
    if isinstance(held, Denied) or facts.role.simultaneous is None or not mac:
        return held
    inside = set(
        session.scalars(
            select(NetworkSession.calling_station_id).where(
                NetworkSession.account_id == account.id, *open_conditions()
            )
        )
    )
    if mac not in inside and len(inside) >= facts.role.simultaneous:
        return Denied(Reason.SIMULTANEOUS, Method.PORTAL, account.id)
    return held
