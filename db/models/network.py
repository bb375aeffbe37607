"""NAS clients, and what was seen from addresses that are none."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column, relationship

from db.models.base import Base, IntPk, Long
from db.models.people import Organisation


class NasClient(Base):
    """An access point, controller, switch or gateway that may speak RADIUS to us."""

    __tablename__ = "nas_client"

    id: Mapped[IntPk]
    name: Mapped[str] = mapped_column(unique=True)
    prefix: Mapped[str] = mapped_column(unique=True)
    secret_encrypted: Mapped[bytes] = mapped_column(LargeBinary)
    vendor: Mapped[str] = mapped_column(default="generic")
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    require_message_authenticator: Mapped[bool] = mapped_column(default=True)
    login_url: Mapped[str | None]
    """Where a browser posts the one-time token; registered here, never taken from a query."""
    coa_address: Mapped[str | None]
    """Where it takes Disconnect- and CoA-Requests; NULL: where its accounting comes from."""
    coa_port: Mapped[int | None]
    """NULL: as its vendor profile says; 0: it takes none."""
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime | None]
    last_without_message_authenticator_at: Mapped[datetime | None]

    organisation: Mapped[Organisation | None] = relationship(lazy="joined")


class UnknownNas(Base):
    """A source address that sent RADIUS without being registered."""

    __tablename__ = "unknown_nas"

    address: Mapped[str] = mapped_column(primary_key=True)
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    datagrams: Mapped[Long]
