"""A connection as a NAT sees it from both sides, turned into a translation.

Pure. The original direction is as the first packet came, the reply direction as its answer
comes: where the two do not mirror each other, something was translated.
"""

from __future__ import annotations

from typing import NamedTuple

from traffic.decoders.syslog.lines import AccessLine, NatEvent, NatLine


class Side(NamedTuple):
    """One direction of a connection."""

    source: str
    source_port: int | None
    destination: str
    destination_port: int | None


def translation(
    form: str,
    event: NatEvent,
    protocol: int | None,
    original: Side,
    reply: Side,
    *,
    duration_ms: int | None = None,
    told_ms: int | None = None,
) -> NatLine | AccessLine:
    """The translation, or a connection that was not translated."""
    inside, inside_port = original.source, original.source_port
    outside, outside_port = reply.destination, reply.destination_port
    far, far_port = original.destination, original.destination_port
    if (inside, inside_port) == (outside, outside_port):
        if (far, far_port) == (reply.source, reply.source_port):
            return connection(form, str(event), protocol, original)
        # The destination was translated: somebody outside spoke to a server inside.
        inside, inside_port = reply.source, reply.source_port
        outside, outside_port = original.destination, original.destination_port
        far, far_port = original.source, original.source_port
    return NatLine(
        form=form,
        event=event,
        protocol=protocol,
        inside_address=inside,
        inside_port=inside_port,
        outside_address=outside,
        outside_port=outside_port,
        destination_address=far,
        destination_port=far_port,
        duration_ms=duration_ms,
        told_ms=told_ms,
    )


def connection(
    form: str, outcome: str, protocol: int | None, side: Side, mac: str | None = None
) -> AccessLine:
    """A connection that a firewall told of, without a translation."""
    ports = [f":{one}" if one is not None else "" for one in (side.source_port,
                                                              side.destination_port)]  # fmt: skip
    return AccessLine(
        form=form,
        service="firewall",
        client_address=side.source,
        mac=mac,
        outcome=outcome,
        detail=f"{protocol or 0} {side.source}{ports[0]} > {side.destination}{ports[1]}",
    )
