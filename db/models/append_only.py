"""The one row that tells whether rows of evidence may be changed right now: see db.append_only."""

from __future__ import annotations

from sqlalchemy import Boolean
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class AppendOnly(Base):
    """Lifted only inside the transaction that moves or purges; never committed as lifted."""

    __tablename__ = "append_only"

    id: Mapped[int] = mapped_column(primary_key=True)
    lifted: Mapped[bool] = mapped_column(Boolean)
