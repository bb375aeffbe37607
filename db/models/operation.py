"""How the service itself is doing: audit, revisions, runs, gaps."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, IntPk, Long


class AuditEvent(Base):
    """Who did what to whom. Append-only."""

    __tablename__ = "audit_event"

    id: Mapped[IntPk]
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str]
    action: Mapped[str]
    """subject:verb, like `registration:approved`."""
    target: Mapped[str]
    detail: Mapped[str] = mapped_column(default="{}")
    """JSON; never a secret."""


class Revision(Base):
    """One row whose number rises with every change to people, roles, vouchers or NAS.

    RADIUS workers poll it and drop what they have cached.
    """

    __tablename__ = "revision"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[Long]


class ServiceRun(Base):
    """One run of one process: between `started_at` and `alive_at` it was receiving."""

    __tablename__ = "service_run"
    __table_args__ = (Index("ix_service_run_process_started_at", "process", "started_at"),)

    id: Mapped[IntPk]
    process: Mapped[str]
    node: Mapped[str]
    started_at: Mapped[datetime]
    alive_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]


class Gap(Base):
    """A span for which records are known to be missing."""

    __tablename__ = "gap"

    id: Mapped[IntPk]
    kind: Mapped[str]
    """flow | radius"""
    source: Mapped[str]
    """Exporter address and domain, or the process."""
    from_at: Mapped[datetime] = mapped_column(index=True)
    to_at: Mapped[datetime]
    lost: Mapped[Long]
    """How many records or packets; 0 when nobody can know."""
    reason: Mapped[str]
    """sequence | socket | restart | undecodable | silent"""
