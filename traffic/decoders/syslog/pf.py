"""pf of pfSense and OPNsense: its filter log, and its table of states.

Pure. Formats: Netgate documentation, "Raw Filter Log Format"; OPNsense documentation, "Logging
> filterlog"; OpenBSD, pfctl(8), `pfctl -ss` and `-vss`. The filter log has no translated
address, so translations come from the states alone.
"""

from __future__ import annotations

import re

from traffic.decoders.syslog.lines import AccessLine, NatEvent, NatLine
from traffic.decoders.syslog.message import Message
from traffic.decoders.syslog.tuples import Side, connection
from traffic.decoders.syslog.values import address, clock_ms, port, protocol

_STATE = re.compile(
    r"(?P<interface>\S+) (?P<protocol>[\w-]+) (?P<here>\S+) \((?P<was>[^\s)]+)\) (?P<way>->|<-) "
    r"(?P<far>\S+)\s+(?P<state>[A-Z0-9_]+:[A-Z0-9_]+)(?P<rest>.*)"
)
"""Outwards the inside end stands in brackets; of what came in, the address that was asked for."""
_AGE = re.compile(r"\bage (\d{1,6}:\d\d:\d\d)\b")
_V6_PORT = re.compile(r"(.+)\[(\d+)\]")

_ACTION, _DIRECTION, _VERSION = 6, 7, 8
_FOUR = {"number": 15, "name": 16, "source": 18, "target": 19, "ports": 20}
_SIX = {"number": 13, "name": 12, "source": 15, "target": 16, "ports": 17}
"""Where the fields stand in a line of the filter log, by IP version."""


def read_filterlog(message: Message) -> AccessLine | None:
    """A packet that a rule passed or blocked."""
    fields = message.text.split(",")
    if len(fields) <= _VERSION:
        return None
    places = {"4": _FOUR, "6": _SIX}.get(fields[_VERSION])
    if places is None or len(fields) <= places["target"]:
        return None
    source, target = address(fields[places["source"]]), address(fields[places["target"]])
    if source is None or target is None:
        return None
    number = protocol(fields[places["number"]]) or protocol(fields[places["name"]])
    ports: list[int | None] = [None, None]
    if number in (6, 17):
        ports = [port(text) for text in fields[places["ports"] : places["ports"] + 2]]
        ports += [None] * (2 - len(ports))
    side = Side(source, ports[0], target, ports[1])
    return connection("pf-filterlog", f"{fields[_ACTION]} {fields[_DIRECTION]}"[:32], number, side)


def read_pf_state(message: Message) -> NatLine | None:
    """A state of a translated connection, as `pfctl -ss` lists it."""
    match = _STATE.fullmatch(message.text.strip())
    if match is None:
        return None
    inside, outside = match["was"], match["here"]
    if match["way"] == "<-":
        inside, outside = outside, inside
    inside_address, inside_port = _endpoint(inside)
    outside_address, outside_port = _endpoint(outside)
    far, far_port = _endpoint(match["far"])
    if inside_address is None or outside_address is None or far is None:
        return None
    age = _AGE.search(match["rest"])
    return NatLine(
        form="pf-state",
        event=NatEvent.SEEN,
        protocol=protocol(match["protocol"]),
        inside_address=inside_address,
        inside_port=inside_port,
        outside_address=outside_address,
        outside_port=outside_port,
        destination_address=far,
        destination_port=far_port,
        duration_ms=clock_ms(age[1]) if age else None,
    )


def _endpoint(text: str) -> tuple[str | None, int | None]:
    """`10.0.0.5:80`, or `2001:db8::1[80]` as pf writes it."""
    six = _V6_PORT.fullmatch(text)
    if six is not None:
        return address(six[1]), port(six[2])
    host, _, digits = text.rpartition(":")
    return (address(host), port(digits)) if host else (address(text), None)
