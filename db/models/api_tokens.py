"""Tokens of programs that ask in the name of an officer."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, IntPk


class ApiToken(Base):
    """What a program may do in the name of an officer, and for how long."""

    __tablename__ = "api_token"

    id: Mapped[IntPk]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    name: Mapped[str]
    """What its owner calls it: where it is used."""
    secret_hash: Mapped[str] = mapped_column(unique=True)
    """SHA-256 in hex (identity.domain.api_tokens says why that is enough)."""
    levels: Mapped[str]
    """Levels with a space between; what its owner loses of them is taken out."""
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    """It sees this organisation and those under it; NULL: what its owner sees."""
    names: Mapped[bool]
    """Whether it may unlock names at all."""
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]
    last_used_at: Mapped[datetime | None]
    last_used_from: Mapped[str | None]
