"""Counts of failures by address, account and site, which stop guessing before argon2 works.

Kept in memory, and those of shared limits in the database as well. Whoever adds one is told how
the shared count stands, and remembers how long to wait; so nothing is asked before a login, and a
worker that knows nothing yet, after a restart too, lets one attempt pass and then knows.
Flask-Limiter counts requests; a school behind one address needs only its failures counted, so this
uses the library below it directly.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from common.errors import BackendUnavailable
from common.logging import get_logger
from common.net import site_of as site_of  # what addresses are counted as here
from identity.domain.guessing import Bucket

_MOST_REMEMBERED = 10_000
"""Waits of other keys; then those that are over are forgotten."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `rate` (as in `5 per 10 minutes`) failures under one key."""

    name: str
    rate: RateLimitItem
    is_shared: bool = False
    """Whether all processes count together; each count is then a write."""

    @classmethod
    def of(cls, name: str, rate: str, *, shared: bool = False) -> Limit:
        """From the text form of the limits library."""
        return cls(name, parse(rate), shared)

    @property
    def bucket(self) -> Bucket:
        """The same as a count that leaks; never fuller than the window of a process alone."""
        return Bucket(self.rate.amount, timedelta(seconds=self.rate.get_expiry()))


Check = tuple[Limit, str]
"""A limit, and the key that is counted under it."""

Share = Callable[[Mapping[str, Bucket]], Mapping[str, int]]
"""Adds one under each key for all processes: how long the next has to wait there, in seconds."""


class FailureLimits:
    """Asks before an attempt, counts after a failed one. Safe to use from many threads.

    An attempt may be taken on account: until it is given back it fills the room of one failure,
    so that those made at the same moment do not all find the same room.
    """

    def __init__(self, share: Share | None = None) -> None:
        self._share = share
        self._waits: dict[str, float] = {}
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
        shared = {_shared_key(limit, key): limit.bucket for limit, key in checks if limit.is_shared}
        if self._share is None or not shared:
            return
        try:
            waits = self._share(shared)
        except BackendUnavailable as error:
            # Counted here alone then; without its database the portal lets nobody in either.
            get_logger(__name__).warning("page_count_not_shared", error=str(error))
            return
        now = time.monotonic()
        with self._lock:
            for key, seconds in waits.items():
                if seconds:
                    self._waits[key] = now + seconds
            if len(self._waits) > _MOST_REMEMBERED:
                self._waits = {key: until for key, until in self._waits.items() if until > now}

    def _wait(self, checks: tuple[Check, ...]) -> int:
        waits = [0]
        for limit, key in checks:
            if limit.is_shared and (left := self._wait_of_all(_shared_key(limit, key))):
                waits.append(left)
            cost = 1 + self._under_way[limit.name, key]
            if self._limiter.test(limit.rate, limit.name, key, cost=cost):
                continue
            if self._limiter.test(limit.rate, limit.name, key):
                waits.append(1)  # those that are under way may yet turn out right
                continue
            window = self._limiter.get_window_stats(limit.rate, limit.name, key)
            waits.append(max(1, int(window.reset_time - time.time()) + 1))  # noqa: TID251
        return max(waits)

    def _wait_of_all(self, key: str) -> int:
        """What is left of the wait that the shared count has told; 0 when it is over."""
        until = self._waits.get(key)
        if until is None:
            return 0
        left = until - time.monotonic()
        if left <= 0:
            del self._waits[key]
            return 0
        return int(left) + 1


def _shared_key(limit: Limit, key: str) -> str:
    return f"{limit.name} {key}"
