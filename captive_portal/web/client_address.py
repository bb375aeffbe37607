"""Which address a request really comes from.

In a portal the address is part of the evidence, so X-Forwarded-For and X-Forwarded-Proto
are believed from the configured proxies only, hop by hop from the right.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network

from flask import Request

from common.errors import UsageError
from common.net import IpAddress, IpNetwork, parse_address


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The prefixes of `trusted_proxies`, parsed once."""

    prefixes: tuple[IpNetwork, ...]

    @classmethod
    def of(cls, prefixes: Iterable[str]) -> TrustedProxies:
        """From the texts of the configuration."""
        return cls(tuple(ip_network(prefix) for prefix in prefixes))

    def __contains__(self, address: IpAddress) -> bool:
        return any(address in prefix for prefix in self.prefixes)

    def client_address(self, request: Request) -> str:
        """The address of the client in its shortest text form; empty when there is none.

        Each trusted hop vouches for the entry to its left. An entry that is no address
        ends the walk at the hop that wrote it.
        """
        try:
            address = parse_address(request.remote_addr or "")
        except UsageError:
            return ""
        hops = ",".join(request.headers.getlist("X-Forwarded-For")).split(",")
        while address in self and hops:
            try:
                address = parse_address(hops.pop())
            except UsageError:
                break
        return str(address)

    def is_https(self, request: Request) -> bool:
        """Whether the browser's side of the connection is TLS."""
        if request.scheme == "https":
            return True
        try:
            peer = parse_address(request.remote_addr or "")
        except UsageError:
            return False
        forwarded = request.headers.get("X-Forwarded-Proto", "").strip().lower()
        return peer in self and forwarded == "https"
