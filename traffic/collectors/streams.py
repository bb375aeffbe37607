"""Syslog and IPFIX over TCP and TLS: many connections in one thread beside the receive loop.

A handshake or a slow sender never holds up the flows. What is received waits, within bounds,
for the receive loop, which alone writes the spool; when it does not come, the connections are
not read, and TCP tells the senders to wait. Does not look into messages.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from common import clock
from common.config import Config
from common.errors import BackendUnavailable, ConfigError, MalformedPacket
from common.logging import get_logger
from common.metrics import Counters
from common.net import parse_listen
from traffic.collectors.records import Listener, RecordKind, SpoolRecord, format_address
from traffic.collectors.services import Piece, Service, StreamFramer

_WAITING_OCTETS = 8 << 20
"""Received but not spooled yet; beyond it nothing is read."""

_READ_OCTETS = 65_536
_LAST_READS = 64
"""Of one connection at the stop: what had arrived by then, not all that goes on coming."""

_HANDSHAKE_SECONDS = 10.0
_MESSAGE_SECONDS = 60.0
"""A message that takes longer is kept as far as it came, and its connection closed."""

_TURN_SECONDS = 0.5
_FULL_SECONDS = 0.02
_STOP_SECONDS = 5.0
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 120), (socket.TCP_KEEPINTVL, 30), (socket.TCP_KEEPCNT, 4))
"""A sender that was switched off gives its place back after four minutes."""

_SENDERS = {"syslog": "logger", "ipfix": "exporter"}

log = get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Connection:
    """One sender's connection."""

    sock: socket.socket
    peer: bytes
    """Its address as IPv6, IPv4 mapped."""
    port: int
    tls: bool
    since: float
    framer: StreamFramer
    listener: Listener
    ready: bool = False
    """The TLS handshake is over, or there is none."""
    unfinished_since: float | None = None
    silent_since: float | None = None
    """When it could have begun to speak, of one that should and has not sent a whole message."""


class StreamListeners:
    """Owns a service's listening sockets and connections; `start`, then `take`, then `stop`."""

    def __init__(self, config: Config, counters: Counters, service: Service) -> None:
        self._config = config
        self._counters = counters
        self._service = service
        self._most_each = max(4, service.most // 8)
        self._selector = selectors.DefaultSelector()
        self._listening: list[socket.socket] = []
        self._connections: set[_Connection] = set()
        self._held: Counter[bytes] = Counter()
        self._lock = threading.Lock()
        self._waiting: list[SpoolRecord] = []
        self._waiting_octets = 0
        self._counts: Counter[str] = Counter()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.handle = -1
        """Becomes readable when `take` has something to give; -1 when nothing listens."""

    def start(self) -> None:
        """Bind every listener.

        Raises:
            BackendUnavailable: an address cannot be bound.
            ConfigError: the certificate cannot be used.
        """
        service = self._service
        listens = [(one, None) for one in service.tcp]
        if service.tls:
            context = _context(self._config, service)
            listens += [(one, context) for one in service.tls]  # type: ignore[misc]
        if not listens:
            return
        for listen, tls in listens:
            self._bind(listen, tls)
        self.handle = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(
            target=self._run, name=f"{service.name}-streams", daemon=True
        )
        self._thread.start()

    def take(self) -> list[SpoolRecord]:
        """What has been received since the last call."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.handle)
        with self._lock:
            found, self._waiting, self._waiting_octets = self._waiting, [], 0
            counts, self._counts = self._counts, Counter()
        for name, amount in counts.items():
            self._counters.add(name, amount)
        return found

    def stop(self) -> list[SpoolRecord]:
        """Read what has arrived, close everything; the last records."""
        if self._thread is None:
            return []
        self._stopping.set()
        self._thread.join(_STOP_SECONDS)
        found = self.take()
        os.close(self.handle)
        self.handle = -1
        return found

    def _bind(self, listen: str, tls: ssl.SSLContext | None) -> None:
        host, port = parse_listen(listen)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((host, port))
            sock.listen(128)
        except OSError as error:
            sock.close()
            raise BackendUnavailable(f"listener {listen}", error.strerror or "") from error
        sock.setblocking(False)
        self._listening.append(sock)
        self._selector.register(sock, selectors.EVENT_READ, tls)
        log.info("listening", listener=listen, transport="tls" if tls else "tcp")

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except Exception:
                # One connection that no test foresaw must not end the others.
                log.exception("stream_turn_failed")
                self._count("collector_stream_failures")
                time.sleep(_FULL_SECONDS)
        for sock in self._listening:
            sock.close()
        for connection in list(self._connections):
            for _ in range(_LAST_READS):
                if connection not in self._connections or not self._read(connection):
                    break
            self._close(connection)
        self._selector.close()

    def _turn(self) -> None:
        if self._waiting_octets >= _WAITING_OCTETS:
            time.sleep(_FULL_SECONDS)
            return
        for key, _ in self._selector.select(_TURN_SECONDS):
            if isinstance(key.data, _Connection):
                self._serve(key.data)
            else:
                self._accept(key.fileobj, key.data)  # type: ignore[arg-type]
        self._end_slow(time.monotonic())

    def _accept(self, listening: socket.socket, tls: ssl.SSLContext | None) -> None:
        try:
            sock, address = listening.accept()
        except OSError:
            # Gone again, or no descriptor is left: that must not turn into a busy loop.
            time.sleep(_FULL_SECONDS)
            return
        peer = _packed(sock.family, address[0])
        # Where senders prove themselves by a certificate, no list of addresses is needed.
        is_proof = tls is not None and tls.verify_mode is ssl.CERT_REQUIRED
        proven = is_proof and not self._service.named
        if not (proven or self._service.may_send(peer)):
            self._count(f"collector_unknown_{_SENDERS[self._service.name]}")
            sock.close()
            return
        if self._held[peer] >= self._most_each or (tls is None and self._is_full()):
            self._count("collector_streams_refused")
            sock.close()
            return
        if tls is not None:
            self._make_room()
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE:
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
            if tls is not None:
                sock = tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except OSError:
            sock.close()
            return
        connection = _Connection(
            *(sock, peer, address[1], tls is not None, time.monotonic()),
            framer=self._service.make_framer(),
            listener=self._service.proven if proven else self._service.listener,
        )
        if tls is None:
            self._begin(connection)
        self._connections.add(connection)
        self._held[peer] += 1
        self._selector.register(sock, selectors.EVENT_READ, connection)

    def _is_full(self) -> bool:
        return sum(one.ready for one in self._connections) >= self._service.most

    def _make_room(self) -> None:
        """End the oldest handshake when too many are under way: a real one is over in a moment."""
        shaking = [one for one in self._connections if not one.ready]
        if len(shaking) >= self._service.most:
            self._count("collector_streams_slow")
            self._close(min(shaking, key=lambda one: one.since))

    def _begin(self, connection: _Connection) -> None:
        connection.ready = True
        if self._service.speaks_first:
            connection.silent_since = time.monotonic()

    def _serve(self, connection: _Connection) -> None:
        if connection not in self._connections:
            return  # it made room within this turn
        if not connection.ready and not self._shake(connection):
            return
        if not self._read(connection):
            return
        # What TLS has decrypted does not make the socket readable again.
        sock = connection.sock
        while (
            connection in self._connections
            and isinstance(sock, ssl.SSLSocket)
            and sock.pending()
            and self._read(connection)
        ):
            pass

    def _shake(self, connection: _Connection) -> bool:
        """Go on with the handshake; True when it is over."""
        sock = connection.sock
        assert isinstance(sock, ssl.SSLSocket)
        try:
            sock.do_handshake()
        except ssl.SSLWantReadError:
            self._selector.modify(sock, selectors.EVENT_READ, connection)
            return False
        except ssl.SSLWantWriteError:
            self._selector.modify(sock, selectors.EVENT_WRITE, connection)
            return False
        except OSError as error:
            self._count("collector_tls_failures")
            log.warning(
                "stream_tls_refused",
                service=self._service.name,
                peer=format_address(connection.peer),
                error=_said(error),
            )
            self._close(connection)
            return False
        self._selector.modify(sock, selectors.EVENT_READ, connection)
        if self._is_full():
            self._count("collector_streams_refused")
            self._close(connection)
            return False
        self._begin(connection)
        return True

    def _read(self, connection: _Connection) -> bool:
        """Read once; False when there was nothing or the connection is closed."""
        if not connection.ready:
            return False
        try:
            octets = connection.sock.recv(_READ_OCTETS)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError:
            self._close(connection)
            return False
        if not octets:
            self._close(connection)
            return False
        try:
            frames = connection.framer.feed(octets)
            self._keep(connection, frames)
            # What follows the last whole message may be none.
            connection.framer.feed(b"")
        except MalformedPacket:
            self._count("collector_streams_malformed")
            peer = format_address(connection.peer)
            log.warning("stream_malformed", service=self._service.name, peer=peer)
            connection.framer = self._service.make_framer()  # what it holds is no message
            self._close(connection)
            return False
        if frames:
            connection.silent_since = None
        if not connection.framer.waiting:
            connection.unfinished_since = None
        elif frames or connection.unfinished_since is None:
            connection.unfinished_since = time.monotonic()
        return True

    def _keep(
        self, connection: _Connection, frames: Sequence[Piece], *, ended: bool = False
    ) -> None:
        """Let the receive loop have these messages, and with `ended` that they were the last."""
        if not frames and not ended:
            return
        now_ns = clock.unix_nanoseconds()
        records = [
            SpoolRecord(
                RecordKind.DATAGRAM if frame.whole else self._service.cut,
                connection.listener,
                now_ns,
                connection.port,
                connection.peer,
                memoryview(frame.octets),
            )
            for frame in frames
        ]
        if ended:
            head = (RecordKind.ENDED, connection.listener, now_ns)
            records.append(SpoolRecord(*head, connection.port, connection.peer, memoryview(b"")))
        with self._lock:
            self._waiting += records
            self._waiting_octets += sum(len(frame.octets) for frame in frames)
            self._counts["collector_stream_messages"] += len(frames)
        os.eventfd_write(self.handle, 1)

    def _end_slow(self, now: float) -> None:
        for connection in list(self._connections):
            begun = connection.unfinished_since or connection.silent_since
            if not connection.ready:
                begun = connection.since
            limit = _MESSAGE_SECONDS if connection.ready else _HANDSHAKE_SECONDS
            if begun is not None and now - begun > limit:
                self._count("collector_streams_slow")
                self._close(connection)

    def _close(self, connection: _Connection) -> None:
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._held[connection.peer] -= 1
        if not self._held[connection.peer]:
            del self._held[connection.peer]
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection.sock)
        connection.sock.close()
        rest = connection.framer.finish()
        self._keep(connection, rest, ended=self._service.ends_sessions and connection.ready)

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1
        os.eventfd_write(self.handle, 1)


def _context(config: Config, service: Service) -> ssl.SSLContext:
    """The server proves itself; the sender where issuers are named.

    RFC 5425 section 4.2; RFC 7011 section 11.2.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    chain, key = config.syslog_certificate, config.syslog_private_key
    try:
        context.load_cert_chain(chain, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"{chain} with the key {key} cannot be used ({_said(error)}); run 'yuenyan init', or"
            " name another certificate",
            "collector.syslog_certificate",
        ) from error
    if service.ca is not None:
        try:
            context.load_verify_locations(service.ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"{service.ca} cannot be used ({_said(error)})", service.ca_key
            ) from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _packed(family: int, host: str) -> bytes:
    octets = socket.inet_pton(family, host.partition("%")[0])
    return octets if len(octets) == 16 else bytes(10) + b"\xff\xff" + octets


def _said(error: OSError) -> str:
    return getattr(error, "reason", None) or error.strerror or type(error).__name__
