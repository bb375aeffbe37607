"""Codes that went out by mail or short message, and the mailboxes and numbers they have proven."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, IntPk


class SentCode(Base):
    """A code that works once: of an account's owner, or of a visitor who registers.

    Only its HMAC is kept.
    """

    __tablename__ = "sent_code"
    __table_args__ = (
        CheckConstraint("purpose IN ('reset', 'contact', 'registration')", name="purpose"),
        CheckConstraint("channel IN ('mail', 'sms')", name="channel"),
        CheckConstraint(
            "(purpose = 'registration') = (registration_id IS NOT NULL)"
            " AND (purpose = 'registration') = (account_id IS NULL)",
            name="owner",
        ),
    )

    id: Mapped[IntPk]
    purpose: Mapped[str]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    registration_id: Mapped[int | None] = mapped_column(ForeignKey("registration.id"), index=True)
    channel: Mapped[str]
    recipient: Mapped[str]
    """The mailbox or number that it proves to be its owner's."""
    code_hmac: Mapped[str] = mapped_column(index=True)
    client_address: Mapped[str]
    """Of whoever asked for it."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    """How often somebody tried it, where that is counted."""
    used_at: Mapped[datetime | None]


class VerifiedContact(Base):
    """A mailbox or telephone that an account's owner has proven to read; at most one of each."""

    __tablename__ = "verified_contact"
    __table_args__ = (CheckConstraint("channel IN ('mail', 'sms')", name="channel"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(index=True)
    """A mailbox, or a number as E.164 has it."""
    verified_at: Mapped[datetime]
    how: Mapped[str]
    """`code`: a code that was sent there came back; `registration`: on the way to the account."""
