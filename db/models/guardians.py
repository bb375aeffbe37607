"""Consent of guardians for pupils (PDPA section 20)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, IntPk


class GuardianConsent(Base):
    """One consent; a withdrawn one stays, because it must be shown that there was one."""

    __tablename__ = "guardian_consent"

    id: Mapped[IntPk]
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    guardian: Mapped[str]
    relation: Mapped[str]
    """father | mother | guardian | self"""
    how: Mapped[str]
    """paper | in-person | electronic"""
    given_at: Mapped[datetime]
    text_version: Mapped[str]
    document: Mapped[str]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str | None]
    withdrawn_why: Mapped[str | None]
    """What the letter of withdrawal says, and its number."""
