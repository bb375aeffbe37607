"""Counts of failures by address, account and site, which stop guessing before argon2 works.

Kept in memory: each worker process counts on its own, and a restart forgets. Flask-Limiter
counts requests; a school behind one address needs only its failures counted, so this uses
the library below it directly.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from common.errors import UsageError
from common.net import parse_address


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `rate` (as in `5 per 10 minutes`) failures under one key."""

    name: str
    rate: RateLimitItem

    @classmethod
    def of(cls, name: str, rate: str) -> Limit:
        """From the text form of the limits library."""
        return cls(name, parse(rate))


def site_of(address: str) -> str:
    """What an address is counted as: one IPv6 site is one /64, whatever address it picks."""
    try:
        parsed = parse_address(address)
    except UsageError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)


class FailureLimits:
    """Asks before an attempt, counts after a failed one. Safe to use from many threads."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def wait_seconds(self, *checks: tuple[Limit, str]) -> int:
        """How long to wait before the next attempt; 0 when it may be made now."""
        waits = [0]
        for limit, key in checks:
            if not self._limiter.test(limit.rate, limit.name, key):
                window = self._limiter.get_window_stats(limit.rate, limit.name, key)
                waits.append(max(1, int(window.reset_time - time.time()) + 1))  # noqa: TID251
        return max(waits)

    def count(self, *checks: tuple[Limit, str]) -> None:
        """Count one failure under each key."""
        for limit, key in checks:
            self._limiter.hit(limit.rate, limit.name, key)
