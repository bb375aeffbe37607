"""What gateways have asked of the portal and are to fetch, and whom it let in there."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, BigInt, IntPk, Key


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


class WebGrant(Base):
    """Somebody proven on the portal, for the device that its controller asks RADIUS for next.

    Central web authentication: one for a device at a controller. It is good for the connection
    that was caught, until it ends.
    """

    __tablename__ = "web_grant"
    __table_args__ = (
        UniqueConstraint("nas_client_id", "mac"),
        Index("ix_web_grant_ends_at", "ends_at"),
    )

    id: Mapped[IntPk]
    nas_client_id: Mapped[int]
    mac: Mapped[str]
    connection: Mapped[str]
    """The controller's name for it (audit-session-id)."""
    is_renewed: Mapped[bool]
    """Whether the controller ends that one, and the first use brings the name of another."""
    account_id: Mapped[int] = mapped_column(BigInt)
    calling: Mapped[str]
    """Calling-Station-Id, as the controller writes it."""
    nas_address: Mapped[str]
    source: Mapped[str]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    """When the controller first asked for it."""
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    """A redirect from before is spent."""


class GrantedSession(Base):
    """A session that the portal began by a call or a link, where no accounting tells of it.

    Its row in `network_session` is like any other; here is how it is known, and until when.
    """

    __tablename__ = "granted_session"
    __table_args__ = (
        Index("ix_granted_session_next_look_at", "next_look_at"),
        Index("ix_granted_session_account_id", "account_id"),
    )

    session_key: Mapped[Key] = mapped_column(primary_key=True)
    nas_client_id: Mapped[int]
    account_id: Mapped[int] = mapped_column(BigInt)
    device: Mapped[str]
    """As the make names it: a MAC address, or an address."""
    basis: Mapped[str]
    """identity.domain.granting.Basis"""
    began_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    """When the time is over that it was let in for."""
    seen_at: Mapped[datetime | None]
    """When the controller last had it on its list."""
    next_look_at: Mapped[datetime]
