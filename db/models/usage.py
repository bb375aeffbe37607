"""What was used, by session and local day: what quotas are counted from."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Date, Index
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, BigInt, Long


class UsageDay(Base):
    """One session's use on one day of the site's calendar.

    The row of a session's last day carries its mark: how much of its totals is counted.
    """

    __tablename__ = "usage_day"
    __table_args__ = (Index("ix_usage_day_account_id_day", "account_id", "day"),)

    session_key: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    account_id: Mapped[int] = mapped_column(BigInt)
    octets: Mapped[Long]
    """Both directions."""
    seconds: Mapped[Long]
    counted_octets: Mapped[Long]
    """The session's total when this was written."""
    counted_seconds: Mapped[Long]
    counted_until: Mapped[datetime]
