"""What outlives retention by order of an authority, and which node moves old rows."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, IntPk

TWO_YEARS_MICROS = 730 * 86_400 * 1_000_000


class Hold(Base):
    """An order that records be kept longer (R39). Ended, never deleted."""

    __tablename__ = "hold"
    __table_args__ = (
        CheckConstraint("from_at <= to_at", name="period"),
        CheckConstraint(f"until_at <= to_at + {TWO_YEARS_MICROS}", name="two_years"),
        CheckConstraint("account_id IS NULL OR address IS NULL", name="one_scope"),
    )

    id: Mapped[IntPk]
    authority: Mapped[str]
    document: Mapped[str]
    """Number of the order, as it stands on it."""
    from_at: Mapped[datetime]
    to_at: Mapped[datetime]
    """The records it covers were received between the two."""
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    address: Mapped[str | None]
    """Neither an account nor an address: everybody's records."""
    reason: Mapped[str]
    until_at: Mapped[datetime]
    approved_by: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]
    end_reason: Mapped[str | None]


class ArchiveMove(Base):
    """Rows of one table that an archive is taking over; gone with the rows when it is done.

    Another node's archive leaves the table alone meanwhile: it cannot know how far this one is.
    """

    __tablename__ = "archive_move"

    source: Mapped[str] = mapped_column(primary_key=True)
    """The table."""
    archive: Mapped[str]
    """Which archive: the text of its `.archive-id`."""
    origin: Mapped[str]
    """As the manifest line will name the rows, such as `audit_event:1-5000`."""
    begun_at: Mapped[datetime]
