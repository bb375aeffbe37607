"""The housekeeper's threads that call controllers: one ends sessions, one asks who is still on.

Apart, because a session is ended within seconds while a list of devices may take its time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from captive_portal.vendors.keeper import GrantKeeper
from common.errors import NetAccessError
from common.logging import get_logger
from common.metrics import Counters
from identity.office import Office

EVERY_SECONDS = 1.0
"""A look at an empty table is cheap, and somebody waits for what they asked."""
_PAUSE_SECONDS = 10.0
"""After the database was away."""
_PATIENCE_SECONDS = 2.0
"""For a call under way at the end; what it came to is asked again."""

log = get_logger(__name__)


class GrantKeeping:
    """Drives the keeper from `start` to `stop`."""

    def __init__(self, office: Office, counters: Counters | None = None) -> None:
        keeper = GrantKeeper(office, counters)
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._loop, args=(turn,), name=name, daemon=True)
            for name, turn in (("grant-ender", keeper.end_due), ("grant-looker", keeper.look_due))
        ]

    def start(self) -> None:
        """Begin with what is due now."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait for what is under way, but not for a controller that hangs."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout=_PATIENCE_SECONDS)

    def _loop(self, turn: Callable[[], int]) -> None:
        while not self._stopping.is_set():
            pause = EVERY_SECONDS
            try:
                turn()
            except NetAccessError as error:
                log.warning("grant_keeping_postponed", error=str(error))
                pause = _PAUSE_SECONDS
            except Exception:
                # As in the housekeeper: the next turn must come.
                log.exception("grant_keeping_failed")
                pause = _PAUSE_SECONDS
            self._stopping.wait(pause)
