"""Which NAS a datagram comes from: the longest registered prefix that holds its address."""

from __future__ import annotations

from collections.abc import Sequence

from common.net import parse_address
from identity.stores.sql import NasFacts
from radius_server.packet.authenticator import SharedSecret

_CACHE_LIMIT = 50_000


class NasClient:
    """A NAS and its prepared secret."""

    __slots__ = ("facts", "secret")

    def __init__(self, facts: NasFacts) -> None:
        self.facts = facts
        self.secret = SharedSecret(facts.secret)


class NasTable:
    """Finds the NAS of an address; made anew whenever a NAS changes."""

    def __init__(self, clients: Sequence[NasFacts]) -> None:
        by_length = sorted(clients, key=lambda facts: -facts.network.prefixlen)
        self._clients = [NasClient(facts) for facts in by_length]
        self._cache: dict[str, NasClient | None] = {}

    def find(self, address: str) -> NasClient | None:
        """The NAS that sends from `address` (as recvfrom gives it), or None."""
        try:
            return self._cache[address]
        except KeyError:
            pass
        if len(self._cache) >= _CACHE_LIMIT:
            self._cache.clear()
        value = parse_address(address.partition("%")[0])
        found = next(
            (
                client
                for client in self._clients
                if client.facts.network.version == value.version and value in client.facts.network
            ),
            None,
        )
        self._cache[address] = found
        return found
