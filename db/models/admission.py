"""How people come in without being on the roster: registrations and one-time tokens."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from db.models.base import Base, IntPk
from db.models.people import Account, Role


class Registration(Base):
    """A visitor's own application: draft → pending → active → suspended → expired, or rejected."""

    __tablename__ = "registration"
    __table_args__ = (
        CheckConstraint(
            "state IN ('draft', 'pending', 'active', 'suspended', 'expired', 'rejected')",
            name="state",
        ),
        # Two who apply for one name at the same moment cannot both wait for approval.
        Index(
            "uq_registration_open_username",
            "username",
            unique=True,
            postgresql_where=text("state IN ('draft', 'pending')"),
            sqlite_where=text("state IN ('draft', 'pending')"),
        ),
    )

    id: Mapped[IntPk]
    reference: Mapped[str] = mapped_column(unique=True)
    """What the visitor comes back with."""
    state: Mapped[str] = mapped_column(index=True)
    username: Mapped[str]
    full_name: Mapped[str]
    contact: Mapped[str]
    purpose: Mapped[str] = mapped_column(default="")
    sponsor_name: Mapped[str] = mapped_column(default="")
    """Whom the visitor says they visit; not proven until that person or an admin approves."""
    password_hash: Mapped[str]
    role_id: Mapped[int] = mapped_column(ForeignKey("role.id"))
    client_address: Mapped[str | None]
    client_mac: Mapped[str | None]
    language: Mapped[str] = mapped_column(default="th")
    notice_hash: Mapped[str] = mapped_column(default="")
    """SHA-256 of the notice the visitor accepted (R12)."""
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    decision_reason: Mapped[str | None]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    """Of the network device that sent the visitor here; NULL where nobody knows."""
    way: Mapped[str] = mapped_column(default="approval", server_default="approval")
    """As identity.domain.registering names them; that of the role when the visitor applied."""
    contact_verified_at: Mapped[datetime | None]
    """When the code that was sent to `contact` came back."""
    host_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    """Whom the visitor named, when that is somebody who may receive guests."""
    host_decided_at: Mapped[datetime | None]
    granted_seconds: Mapped[int | None]
    """How long the host lets them stay, from the moment the account is made."""
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    """Whom the roster says they are."""
    birth_proven: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether a birth date said so; else a class, which classmates know too."""

    role: Mapped[Role] = relationship(lazy="joined")
    account: Mapped[Account | None] = relationship(lazy="joined", foreign_keys=[account_id])
    host: Mapped[Account | None] = relationship(lazy="joined", foreign_keys=[host_id])


class ApproverScope(Base):
    """An approver for whom an administrator chose what may be granted (ApproverRole)."""

    __tablename__ = "approver_scope"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True)
    everywhere: Mapped[bool]
    """Else in the own organisation only."""


class ApproverRole(Base):
    """A role that this approver may grant."""

    __tablename__ = "approver_role"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True)
    role_id: Mapped[int] = mapped_column(ForeignKey("role.id"), primary_key=True)


class PortalToken(Base):
    """A one-time RADIUS password that the portal hands to a NAS for someone it has proven.

    In the clear, because CHAP needs it so; it lives for two minutes and works once.
    """

    __tablename__ = "portal_token"

    id: Mapped[IntPk]
    username: Mapped[str] = mapped_column(index=True)
    token: Mapped[str]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    client_mac: Mapped[str | None]
    nas_client_id: Mapped[int | None] = mapped_column(ForeignKey("nas_client.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    consumed_at: Mapped[datetime | None]
