"""EAP conversations under way, found again by State. RFC 2865 section 5.24, RFC 3579 section 2.

State names the worker that holds the conversation: a NAS that changes its source port may
reach another worker, which then hands the datagram over (see `siblings`).
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

_Item = TypeVar("_Item")

LIFETIME_SECONDS = 60.0
"""A person who types a one-time code needs half of this; nobody needs more."""

MAXIMUM_OPEN = 4096
"""A TLS conversation holds some 40 kB; beyond this the oldest is given up."""

_STATE_OCTETS = 17


class Conversations(Generic[_Item]):
    """Open conversations of one worker, each under the State of its last challenge."""

    def __init__(
        self,
        worker: int,
        lifetime: float = LIFETIME_SECONDS,
        maximum: int = MAXIMUM_OPEN,
        abandoned: Callable[[_Item], None] = lambda _item: None,
    ) -> None:
        """`abandoned` is called with each conversation that is given up."""
        self._prefix = bytes((worker,))
        self._lifetime = lifetime
        self._maximum = maximum
        self._abandoned = abandoned
        self._open: OrderedDict[bytes, tuple[float, _Item]] = OrderedDict()

    def put(self, item: _Item, now: float) -> bytes:
        """Keep `item` until its next request comes; returns the State for the challenge.

        Args:
            now: monotonic seconds.
        """
        state = self._prefix + secrets.token_bytes(_STATE_OCTETS - 1)
        self.keep(state, item, now)
        return state

    def keep(self, state: bytes, item: _Item, now: float) -> None:
        """Let `item` wait for `state` again, as before its last request came."""
        self.expire(now, self._maximum - 1)
        self._open[state] = (now, item)

    def take(self, state: bytes, now: float) -> _Item | None:
        """The conversation that waits for `state`, which is used up by this; None when none."""
        found = self._open.pop(state, None)
        if found is None:
            return None
        if now - found[0] >= self._lifetime:
            self._abandoned(found[1])
            return None
        return found[1]

    def drop(self, state: bytes) -> None:
        """Let nothing wait for `state`, which was never given out."""
        self._open.pop(state, None)

    def expire(self, now: float, maximum: int | None = None) -> None:
        """Give up those that have waited too long, and the oldest of more than `maximum`."""
        limit = self._maximum if maximum is None else maximum
        while self._open:
            began, item = next(iter(self._open.values()))
            if now - began < self._lifetime and len(self._open) <= limit:
                break
            self._open.popitem(last=False)
            self._abandoned(item)

    def __len__(self) -> int:
        return len(self._open)


def holder(state: bytes) -> int | None:
    """The number of the worker that gave out `state`, or None when it is not one of ours."""
    return state[0] if len(state) == _STATE_OCTETS else None
