"""Presenting a one-time token where no RADIUS is spoken: the same rules as a login by RADIUS.

For gateways that ask the portal itself. Who reports the session is
identity.services.reported_sessions.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from common.errors import BackendUnavailable
from db.models import Account, NetworkSession, PortalToken
from identity.domain.access import Decision, Denied, Granted, Method, Reason, Unavailable
from identity.domain.limits import hold
from identity.domain.quota import first_day, has_quota
from identity.office import Office
from identity.services import dynamic, vouchers
from identity.services.snapshots import snapshot
from identity.services.usage import usage_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """Where somebody comes in."""

    nas_client_id: int
    mac: str
    has_room: bool = True
    """False while the disk is full and nobody new is let in."""


def present(office: Office, token: str, username: str, entrance: Entrance) -> Decision:
    """Use up a token at a gateway, and decide as RADIUS does: account, hours, quota, devices."""
    try:
        with office.database.write() as session:
            return _present(session, office, token, username, entrance)
    except BackendUnavailable as error:
        return Unavailable(error.backend)


def _present(
    session: Session, office: Office, token: str, username: str, entrance: Entrance
) -> Decision:
    now = office.clock()
    found = next(
        (
            row
            for row in session.scalars(select(PortalToken).where(PortalToken.username == username))
            if hmac.compare_digest(row.token.encode(), token.encode())
        ),
        None,
    )
    account = session.get(Account, found.account_id) if found is not None else None
    if found is None or account is None:
        return Denied(Reason.UNKNOWN_ACCOUNT, Method.TOKEN)
    refusal = _refusal_of_token(found, entrance, now)
    if refusal is None and not _spend(session, found.id, now):
        refusal = Reason.TOKEN_SPENT
    if refusal is not None:
        return Denied(refusal, Method.TOKEN, account.id)
    beyond = vouchers.count_device(session, office, account.id, entrance.mac)
    if beyond is not None:
        return beyond
    facts = snapshot(session, account)
    refusal = facts.refusal(now)
    if refusal is not None:
        return Denied(refusal, Method.TOKEN, account.id)
    stations = _open_stations(session, account.id)
    is_new = entrance.mac not in stations
    if is_new and not entrance.has_room:
        return Denied(Reason.DISK_FULL, Method.TOKEN, account.id)
    zone = ZoneInfo(office.config.site.timezone)
    used = (
        usage_of(session, [account.id], first_day(now.astimezone(zone).date()))
        if has_quota(facts.role)
        else {}
    )
    granted = Granted(account=facts, method=Method.TOKEN, expires_at=facts.expires_at)
    held = hold(granted, used.get(account.id, ()), now, zone)
    simultaneous = facts.role.simultaneous
    is_full = simultaneous is not None and is_new and len(stations) >= simultaneous
    if isinstance(held, Granted) and is_full:
        return Denied(Reason.SIMULTANEOUS, Method.TOKEN, account.id)
    return held


def _refusal_of_token(found: PortalToken, entrance: Entrance, now: datetime) -> Reason | None:
    if found.consumed_at is not None:
        return Reason.TOKEN_SPENT
    if found.expires_at <= now:
        return Reason.TOKEN_EXPIRED
    if found.nas_client_id not in (None, entrance.nas_client_id):
        return Reason.TOKEN_ELSEWHERE
    if found.client_mac is not None and found.client_mac != entrance.mac:
        return Reason.TOKEN_ELSEWHERE
    return None


def _spend(session: Session, token_id: int, now: datetime) -> bool:
    """False when somebody else was faster."""
    spent = session.scalar(
        update(PortalToken)
        .where(PortalToken.id == token_id, PortalToken.consumed_at.is_(None))
        .values(consumed_at=now)
        .returning(PortalToken.id)
        .execution_options(synchronize_session=False)
    )
    return spent is not None


def _open_stations(session: Session, account_id: int) -> set[str]:
    """The devices with an open session; a session without one counts as one of its own."""
    rows = session.execute(
        select(NetworkSession.calling_station_id, NetworkSession.session_key).where(
            NetworkSession.account_id == account_id, *dynamic.open_conditions()
        )
    )
    return {station or key for station, key in rows}
