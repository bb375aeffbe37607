"""The tables of our own gateway as text for nft: who is caught, refused, let through, counted.

Pure. Every value in it comes from the configuration, which checks it; docs/gateway.md draws the
way of a packet. One decision a packet: nothing is let through because its connection once was,
so that a removal is felt by the very next packet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, collapse_addresses, ip_network
from typing import cast

from common.config_gateway import GatewayKernel

TABLE = "inet yuenyan_gateway"
QDISC = 0x7957
"""Major number of our HTB: a class is chosen by the packet's priority, which needs no filter."""

_FAMILIES = ((4, "ip", "ipv4_addr"), (6, "ip6", "ipv6_addr"))
_SIZE = 65_535
_GARDEN_SIZE = 8_192
_ASKING_LASTS = "1m"
_GARDEN_LASTS = "1d"
"""Addresses of names change hands; dnsmasq tells those in use again."""
_QUESTIONS_A_SECOND = 30
"""Of one device, to ours or before the login: a page with many names, and no tunnel worth its
while."""
_LONGEST_CLOCK = 8 + 48 + 20 + 16
"""Octets of UDP: a message of RFC 5905 with its digest, and a little."""
_CLOCKS_A_SECOND = 64
"""Of all devices without a login together: enough to set clocks, too few to tunnel a lesson."""


def install(kernel: GatewayKernel) -> str:
    """Everything but the admitted, in one transaction: whoever is admitted stays so.

    What is there already is added again without effect; chains and the fixed garden are written
    anew.
    """
    return "".join(
        f"{line}\n"
        for line in (
            f"add table {TABLE}",
            *_sets(),
            *_fixed(kernel),
            *_chain("to_everybody", _to_everybody(kernel)),
            *_chain("to_us", _to_us(kernel)),
            *_chain("to_inside", _to_inside(kernel)),
            *_chain("from_inside", _from_inside(kernel)),
            *_chain("forward", _forward(kernel), "filter hook forward priority filter"),
            *_chain(
                "input",
                [f"iifname {_names(kernel.inside)} jump to_us"],
                "filter hook input priority filter",
            ),
            *_chain("catch", _catch(kernel), "nat hook prerouting priority dstnat"),
            *_chain("hide", _hide(kernel), "nat hook postrouting priority srcnat"),
        )
    )


def _sets() -> Iterable[str]:
    for number, _, kind in _FAMILIES:
        # Counters live in sets of their own without timeout: the last octets of a device whose
        # time is over can still be read, and a longer time does not begin at nought.
        yield _set(f"admitted{number}", f"ether_addr . {kind}; flags timeout; size {_SIZE};")
        yield _set(f"reached{number}", f"{kind}; flags timeout; size {_SIZE};")
        yield _set(f"up{number}", f"ether_addr . {kind}; counter; size {_SIZE};")
        yield _set(f"down{number}", f"{kind}; counter; size {_SIZE};")
        yield _set(
            f"garden{number}",
            f"{kind}; flags timeout; timeout {_GARDEN_LASTS}; size {_GARDEN_SIZE};",
        )
        yield _set(f"fixed{number}", f"{kind}; flags interval;")
        yield f"add map {TABLE} class{number} {{ type {kind} : classid; size {_SIZE}; }}"
    yield _set(
        "asking", f"ether_addr; flags dynamic, timeout; timeout {_ASKING_LASTS}; size {_SIZE};"
    )
    for direction in ("up", "down"):
        yield _set(f"past_{direction}", f"ether_addr; counter; size {_SIZE};")


def _set(name: str, what: str) -> str:
    return f"add set {TABLE} {name} {{ type {what} }}"


def _chain(name: str, rules: Sequence[str], hook: str = "") -> Iterable[str]:
    body = f" {{ type {hook}; policy accept; }}" if hook else ""
    yield f"add chain {TABLE} {name}{body}"
    yield f"flush chain {TABLE} {name}"
    for rule in rules:
        yield f"add rule {TABLE} {name} {rule}"


def _fixed(kernel: GatewayKernel) -> Iterable[str]:
    """Prefixes that everybody reaches; names come by dnsmasq."""
    networks = [ip_network(one) for one in (*kernel.portal_hosts, *kernel.garden) if "/" in one]
    for number, _, _ in _FAMILIES:
        yield f"flush set {TABLE} fixed{number}"
        of_family = [one for one in networks if one.version == number]
        if of_family:
            # Overlapping intervals are refused by nft.
            apart = ", ".join(
                str(one) for one in collapse_addresses(cast(list[IPv4Network], of_family))
            )
            yield f"add element {TABLE} fixed{number} {{ {apart} }}"


def _forward(kernel: GatewayKernel) -> list[str]:
    ways_out = _names((*kernel.inside, *kernel.outside))
    return [
        # A line by PPPoE or a tunnel has less room than devices believe, and routers on the way
        # that would tell them are often silenced.
        f"oifname {ways_out} tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu",
        f"iifname {_names(kernel.inside)} jump from_inside",
        f"oifname {_names(kernel.inside)} jump to_inside",
    ]


def _from_inside(kernel: GatewayKernel) -> list[str]:
    rules = [f"meta priority set {ip} saddr map @class{number}" for number, ip, _ in _FAMILIES]
    if kernel.nat:
        # What conntrack cannot place is not translated either, and would go out as it is.
        rules.append(f"oifname {_names(kernel.outside)} meta nfproto ipv4 ct state invalid drop")
    rules += [
        f"ether saddr . {ip} saddr @admitted{number} ether saddr . {ip} saddr @up{number} return"
        for number, ip, _ in _FAMILIES
    ]
    return [*rules, "jump to_everybody", *_refuse()]


def _to_everybody(kernel: GatewayKernel) -> list[str]:
    # First of all: a resolver may stand in the garden, too.
    rules = [_few_questions()]
    rules += [
        f"{ip} daddr @{name}{number} accept"
        for number, ip, _ in _FAMILIES
        for name in ("fixed", "garden")
    ]
    rules += [
        f"{ip} daddr {address} meta l4proto {{ tcp, udp }} th dport 53 accept"
        for ip, address in _resolvers(kernel)
    ]
    if kernel.ntp:
        rules.append(
            f"{_clock('dport')} limit rate {_CLOCKS_A_SECOND}/second"
            f" burst {_CLOCKS_A_SECOND} packets accept"
        )
    return rules


def _to_inside(kernel: GatewayKernel) -> list[str]:
    rules = [f"meta priority set {ip} daddr map @class{number}" for number, ip, _ in _FAMILIES]
    if not kernel.from_outside:
        rules.append(
            f"iifname != {_names(kernel.inside)} ct state new reject with icmpx admin-prohibited"
        )
    rules += [
        f"{ip} daddr @reached{number} {ip} daddr @down{number} accept"
        for number, ip, _ in _FAMILIES
    ]
    known = "ct state established,related"
    rules += [
        f"{known} {ip} saddr @{name}{number} accept"
        for number, ip, _ in _FAMILIES
        for name in ("fixed", "garden")
    ]
    rules += [
        f"{known} {ip} saddr {address} meta l4proto {{ tcp, udp }} th sport 53 accept"
        for ip, address in _resolvers(kernel)
    ]
    if kernel.ntp:
        rules.append(f"{known} {_clock('sport')} accept")
    return [*rules, *_refuse()]


def _to_us(kernel: GatewayKernel) -> list[str]:
    ports = sorted({53, kernel.capture_port, *kernel.open_ports})
    return [
        _few_questions(),
        "ct state established,related accept",
        "meta l4proto { icmp, ipv6-icmp } accept",
        "udp dport { 53, 67, 547 } accept",
        f"tcp dport {{ {', '.join(map(str, ports))} }} accept",
        *_refuse(),
    ]


def _few_questions() -> str:
    """Drops what one device asks beyond that; goes before whatever would let it through."""
    return (
        "meta l4proto { tcp, udp } th dport 53 update @asking"
        f" {{ ether saddr limit rate over {_QUESTIONS_A_SECOND}/second"
        f" burst {2 * _QUESTIONS_A_SECOND} packets }} drop"
    )


def _catch(kernel: GatewayKernel) -> list[str]:
    redirect = f"redirect to :{kernel.capture_port}"
    rules = [f"iifname != {_names(kernel.inside)} return"]
    rules += [f"{ip} daddr @fixed{number} return" for number, ip, _ in _FAMILIES]
    # Its own page, which shows a device how long it still has, is there for everybody.
    rules.append(f"fib daddr type local tcp dport 80 {redirect}")
    rules += [f"ether saddr . {ip} saddr @admitted{number} return" for number, ip, _ in _FAMILIES]
    resolvers = dict(reversed(_resolvers(kernel)))
    for number, ip, _ in _FAMILIES:
        to = f"dnat {ip} to {resolvers[ip]}" if ip in resolvers else "redirect"
        for protocol in ("udp", "tcp"):
            rules.append(f"meta nfproto ipv{number} {protocol} dport 53 {to}")
    rules += [f"{ip} daddr @garden{number} return" for number, ip, _ in _FAMILIES]
    return [*rules, f"tcp dport 80 {redirect}"]


def _hide(kernel: GatewayKernel) -> list[str]:
    """Masquerading, for the devices' own addresses only."""
    rules = []
    for (number, ip, _), wanted in zip(_FAMILIES, (kernel.nat, kernel.nat6), strict=True):
        prefixes = [str(one) for one in kernel.prefixes if one.version == number]
        if wanted and prefixes:
            inside = ", ".join(prefixes)
            rules.append(f"oifname {_names(kernel.outside)} {ip} saddr {{ {inside} }} masquerade")
    return rules


def _refuse() -> list[str]:
    """At once and aloud: a packet that only disappears keeps a phone's portal page away."""
    return ["meta l4proto tcp reject with tcp reset", "reject with icmpx admin-prohibited"]


def _clock(port: str) -> str:
    """A question about the time or its answer, and nothing longer that only looks like one."""
    return f"udp {port} 123 udp length <= {_LONGEST_CLOCK}"


def _resolvers(kernel: GatewayKernel) -> list[tuple[str, str]]:
    networks = [ip_network(one) for one in kernel.dns]
    return [("ip" if one.version == 4 else "ip6", str(one.network_address)) for one in networks]


def _names(interfaces: Iterable[str]) -> str:
    return "{ " + ", ".join(f'"{name}"' for name in interfaces) + " }"
