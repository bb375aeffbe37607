"""Counts of failures by address, account and site, which stop guessing before argon2 works.

Kept in memory: each worker process counts on its own, and a restart forgets. Flask-Limiter
counts requests; a school behind one address needs only its failures counted, so this uses
the library below it directly.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from common.net import site_of as site_of  # what addresses are counted as here


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `rate` (as in `5 per 10 minutes`) failures under one key."""

    name: str
    rate: RateLimitItem

    @classmethod
    def of(cls, name: str, rate: str) -> Limit:
        """From the text form of the limits library."""
        return cls(name, parse(rate))


Check = tuple[Limit, str]
"""A limit, and the key that is counted under it."""


class FailureLimits:
    """Asks before an attempt, counts after a failed one. Safe to use from many threads.

    An attempt may be taken on account: until it is given back it fills the room of one failure,
    so that those made at the same moment do not all find the same room.
    """

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._lock = threading.Lock()
        self._under_way: Counter[tuple[str, str]] = Counter()

    def wait_seconds(self, *checks: Check) -> int:
        """How long to wait before the next attempt; 0 when it may be made now."""
        with self._lock:
            return self._wait(checks)

    def take(self, *checks: Check) -> int:
        """As `wait_seconds`; when that is 0 the attempt is under way until `give_back`."""
        with self._lock:
            seconds = self._wait(checks)
            if not seconds:
                self._under_way.update((limit.name, key) for limit, key in checks)
            return seconds

    def give_back(self, *checks: Check) -> None:
        """An attempt that was taken is over. If it failed it has been counted."""
        with self._lock:
            for limit, key in checks:
                self._under_way[limit.name, key] -= 1
                if self._under_way[limit.name, key] <= 0:
                    del self._under_way[limit.name, key]

    def count(self, *checks: Check) -> None:
        """Count one failure under each key."""
        for limit, key in checks:
            self._limiter.hit(limit.rate, limit.name, key)

    def _wait(self, checks: tuple[Check, ...]) -> int:
        waits = [0]
        for limit, key in checks:
            cost = 1 + self._under_way[limit.name, key]
            if self._limiter.test(limit.rate, limit.name, key, cost=cost):
                continue
            if self._limiter.test(limit.rate, limit.name, key):
                waits.append(1)  # those that are under way may yet turn out right
                continue
            window = self._limiter.get_window_stats(limit.rate, limit.name, key)
            waits.append(max(1, int(window.reset_time - time.time()) + 1))  # noqa: TID251
        return max(waits)
