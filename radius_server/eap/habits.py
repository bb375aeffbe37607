"""Which method a device took last time, so that it is proposed first and need not be refused.

Only the order of the configured methods changes: a device that wants another says so, as ever.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from identity.domain.access import Decision, Granted
from radius_server.eap.negotiation import Offer
from radius_server.eap.packet import Type
from radius_server.process.questions import Answered

MAXIMUM_DEVICES = 20_000
"""Some 5 MB; beyond it those that were not seen longest are asked from the start again."""


class Habits:
    """What each device took when it was last let in."""

    def __init__(self, maximum: int = MAXIMUM_DEVICES) -> None:
        self._maximum = maximum
        self._taken: OrderedDict[str, Mapping[str, Type]] = OrderedDict()

    def learn(
        self, station: str | None, taken: Mapping[str, Type], ended: Decision | Answered
    ) -> None:
        """Remember what `station` took, if it was let in."""
        if station is None or not isinstance(getattr(ended, "decision", None), Granted):
            return
        # A resumed session has nothing inside; what was there before still holds.
        self._taken[station] = {**self._taken.get(station, {}), **taken}
        self._taken.move_to_end(station)
        if len(self._taken) > self._maximum:
            self._taken.popitem(last=False)

    def ordered(self, offers: list[Offer], station: str | None, where: str) -> list[Offer]:
        """`offers`, that which `station` took last first.

        Args:
            where: "eap" outside, "inner" inside of a tunnel.
        """
        last = self._taken.get(station or "", {}).get(where)
        if last is None or not offers or offers[0].type == last:
            return offers
        return sorted(offers, key=lambda offer: offer.type != last)
