"""Moments in a zone by the system's own table of zones, which takes no time to load.

`zoneinfo` gives the same and is the rule everywhere else; a command that is over in a blink
would pay for loading it with a seventh of its time.
"""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta, timezone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import tzinfo

_TABLE = "/usr/share/zoneinfo"


class LocalTime:
    """Says moments in one zone. Between `begin` and `end` the process is in that zone."""

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._before: str | None = None
        self._is_system = False
        self._offsets: dict[int, timezone] = {}
        self._seconds: dict[int, tuple[str, str, str]] = {}

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
        return moment.astimezone(self._zone_at(moment.timestamp() // 1))

    def text(self, milliseconds: int) -> str:
        """Milliseconds since 1970 as RFC 3339, as `common.clock.to_rfc3339` has them."""
        second, rest = milliseconds // 1000, milliseconds % 1000
        whole, before, after = self._seconds.get(second) or self._second(second)
        return f"{before}{rest:03}{after}" if rest else whole

    def _second(self, second: int) -> tuple[str, str, str]:
        """A second since 1970, and what goes before and after its thousandths."""
        text = datetime.fromtimestamp(second, self._zone_at(second)).isoformat()
        found = self._seconds[second] = text, f"{text[:19]}.", f"000{text[19:]}"
        return found

    def _zone_at(self, second: float) -> tzinfo:
        if not self._is_system:
            from zoneinfo import ZoneInfo

            return ZoneInfo(self._zone)
        offset = time.localtime(second).tm_gmtoff
        zone = self._offsets.get(offset)
        if zone is None:
            zone = self._offsets[offset] = timezone(timedelta(seconds=offset))
        return zone
