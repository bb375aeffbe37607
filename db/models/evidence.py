"""Evidence that was given out, its way through hands, and whose identity was shown to whom."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, BigInt, IntPk, Long


class Exhibit(Base):
    """One bundle of evidence that was made."""

    __tablename__ = "exhibit"

    id: Mapped[IntPk]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    case_reference: Mapped[str] = mapped_column(index=True)
    reason: Mapped[str]
    request: Mapped[str | None]
    """Number of the request in the register, as it was given."""
    from_at: Mapped[datetime]
    to_at: Mapped[datetime]
    scope: Mapped[str]
    """JSON: what was asked for."""
    file_name: Mapped[str]
    sha256: Mapped[str] = mapped_column(unique=True)
    octets: Mapped[Long]
    records: Mapped[Long]
    key_fingerprint: Mapped[str]


class CustodyStep(Base):
    """One step of an exhibit through hands. Append-only; each names the hash of the one before."""

    __tablename__ = "custody_step"

    id: Mapped[IntPk]
    exhibit_id: Mapped[int] = mapped_column(BigInt, ForeignKey("exhibit.id"), index=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    """Who entered it."""
    step: Mapped[str]
    """created | approved | handed_over | copied | returned | destroyed"""
    person: Mapped[str]
    """Who approved, received, copied, gave back or destroyed it."""
    officer_id: Mapped[str]
    """Number of that person's officer card or warrant."""
    document: Mapped[str]
    """Number of the paper that goes with it."""
    place: Mapped[str]
    note: Mapped[str]
    prev: Mapped[str] = mapped_column(unique=True)
    """`hash` of the step before, of whatever exhibit; 64 zeros for the first of all."""
    hash: Mapped[str]


class Disclosure(Base):
    """Somebody's identity was shown to somebody, for a case. Append-only."""

    __tablename__ = "disclosure"

    id: Mapped[IntPk]
    at: Mapped[datetime]
    account_id: Mapped[int] = mapped_column(BigInt, index=True)
    """No foreign key: it must outlive the account."""
    shown_by: Mapped[str]
    recipient: Mapped[str]
    """Whom it was shown to, as it was given; empty: only to whoever asked."""
    case_reference: Mapped[str]
    reason: Mapped[str]
    means: Mapped[str]
    """export | lookup | ..."""
    exhibit_id: Mapped[int | None] = mapped_column(BigInt)
    secret_until: Mapped[datetime | None]
    """Before it the person is not told (an order of secrecy)."""
