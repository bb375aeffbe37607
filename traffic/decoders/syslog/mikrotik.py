"""RouterOS: firewall rules with `log=yes`, and its DHCP server.

Pure. Formats: MikroTik documentation, "Log" and "Firewall > Logging" (RouterOS 6 and 7). A
rule logs a packet, so a translation is told when it begins and never when it ends.
"""

from __future__ import annotations

import re

from traffic.decoders.syslog.lines import AccessLine, LeaseEvent, LeaseLine, NatEvent, NatLine
from traffic.decoders.syslog.message import Message
from traffic.decoders.syslog.tuples import Side, connection
from traffic.decoders.syslog.values import address, endpoint, mac, protocol

_PACKET = re.compile(
    r"(?P<chain>[\w-]+): in:(?P<into>.{0,64}?) out:(?P<out>[^,]{0,64}?),? "
    r"(?:connection-mark:\S+ )?(?:connection-state:(?P<state>[\w,]+),? )?"
    r"(?:src-mac (?P<mac>[0-9A-Fa-f:]{17}), ?)?"
    r"(?:dst-mac [0-9A-Fa-f:]{17}, ?)?(?:eth-proto \w+, ?)?"
    r"proto (?P<protocol>[\w-]+)(?: \((?P<flags>[^)]{0,60})\))?, "
    r"(?P<source>[0-9A-Fa-f.:\[\]]+)->(?P<target>[0-9A-Fa-f.:\[\]]+)"
    r"(?:, NAT (?P<nat>\S{5,200}))?(?:, prio \S+)?(?:, len (?P<octets>\d+))?"
)
_SOURCE_NAT = re.compile(r"\((?P<inside>[^()>]+)->(?P<outside>[^()>]+)\)->(?P<far>[^()>]+)")
_TARGET_NAT = re.compile(r"(?P<far>[^()>]+)->\((?P<outside>[^()>]+)->(?P<inside>[^()>]+)\)")
_LEASE = re.compile(
    # Behind DHCP's own topics the rule's prefix may stand, and a name of several words. Without
    # them one word is all: a login that failed is told with the name that somebody typed.
    r"(?:dhcp(?:,\w+){0,8} .{1,128}?|(?:[\w,!]+ )?\S{1,64}) (?P<verb>assigned|deassigned) "
    r"(?P<address>[0-9.]+) (?:to|for|from) (?P<mac>[0-9A-Fa-f:]{17})(?: \S.{0,100})?"
)

_LONGEST_PREFIX = 128

NAT = "mikrotik-nat"
"""The form of a translation: told at its beginning alone."""


def read_mikrotik(message: Message) -> NatLine | LeaseLine | AccessLine | None:
    """A logged packet or a lease."""
    if " in:" in message.rest:
        return _packet(message.rest)
    match = _LEASE.fullmatch(message.rest) if "assigned " in message.rest else None
    found = address(match["address"]) if match else None
    if match is None or found is None:
        return None
    given = match["verb"] == "assigned"
    return LeaseLine(
        form="mikrotik-dhcp",
        event=LeaseEvent.ASSIGN if given else LeaseEvent.RELEASE,
        address=found,
        mac=mac(match["mac"]),
    )


def _packet(text: str) -> NatLine | AccessLine | None:
    # Before the chain stand the topics and the rule's prefix, which is whatever somebody chose.
    chain = text.rfind(" ", 0, max(0, text.find(": in:"))) + 1
    match = _PACKET.fullmatch(text, chain) if chain <= _LONGEST_PREFIX else None
    if match is None:
        return None
    source, source_port = endpoint(match["source"])
    target, target_port = endpoint(match["target"])
    if source is None or target is None:
        return None
    number = protocol(match["protocol"])
    if match["nat"] is None:
        side = Side(source, source_port, target, target_port)
        return connection("mikrotik-firewall", match["chain"], number, side, mac(match["mac"]))
    nat = _SOURCE_NAT.fullmatch(match["nat"]) or _TARGET_NAT.fullmatch(match["nat"])
    if nat is None:
        return None
    inside, inside_port = endpoint(nat["inside"])
    outside, outside_port = endpoint(nat["outside"])
    far, far_port = endpoint(nat["far"])
    if inside is None or outside is None:
        return None
    # Without a state the rule is one of the NAT chain, which sees first packets only.
    begins = match["state"] is None or "new" in match["state"].split(",")
    outbound = nat.re is _SOURCE_NAT
    return NatLine(
        form=NAT,
        event=NatEvent.CREATE if begins else NatEvent.SEEN,
        protocol=number,
        inside_address=inside,
        inside_port=inside_port,
        outside_address=outside,
        outside_port=outside_port,
        destination_address=far,
        destination_port=far_port,
        mac=mac(match["mac"]) if outbound else None,
    )
