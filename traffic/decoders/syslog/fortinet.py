"""FortiGate traffic logs: `key=value`, at the end of a session or while it goes on.

Pure. Format: Fortinet, "FortiOS Log Message Reference", type traffic (log ids 13, 15, 20).
"""

from __future__ import annotations

from traffic.decoders.syslog.lines import AccessLine, NatEvent, NatLine
from traffic.decoders.syslog.message import Message
from traffic.decoders.syslog.tuples import Side, connection
from traffic.decoders.syslog.values import address, mac, number, pairs_of_line, port, protocol

_STARTED = "15"
_GOES_ON = "20"
"""The last digits of logid: LOG_ID_TRAFFIC_START_FORWARD and "forward traffic statistics"."""


def read_fortinet(message: Message) -> NatLine | AccessLine | None:
    """A session of the firewall."""
    told = pairs_of_line(message.rest)
    if told is None:
        return None
    fields = message.parameters | told
    if fields.get("type") != "traffic" or "srcip" not in fields:
        return None
    source, target = address(fields["srcip"]), address(fields.get("dstip"))
    if source is None or target is None:
        return None
    side = Side(source, port(fields.get("srcport")), target, port(fields.get("dstport")))
    kind = protocol(fields.get("proto"))
    station = mac(fields.get("srcmac"))
    action = fields.get("action", "")
    translated = fields.get("trandisp", "noop")
    if action in ("deny", "ip-conn") or "nat" not in translated:
        return connection("fortigate-traffic", action[:32] or "traffic", kind, side, station)
    if translated.startswith("snat"):
        inner: str | None = side.source
        outer, outer_port = address(fields.get("transip")), port(fields.get("transport"))
        inner_port, far, far_port = side.source_port, side.destination, side.destination_port
    else:
        outer, outer_port = side.destination, side.destination_port
        inner, inner_port = address(fields.get("tranip")), port(fields.get("tranport"))
        far, far_port = side.source, side.source_port
    if inner is None or outer is None:
        return None
    event, logid = NatEvent.SESSION, fields.get("logid", "")
    if action == "start" or logid.endswith(_STARTED):
        event = NatEvent.CREATE
    elif logid.endswith(_GOES_ON):
        event = NatEvent.SEEN
    seconds = number(fields.get("duration"), 10**9)
    return NatLine(
        form="fortigate-traffic",
        event=event,
        protocol=kind,
        inside_address=inner,
        inside_port=inner_port,
        outside_address=outer,
        outside_port=outer_port,
        destination_address=far,
        destination_port=far_port,
        mac=station if inner == source else None,
        duration_ms=None if seconds is None else seconds * 1000,
        told_ms=_told_ms(fields.get("eventtime")),
    )


def _told_ms(text: str | None) -> int | None:
    """Of seconds (FortiOS 6.0) or nanoseconds (6.2 and later) since 1970."""
    moment = number(text)
    if moment is None:
        return None
    return moment * 1000 if moment < 10**11 else moment // 10**6 if moment > 10**17 else None
