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
    from datetime import datetime

_TABLE = "/usr/share/zoneinfo"


class LocalTime:
    """Says moments in one zone. Between `begin` and `end` the process is in that zone."""

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._before: str | None = None
        self._is_system = False
        self._offsets: dict[int, timezone] = {}
        self._seconds: dict[int, tuple[str, str]] = {}

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

    def text(self, milliseconds: int) -> str:
        """Milliseconds since 1970 as RFC 3339, as `common.clock.to_rfc3339` has them."""
        second, rest = divmod(milliseconds, 1000)
        parts = self._seconds.get(second)
        if parts is None:
            from datetime import UTC, datetime

            text = self.of(datetime.fromtimestamp(second, UTC)).isoformat()
            parts = self._seconds[second] = text[:19], text[19:]
        return f"{parts[0]}.{rest:03}000{parts[1]}" if rest else f"{parts[0]}{parts[1]}"
