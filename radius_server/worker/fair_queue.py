"""A queue that takes from each NAS in its turn, so that a rush at one keeps no other waiting."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")

_SHARE = 2
"""A NAS may hold this many times what is still free: alone two thirds of the room, two of
them two fifths each. However greedy the first are, the next finds some (dynamic thresholds)."""


class FairQueue(Generic[ItemT]):
    """Items by NAS. `put`, `hold`, `done` and `has_room` belong to one thread; `take` to any."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: dict[int, int] = {}
        self._lines: dict[int, deque[ItemT]] = {}
        self._lock = threading.Lock()
        self.waiting = 0
        """Items put and not done."""

    @property
    def is_full(self) -> bool:
        """Whether nobody may put anything more."""
        return self.waiting >= self._limit

    def has_room(self, nas: int) -> bool:
        """Whether this NAS holds less than its share of the room."""
        return self._held.get(nas, 0) < _SHARE * (self._limit - self.waiting)

    def hold(self, nas: int) -> None:
        """Let something that stands in no line take the room of an item, until `done`."""
        self.waiting += 1
        self._held[nas] = self._held.get(nas, 0) + 1

    def put(self, nas: int, item: ItemT) -> None:
        """Add an item to the line of its NAS; it is waiting until `done`."""
        self.hold(nas)
        with self._lock:
            line = self._lines.get(nas)
            if line is None:
                self._lines[nas] = deque((item,))
            else:
                line.append(item)

    def take(self) -> ItemT:
        """The oldest item of the NAS whose turn it is; there must be one."""
        with self._lock:
            nas = next(iter(self._lines))
            line = self._lines.pop(nas)
            item = line.popleft()
            if line:
                # At the end of the dictionary: the others come first.
                self._lines[nas] = line
        return item

    def done(self, nas: int) -> None:
        """Give the room of one item of this NAS back."""
        self.waiting -= 1
        left = self._held[nas] - 1
        if left:
            self._held[nas] = left
        else:
            del self._held[nas]
