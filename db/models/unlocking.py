"""Requests to see the names behind an answer, and what became of each."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, BigInt, IntPk


class UnlockRequest(Base):
    """One wish to unlock one question. It goes with the audit trail: it says who saw whose name."""

    __tablename__ = "unlock_request"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'approved', 'refused')", name="state"),
        Index("ix_unlock_request_state_asked_at", "state", "asked_at"),
    )

    id: Mapped[IntPk]
    asked_at: Mapped[datetime]
    asker: Mapped[str]
    """User name, or `command-line`."""
    asker_id: Mapped[int | None] = mapped_column(BigInt)
    os_user: Mapped[str | None]
    """Who had the shell, when it was asked at the command line."""
    organisation_id: Mapped[int | None] = mapped_column(BigInt)
    """Of the asker: whose officers may decide."""
    kind: Mapped[str]
    """address | mac | person | flows"""
    question: Mapped[str]
    """JSON in one spelling: it is compared, so an approval unlocks this question and no other."""
    case_reference: Mapped[str]
    reason: Mapped[str]
    state: Mapped[str] = mapped_column(default="waiting")
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    note: Mapped[str | None]
    """What the second person wrote."""
    expires_at: Mapped[datetime | None]
    """When an approval ends."""
    uses: Mapped[int] = mapped_column(default=0)
    last_used_at: Mapped[datetime | None]
