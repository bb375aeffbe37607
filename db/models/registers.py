"""The office's registers: requests of officials and of data subjects, breaches, complaints."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, IntPk


class RegisterEntry(Base):
    """One entry; what may stand in it says identity.domain.registers."""

    __tablename__ = "register_entry"
    __table_args__ = (
        UniqueConstraint("register", "year", "running"),
        Index("ix_register_entry_register_state_due_at", "register", "state", "due_at"),
    )

    id: Mapped[IntPk]
    register: Mapped[str]
    """request | subject | incident | abuse"""
    year: Mapped[int]
    """Buddhist era, in which numbers run."""
    running: Mapped[int]
    number: Mapped[str] = mapped_column(unique=True)
    state: Mapped[str]
    """open | approved | refused | done"""
    received_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    account_id: Mapped[int | None]
    """Of a data subject. No foreign key: the entry outlives the account (R41)."""
    facts: Mapped[str]
    """JSON: field -> text."""
    entered_by: Mapped[str]
    entered_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    reason: Mapped[str | None]
    finished_at: Mapped[datetime | None]


class RegisterStep(Base):
    """One step of an entry. Append-only."""

    __tablename__ = "register_step"

    id: Mapped[IntPk]
    entry_id: Mapped[int] = mapped_column(ForeignKey("register_entry.id"), index=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    note: Mapped[str]
    to_whom: Mapped[str | None]
    document_number: Mapped[str | None]
    sha256: Mapped[str | None]
    """Of what was delivered or exported."""
