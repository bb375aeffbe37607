"""Deterministic translation: which inside address a port belongs to, by the configuration.

Pure. RFC 7422: every inside address has its own block of ports, so nothing is logged, and the
table itself is the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

from common.config import StaticNat
from common.net import IpAddress
from traffic.lookup.attribution import Window
from traffic.lookup.nat_logs import Span
from traffic.moments import to_milliseconds

MAX_HOSTS = 256
"""Inside addresses listed for a question without a port; the blocks say no more than these."""


def find_static(
    table: Sequence[StaticNat], public: IpAddress, port: int | None, window: Window
) -> tuple[list[Span], bool]:
    """(inside addresses whose port it is, whether there are more)."""
    found: list[Span] = []
    more = False
    for number, rule in enumerate(table):
        from_ms, to_ms = to_milliseconds(window.from_at), to_milliseconds(window.to_at)
        if rule.since is not None:
            from_ms = max(from_ms, to_milliseconds(rule.since))
        if rule.until is not None:
            to_ms = min(to_ms, to_milliseconds(rule.until))
        if rule.outside != str(public) or from_ms > to_ms:
            continue
        inside = ip_network(rule.inside)
        hosts: Sequence[int] = range(min(inside.num_addresses, MAX_HOSTS))
        if port is not None:
            host = (port - rule.first_port) // rule.ports
            hosts = [host] if 0 <= host < inside.num_addresses else []
        elif inside.num_addresses > MAX_HOSTS:
            more = True
        found += [
            Span(
                inside_address=str(inside[host]),
                inside_port=None,
                protocol=0,
                from_ms=from_ms,
                to_ms=to_ms,
                records=(f"configuration:collector.static_nat[{number}]",),
            )
            for host in hosts
        ]
    return found, more
