"""Wall-clock time as aware UTC, and the text forms people and files use.

The only place that reads the clock. Monotonic time for time-outs is `time.monotonic`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from common.errors import UsageError

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present moment, aware, UTC, microseconds."""
    return datetime.now(UTC)


def unix_nanoseconds() -> int:
    """The present moment in nanoseconds since 1970-01-01 UTC."""
    return time.time_ns()


def unix_milliseconds() -> int:
    """The present moment in milliseconds since 1970-01-01 UTC."""
    return unix_nanoseconds() // 1_000_000


def to_rfc3339(moment: datetime, zone: str = "UTC") -> str:
    """`moment` as RFC 3339 text with the offset of `zone`; a naive moment is read as UTC."""
    from zoneinfo import ZoneInfo  # not at the top: see yuenyan.at_once

    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(ZoneInfo(zone)).isoformat()


def parse_time(text: str, zone: str = "Asia/Bangkok") -> datetime:
    """Read RFC 3339 or `YYYY-MM-DD HH:MM[:SS]`, in `zone` when no offset is given.

    A year from 2400 on is Buddhist Era and 543 is taken off.

    Raises:
        UsageError: the text is not a time; the message shows an example.
    """
    from zoneinfo import ZoneInfo

    cleaned = text.strip().translate(str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789"))
    if len(cleaned) >= 4 and cleaned[:4].isdigit() and int(cleaned[:4]) >= 2400:
        cleaned = f"{int(cleaned[:4]) - 543}{cleaned[4:]}"
    try:
        moment = datetime.fromisoformat(cleaned)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not a time; write it like 2026-11-22T10:05:12+07:00"
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(zone))
    return moment.astimezone(UTC)
