"""What gateways that speak no RADIUS have asked and are to fetch."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, BigInt, IntPk


class GatewayNonce(Base):
    """A request that was taken: the same one again, sent by whoever heard it, is refused."""

    __tablename__ = "gateway_nonce"
    __table_args__ = (Index("ix_gateway_nonce_at", "at"),)

    nas_client_id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    nonce: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class GatewayGrant(Base):
    """Somebody proven, who waits for the gateway to fetch the word that lets them in."""

    __tablename__ = "gateway_grant"
    __table_args__ = (
        UniqueConstraint("nas_client_id", "key"),
        Index("ix_gateway_grant_created_at", "created_at"),
    )

    id: Mapped[IntPk]
    nas_client_id: Mapped[int]
    key: Mapped[str]
    """By which the gateway knows the client."""
    mac: Mapped[str]
    ip: Mapped[str]
    carried: Mapped[str]
    """The one-time token, as the gateway is to carry it; worthless once fetched."""
    created_at: Mapped[datetime]
    decided: Mapped[str | None]
    """What the gateway is told; empty for a refusal; NULL until it has asked."""
    acknowledged_at: Mapped[datetime | None]
