"""Accounting that is owed to the home servers of foreign realms."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, IntPk


class RelayOutbox(Base):
    """One Accounting-Request from its receipt until its home server has answered it.

    Written in the commit of its accounting_event; radius_server.proxy.courier sends it.
    """

    __tablename__ = "relay_outbox"
    __table_args__ = (
        Index("ix_relay_outbox_due", "realm", "next_try_at"),
        # Only the oldest of a session may be sent.
        Index("ix_relay_outbox_session", "session_key", "id"),
        Index("ix_relay_outbox_received_at", "received_at"),
    )

    id: Mapped[IntPk]
    received_at: Mapped[datetime]
    realm: Mapped[str]
    """Of the route, as the configuration names it."""
    session_key: Mapped[str]
    octets: Mapped[bytes] = mapped_column(LargeBinary)
    """The datagram, whole."""
    next_try_at: Mapped[datetime]
    """When it is due; while a node works on it, when its lease ends."""
    claimed_by: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(default=0)
    """Rounds that a living server did not answer."""
