"""NAS clients, and what was seen from addresses that are none."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column, relationship

from common.net import IpNetwork, parse_prefix
from db.models.base import Base, IntPk, Long
from db.models.people import Organisation

RADSEC_PREFIX = "radsec:"
"""`prefix` of a NAS without fixed addresses: this and its RadSec identity."""


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
    portal_settings_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    """JSON: what handing a visitor back to it needs, such as keys (captive_portal.vendors)."""
    coa_address: Mapped[str | None]
    """Where it takes Disconnect- and CoA-Requests; NULL: where its accounting comes from;
    `radsec`: over the connection it has opened."""
    coa_port: Mapped[int | None]
    """NULL: as its vendor profile says; 0: it takes none."""
    radsec_identity: Mapped[str | None] = mapped_column(index=True, unique=True)
    """The name in its certificate when it comes over TLS, without case (RFC 6614 2.3)."""
    mab_suffix: Mapped[str | None]
    """What follows the address in User-Name when it asks for a device by it."""
    mab_password_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The password it then sends; NULL: the address again, or none."""
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime | None]
    last_without_message_authenticator_at: Mapped[datetime | None]
    """Nobody has proven such a request; who forges the address of a NAS can send it too."""
    last_with_message_authenticator_at: Mapped[datetime | None]
    secret_strength: Mapped[str | None]
    """identity.domain.shared_secret.Strength, noted when the secret was set."""
    secret_set_at: Mapped[datetime | None]
    secret_fingerprint: Mapped[str | None]
    """Keyed hash of the secret, to find others that have the same; NULL without a secret."""

    organisation: Mapped[Organisation | None] = relationship(lazy="joined")

    @property
    def network(self) -> IpNetwork | None:
        """The addresses it sends from; None when it is known by its certificate only."""
        return None if self.prefix.startswith(RADSEC_PREFIX) else parse_prefix(self.prefix)


class UnknownNas(Base):
    """A source address that sent RADIUS without being registered."""

    __tablename__ = "unknown_nas"

    address: Mapped[str] = mapped_column(primary_key=True)
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    datagrams: Mapped[Long]
