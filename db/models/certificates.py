"""The certificates this site has issued, and which of them it has taken back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, BigInt, IntPk


class Certificate(Base):
    """One certificate of the site's own CA; private keys of clients are never kept."""

    __tablename__ = "certificate"
    __table_args__ = (CheckConstraint("kind IN ('ca', 'server', 'client', 'nas')", name="kind"),)

    id: Mapped[IntPk]
    serial: Mapped[str] = mapped_column(unique=True)
    """Hexadecimal, lower case."""
    authority: Mapped[str] = mapped_column(index=True)
    """Key identifier of the CA that issued it, hexadecimal."""
    kind: Mapped[str]
    """ca | server | client | nas"""
    name: Mapped[str] = mapped_column(index=True)
    """The account, the NAS, the server's first DNS name, or the CA's name."""
    subject: Mapped[str]
    """RFC 4514."""
    names: Mapped[str]
    """Every name it bears, separated by commas."""
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    nas_client_id: Mapped[int | None] = mapped_column(BigInt)
    not_before: Mapped[datetime]
    not_after: Mapped[datetime]
    issued_at: Mapped[datetime]
    issued_by: Mapped[str]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None]
    revocation_reason: Mapped[str | None]
    """identity.pki.authority.Reason"""
    der: Mapped[bytes] = mapped_column(LargeBinary)
