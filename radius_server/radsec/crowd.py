"""Who holds a place at the RadSec server of one worker, and who goes when places are short.

Whoever can reach the port can open connections; only a finished handshake proves who it is.
Until then a connection is a stranger's: strangers have a part of the places, one address a
part of that, and when another comes the oldest stranger goes of the address that has most.
Knows nothing of sockets.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address

from radius_server.radsec.connection import Connection

_STRANGERS_PART = 4
"""A quarter of the places may be in their handshake."""

_ADDRESS_PART = 2
"""Half of those may be of one address: whoever floods from one leaves the rest to others."""

_PREFIX_OCTETS = 8
"""A subscriber of IPv6 owns a /64 and every address in it."""


class Crowd:
    """The connections of one worker by their serial."""

    def __init__(self, places: int, an_address: int) -> None:
        """At most `places` connections in all, and `an_address` of one address."""
        self._places = places
        self._an_address = an_address
        self.strangers_limit = max(1, places // _STRANGERS_PART)
        self._address_limit = max(1, self.strangers_limit // _ADDRESS_PART)
        self._all: dict[int, Connection] = {}
        self._strangers: dict[int, Connection] = {}
        """The first to go first: those that never said a word, then by age."""
        self._of_address: Counter[str] = Counter()
        self._strangers_of: dict[str, dict[int, Connection]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, connection: Connection) -> bool:
        return connection.serial in self._all

    def get(self, serial: int) -> Connection | None:
        """The connection of this serial, unless it has ended."""
        return self._all.get(serial)

    def everybody(self) -> list[Connection]:
        """All of them, to be ended or not on the way."""
        return list(self._all.values())

    def strangers(self) -> list[Connection]:
        """Those that have not proven who they are, the first to go first."""
        return list(self._strangers.values())

    def in_the_way(self, host: str) -> Connection | None:
        """The stranger that has to go before one more from `host` may come."""
        key = _key(host)
        held = self._strangers_of.get(key)
        if held and (len(held) >= self._address_limit or self._of_address[key] >= self._an_address):
            return next(iter(held.values()))
        if self._strangers and (
            len(self._strangers) >= self.strangers_limit or len(self._all) >= self._places
        ):
            # Whoever floods from few addresses pushes out its own.
            crowded = max(self._strangers_of.values(), key=_claim)
            return next(iter(crowded.values()))
        return None

    def refusal(self, host: str) -> str:
        """Why one more from `host` cannot come, or nothing."""
        if len(self._all) >= self._places:
            return "connections"
        return "address" if self._of_address[_key(host)] >= self._an_address else ""

    def add(self, connection: Connection) -> None:
        """A stranger has come."""
        key = _key(connection.source[0])
        self._all[connection.serial] = connection
        self._of_address[key] += 1
        self._strangers[connection.serial] = connection
        self._strangers_of.setdefault(key, {})[connection.serial] = connection

    def spoke(self, connection: Connection) -> None:
        """A stranger has said its first word: those that never did go before it."""
        if self._strangers.pop(connection.serial, None) is not None:
            self._strangers[connection.serial] = connection
            held = self._strangers_of[_key(connection.source[0])]
            held[connection.serial] = held.pop(connection.serial)

    def proved(self, connection: Connection) -> None:
        """It is known now, and makes room for nobody."""
        if self._strangers.pop(connection.serial, None) is not None:
            key = _key(connection.source[0])
            held = self._strangers_of[key]
            del held[connection.serial]
            if not held:
                del self._strangers_of[key]

    def remove(self, connection: Connection) -> bool:
        """It has ended; False when that was known."""
        if self._all.pop(connection.serial, None) is None:
            return False
        self.proved(connection)
        key = _key(connection.source[0])
        self._of_address[key] -= 1
        if not self._of_address[key]:
            del self._of_address[key]
        return True

    def clear(self) -> None:
        """Forget them all."""
        for connection in self.everybody():
            self.remove(connection)


def _claim(held: dict[int, Connection]) -> tuple[int, bool]:
    """How well the strangers of one address could spare the first of them."""
    return len(held), not next(iter(held.values())).has_spoken


def _key(host: str) -> str:
    if ":" not in host:
        return host
    address = IPv6Address(host.partition("%")[0])
    return str(address.ipv4_mapped or address.packed[:_PREFIX_OCTETS].hex())
