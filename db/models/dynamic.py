"""The outbox of dynamic authorization: what a NAS is to be told, and what it answered."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, BigInt, IntPk, Key


class CoaRequest(Base):
    """One Disconnect-Request or CoA-Request (RFC 5176) from its reason to its outcome.

    Written in the transaction of the change that calls for it; radius_server.coa_sender sends it.
    """

    __tablename__ = "coa_request"
    __table_args__ = (
        Index(
            "ix_coa_request_due",
            "next_try_at",
            postgresql_where=text("state = 'queued'"),
            sqlite_where=text("state = 'queued'"),
        ),
        # Whoever asks for what is asked already finds it there.
        Index(
            "uq_coa_request_open_disconnect",
            "session_key",
            unique=True,
            postgresql_where=text("state = 'queued' AND kind = 'disconnect'"),
            sqlite_where=text("state = 'queued' AND kind = 'disconnect'"),
        ),
        Index("ix_coa_request_session_key", "session_key"),
        Index("ix_coa_request_created_at", "created_at"),
    )

    id: Mapped[IntPk]
    created_at: Mapped[datetime]
    kind: Mapped[str]
    """disconnect | coa"""
    session_key: Mapped[Key]
    nas_client_id: Mapped[int]
    account_id: Mapped[int | None] = mapped_column(BigInt)
    reason: Mapped[str]
    """identity.domain.dynamic.Cause"""
    actor: Mapped[str]
    wanted: Mapped[str] = mapped_column(default="{}")
    """JSON of identity.domain.dynamic.Change; empty for a disconnect."""
    not_before: Mapped[datetime]
    next_try_at: Mapped[datetime]
    """When it is due; while a node works on it, when its lease ends."""
    claimed_by: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(default=0)
    """Rounds begun; each sends the same octets several times."""
    state: Mapped[str] = mapped_column(default="queued")
    """identity.domain.dynamic.State"""
    error_cause: Mapped[int | None]
    """Error-Cause of the NAS's answer, RFC 5176 section 3.5."""
    finished_at: Mapped[datetime | None]
