"""What of received syslog goes to the spool: known senders' messages, without their content.

Content is cut here, before the first disk: a spool file that is put aside, or found on a
stolen disk, holds none either. Nothing else is read here; that is the decoder's.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from common.config import Config
from common.config_section import ANY
from common.logging import get_logger
from common.metrics import Counters
from traffic.collectors.records import (
    Listener,
    SpoolRecord,
    encode_record,
    format_address,
)
from traffic.collectors.senders import THIS_MACHINE
from traffic.decoders.syslog.content import cut_content
from traffic.decoders.syslog.framing import LONGEST

_MOST_SENDERS = 10_000
"""Addresses remembered; a forger of source addresses must not fill the memory."""

log = get_logger(__name__)


class Intake:
    """Decides who may send, and makes the spool records."""

    def __init__(self, config: Config, counters: Counters) -> None:
        collector = config.collector
        exporters = tuple(one for one in collector.exporters if one != ANY)
        named = collector.loggers or exporters or THIS_MACHINE
        self._allowed = [ip_network(one) for one in named]
        self._own = [ip_network(one) for one in collector.own_servers]
        self._counters = counters
        self._known: dict[bytes, tuple[bool, bool]] = {}

    def may_send(self, packed: bytes) -> bool:
        """Whether that address (IPv6, or IPv4 mapped) may send lines."""
        return self._sender(packed)[0]

    def encode(self, records: Iterable[SpoolRecord], *, admitted: bool = False) -> bytes:
        """The spool records of what was received.

        Args:
            admitted: who sent it was looked at when the connection was opened.
        """
        pieces: list[bytes] = []
        for record in records:
            allowed, own = self._sender(record.address)
            if not (allowed or admitted):
                self._counters.add("collector_unknown_logger")
                continue
            line = bytes(record.body[:LONGEST])
            cleaned = cut_content(line, own=own)
            if cleaned.cuts:
                self._counters.add("collector_content_cut", cleaned.cuts)
            if len(record.body) > LONGEST:
                self._counters.add("collector_lines_shortened")
            pieces.append(
                encode_record(
                    *(record.kind, Listener.SYSLOG, record.received_ns),
                    *(record.port, record.address, cleaned.octets),
                )
            )
        return b"".join(pieces)

    def _sender(self, packed: bytes) -> tuple[bool, bool]:
        """(may send, is one of the site's own servers)."""
        found = self._known.get(packed)
        if found is None:
            text = format_address(packed)
            address = ip_address(text)
            allowed = any(address in network for network in self._allowed)
            own = any(address in network for network in self._own)
            if not allowed:
                log.warning("logger_not_allowed", logger=text, detail="see collector.loggers")
            if len(self._known) >= _MOST_SENDERS:
                self._known.clear()
            found = self._known[packed] = (allowed, own)
        return found
