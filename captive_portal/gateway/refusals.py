"""How often RADIUS has just refused a device, so that one device cannot keep the server busy.

A token cannot be guessed; this spares RADIUS the questions. Pure.
"""

from __future__ import annotations

from collections import OrderedDict

MOST_REFUSALS = 20
WITHIN_SECONDS = 60.0
MOST_DEVICES = 4096
"""Addresses of devices cost nothing to make up: the oldest are forgotten."""


class Refusals:
    """Counts of refusals by MAC address, each from its first one on."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, mac: str, now: float) -> None:
        """RADIUS has refused this device."""
        since, count = self._counts.pop(mac, (now, 0))
        if now - since >= WITHIN_SECONDS:
            since, count = now, 0
        self._counts[mac] = since, count + 1
        while len(self._counts) > MOST_DEVICES:
            self._counts.popitem(last=False)

    def is_too_much(self, mac: str, now: float) -> bool:
        """Whether the next question about it has to wait."""
        since, count = self._counts.get(mac, (now, 0))
        return count >= MOST_REFUSALS and now - since < WITHIN_SECONDS
