"""Retransmissions get the same octets again, or silence while the first is being worked on.

RFC 5080 section 2.2.2. The key holds the Request Authenticator, because a NAS uses an
Identifier again within seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Any

LIFETIME_SECONDS = 30.0
"""Longer than any NAS goes on repeating one request."""

MAXIMUM_ENTRIES = 200_000
"""About 100 MB; beyond it the oldest go first."""


class DuplicateCache:
    """Requests seen lately and what was answered."""

    def __init__(self, lifetime: float = LIFETIME_SECONDS, maximum: int = MAXIMUM_ENTRIES) -> None:
        self._lifetime = lifetime
        self._maximum = maximum
        self._replies: dict[Hashable, list[Any]] = {}
        """When it began (monotonic seconds), and its reply or None; changed in place."""
        # In order of time. A dict would do, but its front is slow to reach after deletions.
        self._order: deque[tuple[float, Hashable]] = deque()

    def begin(self, key: Hashable, now: float) -> tuple[bool, bytes | None]:
        """(True, None) for a new request, which is marked as being worked on.

        Otherwise (False, reply), where reply is None while the first one is not answered.

        Args:
            now: monotonic seconds.
        """
        entry = [now, None]
        known = self._replies.setdefault(key, entry)
        if known is not entry:
            if now - known[0] < self._lifetime:
                return False, known[1]
            self._replies[key] = entry
        self._order.append((now, key))
        if now - self._order[0][0] >= self._lifetime or len(self._order) > self._maximum:
            self._expire(now)
        return True, None

    def finish(self, key: Hashable, reply: bytes) -> None:
        """Remember the reply of a request begun before."""
        known = self._replies.get(key)
        if known is not None:
            known[1] = reply

    def forget(self, key: Hashable) -> None:
        """Let the next copy of this request be new: nothing durable came of this one."""
        self._replies.pop(key, None)

    def __len__(self) -> int:
        return len(self._replies)

    def _expire(self, now: float) -> None:
        order = self._order
        while order and (now - order[0][0] >= self._lifetime or len(order) > self._maximum):
            begun, key = order.popleft()
            known = self._replies.get(key)
            if known is not None and known[0] == begun:
                del self._replies[key]
