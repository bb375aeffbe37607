"""The clocks of a gateway: seconds since the machine was started, and the calendar beside them."""

from __future__ import annotations

import time
from pathlib import Path

from common.clock import utc_now

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Times:
    """This machine's own; a test has others."""

    def up(self) -> float:
        """Seconds since the machine was started, sleep included; never set, the same to all."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def calendar(self) -> float:
        """Seconds since 1970."""
        return utc_now().timestamp()

    def boot(self) -> str:
        """Names this run of the machine; another one's seconds mean nothing here."""
        return _BOOT_ID.read_text(encoding="ascii").strip()

    def since(self, boot: str, up_seconds: float, at_seconds: float) -> float:
        """How long ago a noted moment was, by the calendar only where there is nothing better."""
        if boot == self.boot():
            return self.up() - up_seconds
        return self.calendar() - at_seconds
