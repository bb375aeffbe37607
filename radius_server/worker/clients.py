"""Which NAS a datagram comes from: the longest registered prefix that holds its address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from common.net import parse_address
from identity.stores.sql import NasFacts
from radius_server.packet.authenticator import SharedSecret

_CACHE_LIMIT = 50_000
RADSEC_SECRET = b"radsec"
"""The shared secret of every RADIUS packet inside TLS, RFC 6614 section 2.3."""


class NasClient:
    """A NAS and its prepared secret."""

    __slots__ = ("facts", "secret")

    def __init__(self, facts: NasFacts) -> None:
        self.facts = facts
        self.secret = SharedSecret(facts.secret)


class NasTable:
    """Finds the NAS of an address; made anew whenever a NAS changes."""

    def __init__(self, clients: Sequence[NasFacts]) -> None:
        lengths: dict[tuple[int, int], dict[int, NasClient]] = {}
        self._named: dict[str, NasClient] = {}
        self._keys: dict[str, bytes] = {}
        for facts in clients:
            if facts.radsec_identity is not None:
                # TLS proves every octet: what Message-Authenticator would add is there.
                inside = replace(facts, secret=RADSEC_SECRET, require_message_authenticator=False)
                self._named[facts.radsec_identity] = NasClient(inside)
            network = facts.network
            if network is None:
                if facts.radsec_identity is not None and facts.secret != RADSEC_SECRET:
                    self._keys[facts.radsec_identity] = facts.secret
                continue
            host_bits = network.max_prefixlen - network.prefixlen
            of_length = lengths.setdefault((network.version, host_bits), {})
            of_length[int(network.network_address) >> host_bits] = NasClient(facts)
        # One look a prefix length, the longest first: a flood from forged addresses must not
        # cost a walk over every NAS of a province each.
        self._lengths = sorted(lengths.items())
        self._cache: dict[str, NasClient | None] = {}

    def named(self, identity: str) -> NasClient | None:
        """The NAS whose certificate says `identity`, with the secret of RADIUS over TLS."""
        return self._named.get(identity)

    def key_of(self, identity: str) -> bytes | None:
        """The TLS pre-shared key of a NAS that has one.

        Only one without fixed addresses has: a secret of RADIUS over UDP must not be used as a
        key of TLS (RFC 9813 section 4.1).
        """
        return self._keys.get(identity)

    def find(self, address: str) -> NasClient | None:
        """The NAS that sends from `address` (as recvfrom gives it), or None."""
        try:
            return self._cache[address]
        except KeyError:
            pass
        if len(self._cache) >= _CACHE_LIMIT:
            self._cache.clear()
        value = parse_address(address.partition("%")[0])
        number, found = int(value), None
        for (version, host_bits), of_length in self._lengths:
            if version == value.version:
                found = of_length.get(number >> host_bits)
                if found is not None:
                    break
        self._cache[address] = found
        return found
