"""What people set about themselves: a proven mailbox, the codes that prove it, names of devices."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, BigInt, IntPk


class VerifiedContact(Base):
    """The mailbox that an account's owner has proven to read; at most one."""

    __tablename__ = "verified_contact"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True)
    mailbox: Mapped[str]
    verified_at: Mapped[datetime]
    how: Mapped[str]
    """`code`: a code that was mailed there came back; or how else it was proven."""


class MailedCode(Base):
    """A code that went out by mail and works once."""

    __tablename__ = "mailed_code"
    __table_args__ = (CheckConstraint("purpose IN ('reset', 'contact')", name="purpose"),)

    id: Mapped[IntPk]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    purpose: Mapped[str]
    code_hmac: Mapped[str] = mapped_column(unique=True)
    mailbox: Mapped[str]
    client_address: Mapped[str]
    """Of whoever asked for it."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class DeviceName(Base):
    """What an account's owner calls a device. A name for their eyes, never evidence."""

    __tablename__ = "device_name"

    account_id: Mapped[int] = mapped_column(BigInt, ForeignKey("account.id"), primary_key=True)
    mac: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    named_at: Mapped[datetime]
