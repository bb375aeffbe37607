"""The visits that gateways have just begun, on their way into the database.

A write a visit would make every login page wait for the disk. The first visit after a quiet second
is written at once; in a rush those of a second are written together, by whoever comes next.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from common.errors import BackendUnavailable
from common.logging import get_logger
from identity.office import Office
from identity.services import open_visits

_EVERY_SECONDS = 1.0
_MOST = 5000
"""More in one second than any school has phones; beyond it visits are not remembered."""


@dataclass(slots=True)
class Arrivals:
    """What one worker has not written yet. Safe to use from many threads."""

    ticks: Callable[[], float] = time.monotonic
    _pending: dict[tuple[str, str], str] = field(default_factory=dict)
    _next_write: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def remember(self, office: Office, address: str, mac: str, visit: str) -> None:
        """Keep the signed visit of a phone. A database that does not answer holds up nobody."""
        if not address or not mac:
            return
        with self._lock:
            if len(self._pending) < _MOST:
                self._pending[address, mac] = visit
            now = self.ticks()
            if now < self._next_write:
                return
            self._next_write = now + _EVERY_SECONDS
            some, self._pending = self._pending, {}
        try:
            with office.database.write() as session:
                for (one, station), text in sorted(some.items()):
                    open_visits.remember(session, one, station, text, office.clock())
        except BackendUnavailable as error:
            get_logger(__name__).warning("visits_not_remembered", error=str(error))

    def recall(self, office: Office, address: str) -> str:
        """The visit of the one phone that came from this address; empty when it is not one."""
        with self._lock:
            waiting = {mac: text for (one, mac), text in self._pending.items() if one == address}
        with office.database.read() as session:
            written = open_visits.recall(session, address, office.clock())
        found = {**written, **waiting}
        return next(iter(found.values())) if len(found) == 1 else ""

    def close(self, session: Session, address: str, mac: str) -> None:
        """Forget a visit: its phone is handed over."""
        with self._lock:
            self._pending.pop((address, mac), None)
        open_visits.close(session, address, mac)
