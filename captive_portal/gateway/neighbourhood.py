"""Which device has which address on the inside, as the kernel saw it a moment ago."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from ipaddress import ip_address

from captive_portal.gateway.helper import Kernel
from captive_portal.gateway.times import Times
from captive_portal.gateway.verbs import Neighbours

FRESH_SECONDS = 1.0
"""A class that opens its tablets at once is one question to the kernel, not thirty."""


class Neighbourhood:
    """The neighbours, read anew when they are old or somebody is not among them."""

    def __init__(self, kernel: Kernel, times: Times) -> None:
        self._kernel = kernel
        self._times = times
        self._lock = threading.Lock()
        self._pairs: Sequence[tuple[str, str]] = ()
        self._macs: dict[str, str] = {}
        self._read_at: float | None = None

    def read(self) -> Sequence[tuple[str, str]]:
        """(address, MAC address) of each; BackendUnavailable when the helper does not answer."""
        with self._lock:
            return self._read()

    def find(self, address: str) -> str | None:
        """The MAC address of who has `address`, or None.

        A browser that is not among them has just come: nothing older than its request counts.
        """
        arrived_at = self._times.up()
        with self._lock:
            if self._read_at is None or arrived_at - self._read_at > FRESH_SECONDS:
                self._read()
            if address not in self._macs and (self._read_at or 0.0) <= arrived_at:
                self._read()
            return self._macs.get(address)

    def addresses_of(self, mac: str) -> Sequence[str]:
        """Its addresses beyond the link, as they were read last."""
        with self._lock:
            found = [address for address, other in self._pairs if other == mac]
        return [one for one in found if not ip_address(one).is_link_local]

    def _read(self) -> Sequence[tuple[str, str]]:
        self._pairs = self._kernel.ask(Neighbours()).neighbours
        self._macs = dict(self._pairs)
        self._read_at = self._times.up()
        return self._pairs
