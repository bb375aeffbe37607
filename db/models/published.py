"""Texts that the office publishes by version, and who accepted which."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, BigInt, IntPk


class PublishedText(Base):
    """One version of the rules of use, or of a notice, in one language. Never changed."""

    __tablename__ = "published_text"
    __table_args__ = (
        CheckConstraint("kind IN ('acceptable-use', 'privacy')", name="kind"),
        UniqueConstraint("kind", "audience", "language", "version"),
    )

    id: Mapped[IntPk]
    kind: Mapped[str]
    audience: Mapped[str]
    """everybody | pupil | guardian; of the rules always everybody"""
    language: Mapped[str]
    version: Mapped[str]
    text: Mapped[str]
    summary: Mapped[str] = mapped_column(default="")
    """What has changed since the version before, in a sentence or two."""
    sha256: Mapped[str]
    """Of the text in UTF-8."""
    published_at: Mapped[datetime]
    published_by: Mapped[str]


class TextAccepted(Base):
    """An account's owner accepted a version before the network was opened to them (R12)."""

    __tablename__ = "text_accepted"
    __table_args__ = (UniqueConstraint("account_id", "kind", "version"),)

    id: Mapped[IntPk]
    account_id: Mapped[int] = mapped_column(BigInt)
    """No foreign key: that somebody accepted outlives the account (R41)."""
    kind: Mapped[str]
    version: Mapped[str]
    language: Mapped[str]
    """In which it was read."""
    sha256: Mapped[str]
    at: Mapped[datetime]
    client_address: Mapped[str]
    client_mac: Mapped[str | None]
