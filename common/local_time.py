"""Moments in a zone by the system's own table of zones, which takes no time to load.

`zoneinfo` gives the same and is the rule everywhere else; a command that is over in a blink
would pay for loading it with a seventh of its time.
"""

from __future__ import annotations

import os
import time
from datetime import timedelta, timezone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    Second = tuple[str, Sequence[str]]
    """A second in RFC 3339 without its end, and the end by the millisecond within it."""

_TABLE = "/usr/share/zoneinfo"


class LocalTime:
    """Says moments in one zone. Between `begin` and `end` the process is in that zone."""

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._before: str | None = None
        self._is_system = False
        self._offsets: dict[int, timezone] = {}
        self._ends: dict[str, Sequence[str]] = {}
        self.seconds: dict[int, Second] = {}
        """What `second` has said so far."""

    def begin(self) -> None:
        """Enter the zone."""
        self._before = os.environ.get("TZ")
        # Who names other tables means them to be used.
        self._is_system = "PYTHONTZPATH" not in os.environ and os.path.isfile(  # noqa: PTH113
            f"{_TABLE}/{self._zone}"
        )
        if self._is_system:
            os.environ["TZ"] = f":{_TABLE}/{self._zone}"
            time.tzset()

    def end(self) -> None:
        """Leave it as it was."""
        if not self._is_system:
            return
        if self._before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = self._before
        time.tzset()

    def of(self, moment: datetime) -> datetime:
        """An aware moment in the zone."""
        if not self._is_system:
            from zoneinfo import ZoneInfo

            return moment.astimezone(ZoneInfo(self._zone))
        offset = time.localtime(moment.timestamp() // 1).tm_gmtoff
        zone = self._offsets.get(offset)
        if zone is None:
            zone = self._offsets[offset] = timezone(timedelta(seconds=offset))
        return moment.astimezone(zone)

    def second(self, number: int) -> Second:
        """A second since 1970, as `common.clock.to_rfc3339` says each moment of it."""
        from datetime import UTC, datetime

        text = self.of(datetime.fromtimestamp(number, UTC)).isoformat()
        offset = text[19:]
        ends = self._ends.get(offset)
        if ends is None:
            ends = [offset, *[f".{thousandth:03}000{offset}" for thousandth in range(1, 1000)]]
            self._ends[offset] = ends
        found = self.seconds[number] = text[:19], ends
        return found
