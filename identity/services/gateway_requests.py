"""Requests of gateways that ask the portal: each is taken once, and grants wait to be fetched."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models import GatewayGrant, GatewayNonce

NONCES_KEPT = timedelta(minutes=15)
"""Longer than a request may be late and its gateway's clock ahead, together."""

GRANT_LIFETIME = timedelta(seconds=120)
"""As long as the token in it (identity.services.tokens)."""


def take(session: Session, nas_client_id: int, nonce: str, now: datetime) -> bool:
    """False when this very request has been taken before. Old ones are forgotten."""
    session.execute(delete(GatewayNonce).where(GatewayNonce.at < now - NONCES_KEPT))
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    insert: Any = postgresql.insert if on_postgresql else sqlite.insert
    taken = session.scalar(
        insert(GatewayNonce)
        .values(nas_client_id=nas_client_id, nonce=nonce, at=now)
        .on_conflict_do_nothing()
        .returning(GatewayNonce.nonce)
    )
    return taken is not None


def find_grant(session: Session, nas_client_id: int, key: str) -> GatewayGrant | None:
    """The grant that waits, or was fetched, for a client of a gateway."""
    return session.scalar(
        select(GatewayGrant)
        .where(GatewayGrant.nas_client_id == nas_client_id, GatewayGrant.key == key)
        .with_for_update()
    )


def offer(
    session: Session, nas_client_id: int, key: str, carried: str, mac: str, ip: str, now: datetime
) -> None:
    """Let the gateway find a grant when it asks next; one that was refused is begun anew."""
    session.execute(delete(GatewayGrant).where(GatewayGrant.created_at < now - GRANT_LIFETIME))
    grant = find_grant(session, nas_client_id, key)
    if grant is None:
        grant = GatewayGrant(nas_client_id=nas_client_id, key=key)
        session.add(grant)
    grant.mac, grant.ip, grant.carried, grant.created_at = mac, ip, carried, now
    grant.decided = grant.acknowledged_at = None


def waiting(
    session: Session, nas_client_id: int, now: datetime, limit: int
) -> Sequence[GatewayGrant]:
    """Grants that the gateway has not acknowledged, oldest first; refused ones are left out."""
    return session.scalars(
        select(GatewayGrant)
        .where(
            GatewayGrant.nas_client_id == nas_client_id,
            GatewayGrant.acknowledged_at.is_(None),
            GatewayGrant.created_at >= now - GRANT_LIFETIME,
            GatewayGrant.decided.is_distinct_from(""),
        )
        .order_by(GatewayGrant.created_at, GatewayGrant.id)
        .limit(limit)
    ).all()


def acknowledge(session: Session, nas_client_id: int, keys: Collection[str], now: datetime) -> None:
    """The gateway has let these clients in."""
    rows = session.scalars(
        select(GatewayGrant).where(
            GatewayGrant.nas_client_id == nas_client_id,
            GatewayGrant.key.in_(keys),
            GatewayGrant.decided.is_not(None),
        )
    )
    for grant in rows:
        grant.acknowledged_at = grant.acknowledged_at or now


def withdraw(session: Session, nas_client_id: int) -> None:
    """Forget what a gateway has not acknowledged: it has started anew, and pages offer again."""
    session.execute(
        delete(GatewayGrant).where(
            GatewayGrant.nas_client_id == nas_client_id, GatewayGrant.acknowledged_at.is_(None)
        )
    )


def drop_old(session: Session, now: datetime) -> None:
    """Delete grants and nonces that mean nothing any more."""
    session.execute(delete(GatewayGrant).where(GatewayGrant.created_at < now - GRANT_LIFETIME))
    session.execute(delete(GatewayNonce).where(GatewayNonce.at < now - NONCES_KEPT))
