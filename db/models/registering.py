"""How a visitor registers for a role, and the minutes for reading what was sent."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from db.models.base import Base, IntPk
from db.models.people import Account, Role


class RoleRegistration(Base):
    """What an officer chose about registering for one role."""

    __tablename__ = "role_registration"
    __table_args__ = (
        CheckConstraint(
            "way IN ('closed', 'approval', 'sponsor', 'mail-code', 'sms-code', 'roster')",
            name="way",
        ),
    )

    role_id: Mapped[int] = mapped_column(ForeignKey("role.id"), primary_key=True)
    way: Mapped[str] = mapped_column(default="closed", server_default="closed")
    needs_approval: Mapped[bool] = mapped_column(default=False)
    """An officer decides as well, after the code, the host or the roster said yes."""
    provisional_minutes: Mapped[int] = mapped_column(default=0)
    """On the network before that, so that mail can be read; 0: none."""
    answerable_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    """Who answers for guests whom no person let in: the sponsor on record."""
    may_sponsor: Mapped[bool] = mapped_column(default=False)
    """Whether people of this role may receive guests."""

    role: Mapped[Role] = relationship(lazy="joined")
    answerable: Mapped[Account | None] = relationship(lazy="joined")


class ProvisionalGrant(Base):
    """Some minutes on the network before a registration is through; kept for two days.

    The account says who and when; this only finds whom it was given to today.
    """

    __tablename__ = "provisional_grant"

    id: Mapped[IntPk]
    registration_id: Mapped[int] = mapped_column(ForeignKey("registration.id"), unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    mac: Mapped[str] = mapped_column(index=True)
    contact_hmac: Mapped[str] = mapped_column(index=True)
    granted_at: Mapped[datetime]
