"""Until when somebody's identity is kept, and the reason a data subject is given (R38, R68)."""

from __future__ import annotations

from datetime import datetime, timedelta

AFTER_THE_END = timedelta(days=90)
"""Computer Crime Act section 26: so long after the service has ended."""


def kept_until(
    ended_at: datetime | None, last_record_at: datetime | None, retention_days: int
) -> datetime | None:
    """The moment from which nothing keeps the identity; None: the account has not ended.

    Args:
        ended_at: of the account.
        last_record_at: the newest record that needs it to be understood.
    """
    if ended_at is None:
        return None
    until = ended_at + AFTER_THE_END
    if last_record_at is not None:
        until = max(until, last_record_at + timedelta(days=retention_days))
    return until
