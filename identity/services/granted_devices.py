"""Devices that the portal let in by a call or a link: whose they are, and under which address.

A redirect that names a device is signed by nobody at some makes. Whoever opens one with somebody
else's device in it gets no session by it, and ends none.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import AddressInterval, GrantedSession, NetworkSession
from identity.domain.granting import Basis
from identity.services import dynamic


def others_on(
    session: Session, nas_client_id: int, device: str, account_id: int, now: datetime
) -> set[str | None]:
    """Where other accounts that were let in on this device were last known to be; None: nowhere.

    As long as their time goes on: a phone that sleeps is let in again without being asked.
    """
    others = session.scalars(
        select(GrantedSession.session_key).where(
            GrantedSession.nas_client_id == nas_client_id,
            GrantedSession.device == device,
            GrantedSession.account_id != account_id,
            GrantedSession.ends_at > now,
        )
    ).all()
    return {_address_of(session, key) for key in others}


def find_called(
    session: Session, account_id: int, nas_client_id: int, mac: str, here: str
) -> NetworkSession | None:
    """The open session of this account where a controller was called for this browser's device.

    Args:
        mac: what the redirect named; it counts where that session is known to be at `here`.
        here: the address that the browser comes from.
    """
    rows = session.execute(
        select(NetworkSession, GrantedSession.device)
        .join(GrantedSession, GrantedSession.session_key == NetworkSession.session_key)
        .where(
            GrantedSession.account_id == account_id,
            GrantedSession.nas_client_id == nas_client_id,
            GrantedSession.device.in_(_named(mac, here)),
            GrantedSession.basis == Basis.CALL,
            *dynamic.open_conditions(),
        )
    )
    for row, device in rows:
        if device == here or _address_of(session, row.session_key) == here:
            return row
    return None


def _named(mac: str, here: str) -> Collection[str]:
    return {name for name in (mac, here) if name}


def _address_of(session: Session, session_key: str) -> str | None:
    """The address that a session was last known under."""
    return session.scalar(
        select(AddressInterval.address)
        .where(AddressInterval.session_key == session_key)
        .order_by(AddressInterval.to_at.desc())
        .limit(1)
    )
