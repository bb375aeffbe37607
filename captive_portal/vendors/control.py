"""Makes whose controller is called again after it has let somebody in: to look, and to end it.

The same rules as of the first call hold: a registered address, no redirect, bounds of time and
size (captive_portal.vendors.controller). What is asked is of devices that this portal let in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from captive_portal.vendors.profile import Gateway


class Ended(StrEnum):
    """What a controller said to putting somebody out."""

    DONE = "done"
    NOT_THERE = "not_there"
    """It has no such device, or it was not let in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A device on a controller's list that is let in; octets are as its user sees them."""

    ip: str = ""
    sent_octets: int = 0
    received_octets: int = 0
    told: bytes = field(repr=False)
    """As the list has it: what is kept as the record."""


class Control(Protocol):
    """What a make can be asked about devices that were let in."""

    def most(self, gateway: Gateway) -> int:
        """How many devices may be asked for at once; 0 where its mode has no calls."""
        ...

    def look(self, gateway: Gateway, devices: Collection[str]) -> Mapping[str, Seen]:
        """Those of `devices`, no more than `most`, that are on and let in.

        Raises:
            Unreachable, Declined: nothing is known of any, or not of all.
        """
        ...

    def end(self, gateway: Gateway, device: str) -> Ended:
        """Let the device in no longer.

        Raises:
            Unreachable, Declined: it has not been done.
        """
        ...


MOST_DEVICES = 500
"""Of one look at a controller that tells of all in a few answers."""


def number_of(told: Mapping[str, Any], name: str) -> int:
    """A count in what a controller tells; 0 where there is none or it cannot be."""
    found = told.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return 0
    return int(found) if 0 <= found < 2**62 else 0
