"""dnsmasq's configuration for the inside: addresses, names, and word of the portal. Pure.

DHCPv4 and stateless DHCPv6 with RA tell the portal's API (RFC 8910, options 114 and 103; its RA
option 37 dnsmasq does not know); names of the garden put their addresses into nftables.
"""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface, ip_network

from captive_portal.gateway.rules import TABLE
from common.config_gateway import GatewayKernel

_CANARY = "use-application-dns.net"
"""Firefox asks for it, and leaves names to the network when it is not there."""
_CACHED_SECONDS = 300
"""An address of the garden is told to nftables when it is looked up anew, so not seldom."""
_QUESTIONS_AT_ONCE = 2000
"""By default 150, which a school's bell exceeds."""
_MOST_LEASES = 65_000


def dnsmasq_text(kernel: GatewayKernel) -> str:
    """The whole configuration file."""
    lines = [
        "# Made by: yuenyan gateway-dnsmasq. Change yuenyan.toml and make it again.",
        *(f"interface={name}" for name in kernel.inside),
        "except-interface=lo",
        "bind-dynamic",
        "domain-needed",
        "bogus-priv",
        "cache-size=10000",
        f"dns-forward-max={_QUESTIONS_AT_ONCE}",
        f"max-cache-ttl={_CACHED_SECONDS}",
        f"address=/{_CANARY}/",
        *_names(kernel),
        *_garden(kernel),
        "dhcp-authoritative",
        *_leases(kernel),
        *_portal(kernel),
    ]
    return "".join(f"{line}\n" for line in lines)


def _names(kernel: GatewayKernel) -> list[str]:
    addresses = ",".join(str(own.ip) for own in kernel.own)
    return [f"host-record={name},{addresses}" for name in kernel.own_names]


def _garden(kernel: GatewayKernel) -> list[str]:
    names = [one for one in (*kernel.portal_hosts, *kernel.garden) if "/" not in one]
    table = TABLE.replace(" ", "#")
    sets = ",".join(f"{number}#{table}#garden{number}" for number in (4, 6))
    return [f"nftset=/{name}/{sets}" for name in dict.fromkeys(names)]


def _leases(kernel: GatewayKernel) -> list[str]:
    lines: list[str] = []
    hosts = 0
    for own in kernel.own:
        if isinstance(own, IPv4Interface):
            first, last = own.network[1], own.network[-2]
            hosts += own.network.num_addresses - 3
            lines.append(f"dhcp-range={first},{last},{own.network.netmask},{kernel.lease_minutes}m")
        elif isinstance(own, IPv6Interface):
            lines.append(
                f"dhcp-range={own.network.network_address},ra-stateless,"
                f"{own.network.prefixlen},{kernel.lease_minutes}m"
            )
    if hosts:
        lines.append(f"dhcp-lease-max={min(hosts, _MOST_LEASES)}")
    if any(own.version == 6 for own in kernel.own):
        lines.append("enable-ra")
    resolvers = [ip_network(one).network_address for one in kernel.dns]
    fours = [str(one) for one in resolvers if one.version == 4]
    sixes = [f"[{one}]" for one in resolvers if one.version == 6]
    if fours:
        lines.append(f"dhcp-option=option:dns-server,{','.join(fours)}")
    if sixes:
        lines.append(f"dhcp-option=option6:dns-server,{','.join(sixes)}")
    return lines


def _portal(kernel: GatewayKernel) -> list[str]:
    if not kernel.api_url:
        return []
    # Forced: few devices ask for it.
    return [
        f"dhcp-option-force=114,{kernel.api_url}",
        f"dhcp-option-force=option6:103,{kernel.api_url}",
    ]
