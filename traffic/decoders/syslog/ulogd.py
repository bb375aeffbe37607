"""ulogd2 with its connection tracking input: plugin PRINTFLOW, or GPRINT's pairs.

Pure. Formats: netfilter.org, ulogd 2.0, util/printflow.c and output/ulogd_output_GPRINT.c.
"""

from __future__ import annotations

import re

from traffic.decoders.syslog.lines import AccessLine, NatEvent, NatLine
from traffic.decoders.syslog.message import Message
from traffic.decoders.syslog.tuples import Side, translation
from traffic.decoders.syslog.values import address, number, pairs, port, protocol

_FLOW = re.compile(
    r"\[(?P<event>NEW|UPDATE|DESTROY)\] ORIG: (?P<original>.*?) ?, REPLY: (?P<reply>.*)"
)
_EVENTS = {"NEW": NatEvent.CREATE, "UPDATE": NatEvent.SEEN, "DESTROY": NatEvent.DELETE}
_BITS = ((4, NatEvent.DELETE), (1, NatEvent.CREATE), (2, NatEvent.SEEN))
"""NFCT_T_DESTROY, NFCT_T_NEW, NFCT_T_UPDATE of libnetfilter_conntrack."""


def read_ulogd(message: Message) -> NatLine | AccessLine | None:
    """The translation of a connection."""
    match = _FLOW.fullmatch(message.text.strip())
    if match is not None:
        original, reply = pairs(match["original"]), pairs(match["reply"])
        return _made(_EVENTS[match["event"]], original.get("PROTO"), _flow_side(original),
                     _flow_side(reply), None, None)  # fmt: skip
    if "orig.ip.saddr" not in message.text:
        return None
    fields = pairs(message.text)
    bits = number(fields.get("ct.event"), 7)
    event = next((event for bit, event in _BITS if (bits or 0) & bit), NatEvent.SESSION)
    began, ended = number(fields.get("flow.start.sec")), number(fields.get("flow.end.sec"))
    lasted = (ended - began) * 1000 if began and ended and began <= ended else None
    if event is NatEvent.SESSION and not ended:
        event = NatEvent.SEEN
    told = ended if event in (NatEvent.DELETE, NatEvent.SESSION) else began
    return _made(event, fields.get("orig.ip.protocol"), _pair_side(fields, "orig"),
                 _pair_side(fields, "reply"), lasted, told * 1000 if told else None)  # fmt: skip


def _made(
    event: NatEvent,
    number_text: str | None,
    original: Side | None,
    reply: Side | None,
    lasted_ms: int | None,
    told_ms: int | None,
) -> NatLine | AccessLine | None:
    if original is None or reply is None:
        return None
    return translation("ulogd", event, protocol(number_text), original, reply,
                       duration_ms=lasted_ms, told_ms=told_ms)  # fmt: skip


def _flow_side(fields: dict[str, str]) -> Side | None:
    return _side(fields, "SRC", "SPT", "DST", "DPT")


def _pair_side(fields: dict[str, str], direction: str) -> Side | None:
    names = []
    for address_name, port_name in (("saddr", "sport"), ("daddr", "dport")):
        key = f"{direction}.ip.{address_name}"
        names += [key if key in fields else f"{key}.str", f"{direction}.l4.{port_name}"]
    return _side(fields, *names)


def _side(
    fields: dict[str, str], source: str, source_port: str, target: str, target_port: str
) -> Side | None:
    first, second = address(fields.get(source)), address(fields.get(target))
    if first is None or second is None:
        return None
    return Side(first, port(fields.get(source_port)), second, port(fields.get(target_port)))
