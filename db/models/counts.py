"""What pages of the portal count, shared by its processes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Long


class PageCount(Base):
    """Failures or wishes under one key, as a level that leaks away (identity.domain.guessing)."""

    __tablename__ = "page_count"

    key: Mapped[str] = mapped_column(primary_key=True)
    """Hashed under a key outside the database: it may hold what somebody typed."""
    level: Mapped[Long]
    """Thousandths, as of `at`."""
    at: Mapped[datetime] = mapped_column(index=True)
