"""Cisco ASA: translations (305011, 305012) and connections (302013, 302015).

Pure. Format: Cisco, "Cisco Secure Firewall ASA Series Syslog Messages".
"""

from __future__ import annotations

import re

from traffic.decoders.syslog.lines import NatEvent, NatLine
from traffic.decoders.syslog.message import Message
from traffic.decoders.syslog.values import address, clock_ms, port, protocol

_NUMBER = re.compile(r"%(?:ASA|FTD|PIX)-(?:\w+-)?\d-(?P<number>\d{6}): (?P<text>.*)")
_BEFORE = re.compile(
    r"(?::[A-Z][a-z]{2} {1,2}\d{1,2}(?: \d{4})? [\d:]{8}(?:\.\d{1,6})?(?: |: ?))?"
    r"(?:[A-Z]{2,5}: ?)?(?:[\w.+-]{1,64} ?)?(?:: ?)?"
)
"""What may stand before the number: a time, its zone, the device's name. Behind other words it is
what somebody typed."""
_PLACE = r"(?:[^\s:]{1,64}):(?P<%s>[0-9A-Fa-f.:]+)/(?P<%s_port>\d+)(?: ?\(\S{1,100}\))?"
_TRANSLATION = re.compile(
    r"(?P<verb>Built|Teardown) (?:dynamic|static) (?P<protocol>\w+) translation from "
    + _PLACE % ("inside", "inside")
    + r" to "
    + _PLACE % ("outside", "outside")
    + r"(?: duration (?P<lasted>[\d:]+))?"
)
_CONNECTION = re.compile(
    r"Built outbound (?P<protocol>\w+) connection \d+ for [^\s:]{1,64}:(?P<far>[0-9A-Fa-f.:]+)/"
    r"(?P<far_port>\d+) ?\(\S+\)(?:\(\S+\))? to [^\s:]{1,64}:(?P<inside>[0-9A-Fa-f.:]+)/"
    r"(?P<inside_port>\d+) ?\((?P<outside>[0-9A-Fa-f.:]+)/(?P<outside_port>\d+)\).{0,200}"
)


def read_cisco(message: Message) -> NatLine | None:
    """A translation that was built or torn down, or seen in a connection."""
    before, percent, after = message.rest.partition("%")
    head = _NUMBER.fullmatch(percent + after)
    if head is None or _BEFORE.fullmatch(before) is None:
        return None
    if head["number"] in ("305011", "305012"):
        match = _TRANSLATION.fullmatch(head["text"].strip())
        far: tuple[str | None, int | None] = (None, None)
    elif head["number"] in ("302013", "302015"):
        match = _CONNECTION.fullmatch(head["text"].strip())
        far = (address(match["far"]), port(match["far_port"])) if match else (None, None)
    else:
        return None
    inside, outside = (
        (address(match["inside"]), address(match["outside"])) if match else (None,) * 2
    )
    if match is None or inside is None or outside is None:
        return None
    ports = port(match["inside_port"]), port(match["outside_port"])
    if far[0] is not None:
        if (inside, ports[0]) == (outside, ports[1]):
            return None
        event = NatEvent.SEEN
    else:
        event = NatEvent.CREATE if match["verb"] == "Built" else NatEvent.DELETE
    return NatLine(
        form="cisco-asa",
        event=event,
        protocol=protocol(match["protocol"]),
        inside_address=inside,
        inside_port=ports[0],
        outside_address=outside,
        outside_port=ports[1],
        destination_address=far[0],
        destination_port=far[1],
        duration_ms=clock_ms(match["lasted"]) if event is NatEvent.DELETE else None,
    )
