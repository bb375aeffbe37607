"""Notices on personal data: every text that was shown, and who was given which."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, IntPk


class NoticeText(Base):
    """A notice as it was shown, by its hash. Never changed."""

    __tablename__ = "notice_text"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str]
    audience: Mapped[str]
    """everybody | pupil | guardian"""
    language: Mapped[str]
    text: Mapped[str]
    first_at: Mapped[datetime]


class NoticeGiven(Base):
    """An account's owner was given a notice otherwise than by registering on the portal."""

    __tablename__ = "notice_given"
    __table_args__ = (UniqueConstraint("account_id", "sha256"),)

    id: Mapped[IntPk]
    account_id: Mapped[int] = mapped_column(index=True)
    """No foreign key: that somebody was told outlives the account (R41)."""
    sha256: Mapped[str] = mapped_column(ForeignKey("notice_text.sha256"))
    at: Mapped[datetime]
    how: Mapped[str]
    """In words, such as `handed out in class`."""
    actor: Mapped[str]
