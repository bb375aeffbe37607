"""`conntrack -E` of a Linux gateway, relayed line by line.

Pure. Format: conntrack-tools, conntrack(8), options `-E -e NEW,DESTROY -o timestamp`. rsyslog
writes the tab behind the time as `#011`.
"""

from __future__ import annotations

import re

from traffic.decoders.syslog.lines import AccessLine, NatEvent, NatLine
from traffic.decoders.syslog.message import Message
from traffic.decoders.syslog.tuples import Side, translation
from traffic.decoders.syslog.values import address, number, port, protocol

_EVENT = re.compile(
    r"\s*(?:\[(?P<seconds>\d{1,12})\.(?P<micros>\d{1,6})\](?:#011|\s)*)?\[(?P<event>NEW|UPDATE|DESTROY)\]\s+"
    r"(?:ipv[46]\s+\d+\s+)?(?P<protocol>[\w-]+)\s+(?:\d+\s+)?(?P<rest>.*)"
)
_SIDE = re.compile(
    r"src=(?P<src>[0-9A-Fa-f.:]+) dst=(?P<dst>[0-9A-Fa-f.:]+)"
    r"(?: sport=(?P<sport>\d+) dport=(?P<dport>\d+))?"
)
_LASTED = re.compile(r"(?:^| )delta-time=(\d{1,10})(?: |$)")
_EVENTS = {"NEW": NatEvent.CREATE, "UPDATE": NatEvent.SEEN, "DESTROY": NatEvent.DELETE}


def read_conntrack(message: Message) -> NatLine | AccessLine | None:
    """The translation of a connection that began, changed or ended."""
    match = _EVENT.fullmatch(message.text)
    if match is None:
        return None
    sides = [_side(one) for one in list(_SIDE.finditer(match["rest"]))[:2]]
    if len(sides) != 2 or sides[0] is None or sides[1] is None:
        return None
    told_ms = None
    if match["seconds"]:
        told_ms = int(match["seconds"]) * 1000 + int(match["micros"].ljust(6, "0")) // 1000
    lasted = _LASTED.search(match["rest"])
    seconds = number(lasted[1]) if lasted else None
    return translation(
        "conntrack",
        _EVENTS[match["event"]],
        protocol(match["protocol"]),
        sides[0],
        sides[1],
        duration_ms=None if seconds is None else seconds * 1000,
        told_ms=told_ms,
    )


def _side(match: re.Match[str]) -> Side | None:
    source, target = address(match["src"]), address(match["dst"])
    if source is None or target is None:
        return None
    return Side(source, port(match["sport"]), target, port(match["dport"]))
