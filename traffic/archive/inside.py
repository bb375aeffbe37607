"""The site's own prefixes: which addresses are those of clients. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network


class Inside:
    """The prefixes of `collector.inside`."""

    def __init__(self, prefixes: Sequence[str]) -> None:
        networks = [ip_network(prefix) for prefix in prefixes]
        self.four = [network for network in networks if isinstance(network, IPv4Network)]
        self.six = [network for network in networks if isinstance(network, IPv6Network)]
        named = " ".join(sorted(str(network) for network in networks))
        self.digest = hashlib.sha256(named.encode()).hexdigest()[:16]
        """Tells whether a segment was sorted by the same prefixes."""

    def has(self, address: IPv4Address | IPv6Address) -> bool:
        """True when one address lies inside."""
        if isinstance(address, IPv4Address):
            return any(address in network for network in self.four)
        return any(address in network for network in self.six)

    def covers(self, network: IPv4Network | IPv6Network) -> bool:
        """True when one prefix has every address of `network`: its ends may lie in two."""
        if isinstance(network, IPv4Network):
            return any(network.subnet_of(prefix) for prefix in self.four)
        return any(network.subnet_of(prefix) for prefix in self.six)
