"""Letters and short messages that are to be sent."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, IntPk


class Message(Base):
    """One message from its writing until it has gone, failed for good, or come too late."""

    __tablename__ = "message"
    __table_args__ = (
        CheckConstraint("channel IN ('mail', 'sms')", name="channel"),
        CheckConstraint("state IN ('waiting', 'sent', 'failed', 'late')", name="state"),
        Index("ix_message_due", "state", "next_try_at"),
        Index("ix_message_recipient", "recipient", "created_at"),
    )

    id: Mapped[IntPk]
    channel: Mapped[str]
    recipient: Mapped[str]
    """A mailbox, or a telephone number as E.164 has it (`+66812345678`)."""
    about: Mapped[str]
    """What it is for, such as `registration ABCDEFGH`; never a secret."""
    content_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    """JSON: subject and body. NULL as soon as nobody needs it any more."""
    state: Mapped[str] = mapped_column(default="waiting")
    created_at: Mapped[datetime]
    next_try_at: Mapped[datetime]
    """When it is due; while somebody sends it, when that lease ends."""
    expires_at: Mapped[datetime]
    """After this it would be of no use and is not sent."""
    attempts: Mapped[int] = mapped_column(default=0)
    asked_from: Mapped[str | None]
    """The address of whoever caused it on a page; counted, so that nobody floods anybody."""
    sent_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    """Of the last try, as a sentence for an officer; without the content."""
