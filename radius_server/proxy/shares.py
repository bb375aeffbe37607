"""How many requests may be under way, so that none that wait for one keep out all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable


class Shares:
    """Places, the same number for each of several owners. One thread takes and gives back."""

    def __init__(self, places: int, owners: Collection[Hashable]) -> None:
        self._each = max(1, places // max(1, len(owners)))
        self._taken: Counter[Hashable] = Counter()
        self.taken = 0
        """By all of them."""

    def take(self, owner: Hashable) -> bool:
        """Take a place; False when the owner has all that are its."""
        if self._taken[owner] >= self._each:
            return False
        self._taken[owner] += 1
        self.taken += 1
        return True

    def give_back(self, owner: Hashable) -> None:
        """A place that was taken is free."""
        self._taken[owner] -= 1
        self.taken -= 1
