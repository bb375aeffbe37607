"""Juniper SRX: session logs in structured form (RT_FLOW_SESSION_CREATE and _CLOSE).

Pure. Format: Juniper, "System Log Explorer", RT_FLOW, `set security log format sd-syslog`.
"""

from __future__ import annotations

from traffic.decoders.syslog.lines import AccessLine, NatEvent, NatLine
from traffic.decoders.syslog.message import Message
from traffic.decoders.syslog.tuples import Side, translation
from traffic.decoders.syslog.values import address, number, port, protocol

_EVENTS = {"RT_FLOW_SESSION_CREATE": NatEvent.CREATE, "RT_FLOW_SESSION_CLOSE": NatEvent.DELETE}


def read_juniper(message: Message) -> NatLine | AccessLine | None:
    """The translation of a session that began or ended."""
    event = _EVENTS.get(message.name)
    if event is None:
        return None
    fields = message.parameters
    original = _side(fields, "source", "destination")
    outside = _side(fields, "nat-source", "nat-destination")
    if original is None or outside is None:
        return None
    reply = Side(outside.destination, outside.destination_port, outside.source,
                 outside.source_port)  # fmt: skip
    seconds = number(fields.get("elapsed-time"), 10**9)
    return translation(
        "juniper-srx",
        event,
        protocol(fields.get("protocol-id")),
        original,
        reply,
        duration_ms=None if seconds is None else seconds * 1000,
    )


def _side(fields: dict[str, str], near: str, far: str) -> Side | None:
    source, target = address(fields.get(f"{near}-address")), address(fields.get(f"{far}-address"))
    if source is None or target is None:
        return None
    return Side(source, port(fields.get(f"{near}-port")), target, port(fields.get(f"{far}-port")))
