"""What people set about themselves: names of devices."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, BigInt


class DeviceName(Base):
    """What an account's owner calls a device. A name for their eyes, never evidence."""

    __tablename__ = "device_name"

    account_id: Mapped[int] = mapped_column(BigInt, ForeignKey("account.id"), primary_key=True)
    mac: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    named_at: Mapped[datetime]
