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

from captive_portal.web.limits import site_of
from common.errors import BackendUnavailable
from common.logging import get_logger
from identity.office import Office
from identity.services import open_visits

_EVERY_SECONDS = 1.0
_MOST = 500
"""In one second, more than the pages themselves are answered in; beyond it visits are not
remembered. SQLite writes so many in some milliseconds, and nobody else can write meanwhile."""

_OF_ONE_SITE = 1000
"""Phones of one IPv4 address or IPv6 /64 in `LIFETIME`: a school's largest network, and no more
rows for somebody who makes up addresses."""

_SITES_KNOWN = 20_000
"""Phones whose site is kept in mind; then counting begins anew."""


@dataclass(slots=True)
class Arrivals:
    """What one worker has not written yet. Safe to use from many threads."""

    ticks: Callable[[], float] = time.monotonic
    _pending: dict[tuple[str, str], str] = field(default_factory=dict)
    _next_write: float = 0.0
    _of_site: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    _counted: int = 0
    _count_until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def remember(self, office: Office, address: str, mac: str, visit: str) -> None:
        """Keep the signed visit of a phone. A database that does not answer holds up nobody."""
        if not address or not mac:
            return
        with self._lock:
            now = self.ticks()
            if len(self._pending) < _MOST and self._has_room(now, address, mac):
                self._pending[address, mac] = visit
            if now < self._next_write:
                return
            self._next_write = now + _EVERY_SECONDS
            some, self._pending = self._pending, {}
        try:
            with office.database.write() as session:
                open_visits.remember(session, some, office.clock())
        except BackendUnavailable as error:
            get_logger(__name__).warning("visits_not_remembered", error=str(error))

    def _has_room(self, now: float, address: str, mac: str) -> bool:
        """Whether the site of this phone has not had its share; counts the phone once."""
        if now >= self._count_until or self._counted >= _SITES_KNOWN:
            self._of_site.clear()
            self._counted = 0
            self._count_until = now + open_visits.LIFETIME.total_seconds()
        known = self._of_site.setdefault(site_of(address), set())
        if (address, mac) in known:
            return True
        if len(known) >= _OF_ONE_SITE:
            return False
        known.add((address, mac))
        self._counted += 1
        return True

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
