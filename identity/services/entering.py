"""Presenting a one-time token where no RADIUS is spoken: the same rules as a login by RADIUS.

For gateways that ask the portal itself. Who reports the session is
identity.services.reported_sessions.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from common.errors import BackendUnavailable
from db.models import Account, PortalToken
from identity.domain.access import Decision, Denied, Method, Reason, Unavailable
from identity.office import Office
from identity.services import admitting, vouchers


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
    return admitting.admit(
        session, office, account, entrance.mac, Method.TOKEN, has_room=entrance.has_room
    )


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
