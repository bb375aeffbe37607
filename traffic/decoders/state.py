"""What a decoder must remember over a restart, as a JSON-ready tree and back.

Pure: the collector decides where it is written.
"""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

from common.errors import MalformedPacket
from traffic.decoders.counting import Counting
from traffic.decoders.decoder import FlowDecoder
from traffic.decoders.sequences import Stream
from traffic.decoders.templates import PendingSet, make_template

FORMAT = 1


def dump_state(decoder: FlowDecoder) -> dict[str, Any]:
    """Templates, sequence numbers and waiting sets of `decoder`."""
    store = decoder.store
    return {
        "format": FORMAT,
        "templates": [
            [*key, template.plan is None, [list(spec) for spec in template.fields]]
            for key, template in store.templates.items()
        ],
        "streams": [
            [*key, stream.expected, stream.last_ms, stream.uptime_ms]
            for key, stream in decoder.watch.streams.items()
        ],
        "pending": [
            [*key, late.received_ms, late.exported_ms, late.uptime_ms, late.body.hex()]
            for key, late in store.waiting()
        ],
        "counting": [
            [*key, *astuple(stream.counting)]
            for key, stream in decoder.watch.streams.items()
            if stream.counting is not None
        ],
        "starts": [[*key, init_ms] for key, init_ms in decoder.starts.told.items()],
        "reckoned": [[*key, init_ms] for key, init_ms in decoder.starts.reckoned.items()],
        "sessions": [[*key, *last] for key, last in decoder.sessions.latest.items()],
    }


def load_state(tree: dict[str, Any]) -> FlowDecoder:
    """A decoder that goes on where `dump_state` left off.

    Raises:
        MalformedPacket: the tree is not one of ours.
    """
    decoder = FlowDecoder()
    if tree.get("format") != FORMAT:
        raise MalformedPacket("decoder state of another format")
    try:
        for exporter, domain, number, options, fields in tree["templates"]:
            specs = tuple((int(kind), int(octets)) for kind, octets in fields)
            key = (str(exporter), int(domain), int(number))
            decoder.store.define(key, make_template(specs, options=bool(options)))
        for exporter, version, domain, expected, last_ms, uptime_ms in tree["streams"]:
            source = f"{exporter} v{version} domain {domain}"
            decoder.watch.streams[(exporter, version, domain)] = Stream(
                source, expected, last_ms, uptime_ms
            )
        for exporter, domain, number, received_ms, exported_ms, uptime_ms, body in tree["pending"]:
            late = PendingSet(received_ms, exported_ms, uptime_ms, bytes.fromhex(body))
            decoder.store.wait((exporter, domain, number), late)
        # States older than IPFIX lack these.
        for sender, version, domain, *counting in tree.get("counting", ()):
            decoder.watch.streams[(sender, version, domain)].counting = Counting(*counting)
        for sender, domain, init_ms in tree.get("starts", ()):
            decoder.starts.told[(str(sender), int(domain))] = int(init_ms)
        for sender, domain, init_ms in tree.get("reckoned", ()):
            decoder.starts.reckoned[(str(sender), int(domain))] = int(init_ms)
        for exporter, domain, session, last_ms in tree.get("sessions", ()):
            decoder.sessions.latest[(str(exporter), int(domain))] = (str(session), int(last_ms))
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedPacket(f"decoder state is damaged: {error}") from error
    return decoder
