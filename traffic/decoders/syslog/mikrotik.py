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
    # The name of the server may have several words, and the rule's prefix stands before it. The
    # first verb is the server's; another may stand in the name that the client sent, which is
    # last and of any kind.
    r"(?:(?! (?:de)?assigned ).){1,128} (?P<verb>assigned|deassigned) "
    r"(?P<address>[0-9.]+) (?:to|for|from) (?P<mac>[0-9A-Fa-f:]{17})(?: (?s:.*))?"
)

_TOPICS = re.compile(r"[\w!-]+(?:,[\w!-]+)+")
_DEBUGGING = {"debug", "packet"}
"""Topics of lines that show what a client sent, field by field."""

_LONGEST_PREFIX = 128

NAT = "mikrotik-nat"
"""The form of a translation: told at its beginning alone."""


def read_mikrotik(message: Message) -> NatLine | LeaseLine | AccessLine | None:
    """A logged packet or a lease."""
    topics, text = routeros_topics(message)
    if "firewall" in topics:
        return _packet(text)
    if not {"dhcp", "info"} <= topics or topics & _DEBUGGING:
        return None
    match = _LEASE.fullmatch(text)
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


def routeros_topics(message: Message) -> tuple[set[str], str]:
    """The topics of a line and what follows them; none where it is no line of RouterOS.

    They tell apart who speaks: lines of other topics begin with a name that somebody typed. A
    relay makes them the program's name, and without a host's name they stand in its place.
    """
    for field in (message.app, message.host):
        if _TOPICS.fullmatch(field):
            return set(field.split(",")), message.rest
    first, _, text = message.rest.partition(" ")
    return (set(first.split(",")), text) if _TOPICS.fullmatch(first) else (set(), "")


def _packet(text: str) -> NatLine | AccessLine | None:
    # Before the chain stands the rule's prefix, which is whatever somebody chose.
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
