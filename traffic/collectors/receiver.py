"""The receive loop: takes datagrams from the kernel and appends them to the spool.

Nothing here decodes, looks anything up or waits for a database: kernel buffers do not wait.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

from common import clock
from common.config import Config
from common.errors import BackendUnavailable
from common.logging import get_logger
from common.metrics import Counters
from common.net import parse_listen
from traffic.collectors.intake import Intake
from traffic.collectors.mmsg import SLOTS, BatchReceiver, prepare, receive_buffer
from traffic.collectors.records import (
    Listener,
    Loss,
    SpoolRecord,
    encode_loss,
    encode_record,
)
from traffic.collectors.senders import Senders
from traffic.collectors.services import ipfix_service, syslog_service
from traffic.collectors.spool import SPOOL_OCTETS, SpoolWriter
from traffic.collectors.streams import StreamListeners

_POLL_MS = 200
"""How soon a stop signal and a due rotation are noticed when nothing arrives."""

_GATHER_SECONDS = 0.005
"""Pause after a burst, so that the next call finds many datagrams instead of one."""

_TURNS = 16
"""Calls in a row for one socket before the others get their turn."""

_SYNC_SECONDS = 1.0

log = get_logger(__name__)


@dataclass(slots=True)
class _Source:
    """One listening socket and how far its drops have been told."""

    sock: socket.socket
    listener: Listener
    name: str
    drops: int = 0
    last_ns: int = 0


class Receiver:
    """Owns the sockets and the open spool file; `start`, then `step` for ever, then `stop`."""

    def __init__(
        self,
        config: Config,
        writer: SpoolWriter,
        counters: Counters,
        senders: Senders | None = None,
    ) -> None:
        self._config = config
        self._writer = writer
        self._counters = counters
        self._batch = BatchReceiver()
        self._sources: dict[int, _Source] = {}
        self._poller = select.poll()
        self._intake = Intake(config, counters)
        syslog = syslog_service(config, self._intake.may_send)
        self._streams = StreamListeners(config, counters, syslog)
        ipfix = ipfix_service(config, senders or Senders(config, None))
        self._messages = StreamListeners(config, counters, ipfix)
        self._segment_ns = config.archive.segment_seconds * 1_000_000_000
        self._unwritten: list[tuple[Listener, Loss]] = []
        self._synced = 0.0
        self.alive_ns = 0
        """When the loop last came round."""

    def start(self) -> None:
        """Bind every listener.

        Raises:
            BackendUnavailable: an address cannot be bound.
            ConfigError: the certificate for syslog or IPFIX over TLS cannot be used.
        """
        for listen in self._config.collector.netflow:
            self._bind(listen, Listener.NETFLOW)
        for listen in self._config.collector.ipfix:
            self._bind(listen, Listener.IPFIX)
        for listen in self._config.collector.syslog:
            self._bind(listen, Listener.SYSLOG)
        for streams in (self._streams, self._messages):
            streams.start()
            if streams.handle >= 0:
                self._poller.register(streams.handle, select.POLLIN)

    def step(self) -> None:
        """Receive what is there, or wait a moment for it; hand over a spool file that is due."""
        ready = self._poller.poll(_POLL_MS)
        for handle, _ in ready:
            if handle == self._streams.handle:
                self._spool_lines(self._streams.take())
            elif handle == self._messages.handle:
                self._spool_messages(self._messages.take())
            else:
                self._take(self._sources[handle])
        now_ns = clock.unix_nanoseconds()
        self.alive_ns = now_ns
        self._tell_losses(now_ns)
        if self._writer.is_open:
            age_ns = now_ns - self._writer.opened_ns
            if self._writer.octets >= SPOOL_OCTETS or not 0 <= age_ns < self._segment_ns:
                self._writer.close()
        if ready:
            self._sync()
            time.sleep(_GATHER_SECONDS)

    def stop(self) -> None:
        """Take what the kernel held when this was called, then close sockets and spool."""
        asked_ns = clock.unix_nanoseconds()
        for source in self._sources.values():
            # Exporters go on sending: what arrives from now on is the next run's, or lost.
            while self._take(source) and source.last_ns < asked_ns:
                pass
            source.sock.close()
        self._spool_lines(self._streams.stop())
        self._spool_messages(self._messages.stop())
        self.alive_ns = clock.unix_nanoseconds()
        self._tell_losses(self.alive_ns)
        self._writer.close()
        self._sources = {}

    def _bind(self, listen: str, listener: Listener) -> None:
        host, port = parse_listen(listen)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            wanted = self._config.collector.receive_buffer_octets
            given = receive_buffer(sock, wanted)
            prepare(sock)
            sock.bind((host, port))
        except OSError as error:
            sock.close()
            raise BackendUnavailable(f"listener {listen}", error.strerror or "") from error
        if given < wanted:
            log.warning("receive_buffer_capped", listener=listen, octets=given, wanted=wanted)
        log.info("listening", listener=listen, receive_buffer_octets=given)
        self._sources[sock.fileno()] = _Source(sock, listener, listen)
        self._poller.register(sock, select.POLLIN)

    def _take(self, source: _Source) -> bool:
        """Receive from one socket until it is empty or its turn is over; True if some came."""
        some = False
        for _ in range(_TURNS):
            now_ns = clock.unix_nanoseconds()
            try:
                count = self._batch.receive(source.sock, source.listener, now_ns)
            except BackendUnavailable as error:
                log.error("receive_failed", listener=source.name, error=str(error))
                return False
            if count == 0:
                break
            some = True
            before_ns, source.last_ns = source.last_ns, self._batch.newest_ns
            self._store(source, count, before_ns or source.last_ns, now_ns)
            self._note_drops(source, before_ns)
            if count < SLOTS:
                break
        return some

    def _store(self, source: _Source, count: int, before_ns: int, now_ns: int) -> None:
        self._counters.add("collector_datagrams", count, listener=source.name)
        try:
            if source.listener is Listener.SYSLOG:
                octets = self._intake.encode(self._batch.take(count))
                if octets:
                    self._writer.append(octets, now_ns)
                return
            handle = self._writer.handle(now_ns)
            self._writer.octets += self._batch.write(handle, count)
        except OSError as error:
            # A full disk: the datagrams are gone, and that must be on record once it can be.
            log.error("spool_write_failed", error=error.strerror, datagrams=count)
            self._counters.add("collector_unspooled", count, listener=source.name)
            self._note_loss(source.listener, Loss(before_ns, source.last_ns, count))
            self._abandon()

    def _spool_lines(self, records: Sequence[SpoolRecord]) -> None:
        """Append lines that came over TCP or TLS."""
        if records:
            octets = self._intake.encode(records, admitted=True)
            self._append(octets, records, Listener.SYSLOG)

    def _spool_messages(self, records: Sequence[SpoolRecord]) -> None:
        """Append IPFIX messages that came over TCP or TLS, as they came."""
        if records:
            octets = b"".join(encode_record(*one[:5], bytes(one.body)) for one in records)
            self._append(octets, records, Listener.IPFIX_STREAM)

    def _append(self, octets: bytes, records: Sequence[SpoolRecord], listener: Listener) -> None:
        try:
            if octets:
                self._writer.append(octets, records[-1].received_ns)
        except OSError as error:
            log.error("spool_write_failed", error=error.strerror, messages=len(records))
            self._counters.add("collector_unspooled", len(records), listener="streams")
            first, last = records[0].received_ns, records[-1].received_ns
            self._note_loss(listener, Loss(first, last, len(records)))
            self._abandon()

    def _abandon(self) -> None:
        """Leave a spool file whose last record may be torn; later records get a new one."""
        try:
            self._writer.close()
        except OSError as error:
            log.error("spool_close_failed", error=error.strerror)

    def _note_drops(self, source: _Source, before_ns: int) -> None:
        # The kernel counts in 32 bits and says nothing until the first drop.
        lost = (self._batch.drops - source.drops) % 2**32 if self._batch.drops else 0
        if lost:
            source.drops = self._batch.drops
            before_ns = before_ns or source.last_ns
            log.warning("socket_dropped", listener=source.name, datagrams=lost)
            self._counters.add("collector_socket_drops", lost, listener=source.name)
            self._note_loss(source.listener, Loss(before_ns, source.last_ns, lost))

    def _note_loss(self, listener: Listener, loss: Loss) -> None:
        """Keep a loss until it can be written; one that waits already takes up the next.

        A disk may stay full for days, and every batch of them is a loss.
        """
        for index, (known, before) in enumerate(self._unwritten):
            if known is listener:
                merged = Loss(
                    min(before.from_ns, loss.from_ns),
                    max(before.to_ns, loss.to_ns),
                    before.datagrams + loss.datagrams,
                )
                self._unwritten[index] = (listener, merged)
                return
        self._unwritten.append((listener, loss))

    def _tell_losses(self, now_ns: int) -> None:
        try:
            while self._unwritten:
                listener, loss = self._unwritten[0]
                self._writer.append(encode_loss(listener, loss), now_ns)
                self._unwritten.pop(0)
        except OSError:
            self._abandon()

    def _sync(self) -> None:
        now = time.monotonic()
        if now - self._synced >= _SYNC_SECONDS:
            self._synced = now
            self._writer.sync_soon()
