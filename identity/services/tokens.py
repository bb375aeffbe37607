"""One-time portal tokens: the portal proves the person, the NAS only sees the token."""

from __future__ import annotations

import secrets
from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from db.models import Account, PortalToken
from identity.domain.tokens import PREFIX
from identity.office import Office

LIFETIME = timedelta(seconds=120)
"""Long enough for a slow NAS to relay it, too short to be worth stealing."""


def prepare(
    office: Office,
    account: Account,
    client_mac: str | None = None,
    nas_client_id: int | None = None,
) -> PortalToken:
    """A fresh token for `account`, bound to the device and NAS when they are known.

    It is good for nothing until it is added to a session.
    """
    now = office.clock()
    return PortalToken(
        username=account.username,
        token=PREFIX + secrets.token_urlsafe(18),
        account_id=account.id,
        client_mac=client_mac,
        nas_client_id=nas_client_id,
        created_at=now,
        expires_at=now + LIFETIME,
    )


def mint(
    session: Session,
    office: Office,
    account: Account,
    client_mac: str | None = None,
    nas_client_id: int | None = None,
) -> PortalToken:
    """The same, kept."""
    token = prepare(office, account, client_mac, nas_client_id)
    session.add(token)
    return token


def withdraw(session: Session, token_id: int) -> None:
    """Forget a token that came to nothing; its device counts no more."""
    session.execute(delete(PortalToken).where(PortalToken.id == token_id))
