"""The RadSec server of one worker: a thread that turns TLS connections into packets.

RFC 6614, RFC 6613, RFC 9765. Packets go to the worker, which proves, decides, stores and
replies as ever; replies come back from its thread. Knows nothing of logins.
"""

from __future__ import annotations

import contextlib
import secrets
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from common.clock import utc_now
from common.config import Config
from common.errors import MalformedPacket
from common.logging import get_logger
from common.metrics import Counters
from radius_server.packet.authenticator import SharedSecret, encode
from radius_server.packet.codes import Code
from radius_server.packet.dynamic import ERROR_CAUSE, DynamicCode, ErrorCause
from radius_server.packet.forming import modern_of
from radius_server.packet.hiding import Hop
from radius_server.packet.packet import decode
from radius_server.radsec import identity
from radius_server.radsec.connection import Connection, Lost, is_request
from radius_server.radsec.contexts import Contexts, TlsFiles, server_context
from radius_server.radsec.crowd import Crowd
from radius_server.radsec.door import Door
from radius_server.radsec.listening import places
from radius_server.radsec.psk import PreSharedKeys
from radius_server.radsec.reverse import Asked, ReverseChannel
from radius_server.radsec.stream import TlsFailure, TlsStream
from radius_server.turning import TurningThread
from radius_server.worker.clients import RADSEC_SECRET, NasClient, NasTable

HANDSHAKE_SECONDS = 10.0
LAST_SECONDS = 3.0
"""How long, before a pause, the worker may take to make room for what had come by then."""

GOODBYE_SECONDS = 2.0
"""How long a client has, at the end, to take its last replies."""

BACKLOG_PACKETS = 2048
"""Packets a worker has not taken up yet; beyond it nothing more is read, and TCP tells."""

_TICK_SECONDS = 0.5
_ANSWERS = frozenset(
    {
        DynamicCode.DISCONNECT_ACK,
        DynamicCode.DISCONNECT_NAK,
        DynamicCode.COA_ACK,
        DynamicCode.COA_NAK,
    }
)


class Worker(Protocol):
    """What a RADIUS worker offers to other transports; any thread may use it."""

    @property
    def clients(self) -> NasTable | None:
        """Who may speak RADIUS; None until the database has told."""

    @property
    def backlog(self) -> int:
        """How many delivered packets it has not looked at."""

    def deliver(
        self,
        datagram: bytes,
        source: tuple[Any, ...],
        nas: NasClient,
        sender: Any,
        accounting: bool,
    ) -> None:
        """Take one packet."""


class RadSecServer:
    """Listens from `start` on; `pause` ends the reading, `stop` says goodbye and ends."""

    is_stream = True
    """Its clients never ask twice: what they send arrives."""

    def __init__(
        self,
        config: Config,
        listeners: Sequence[socket.socket],
        worker: Worker,
        counters: Counters,
        reverse: ReverseChannel | None = None,
    ) -> None:
        """Raises ConfigError when the certificates cannot be used.

        Args:
            reverse: who sends to NAS over the connections they have opened.
        """
        files, lowest = TlsFiles.of(config), config.radsec.tls_min
        self._keys = PreSharedKeys(self._key_of)
        self._contexts = Contexts(lambda crl: server_context(files, crl, lowest, self._keys), files)
        self._idle_seconds = config.radsec.idle_seconds
        self._worker = worker
        self._counters = counters
        self._thread = TurningThread("radsec", self._turn, self._say_goodbye, counters)
        self._selector = self._thread.selector
        self._replies: deque[tuple[bytes, tuple[Any, ...]]] = deque()
        self._requests: deque[tuple[bytes, str]] = deque()
        self._reverse = reverse
        if reverse is not None:
            reverse.connect(self._ask, self._present)
        self._crowd = Crowd(
            places(config.radsec.connections), config.radsec.connections_per_address
        )
        self._door = Door(
            listeners,
            self._selector,
            self._crowd,
            counters,
            self._welcome,
            self._make_way,
        )
        self._serial = 0
        self._next_tick = 0.0
        self._is_paused = False
        self._when_paused: Callable[[], None] | None = None
        self._secret = SharedSecret(RADSEC_SECRET)
        self._log = get_logger("radius.radsec")

    def start(self) -> None:
        """Begin to serve, once the worker knows its clients."""
        self._thread.start()

    def pause(self, then: Callable[[], None]) -> None:
        """Take in what has come by now, and nothing after that; safe from a signal handler.

        Args:
            then: called from another thread when everything that will come is delivered. Whoever
                ended the worker before would lose what is still in the sockets or being read.
        """
        self._when_paused = then
        self._thread.wake()

    def stop(self) -> None:
        """Send the last replies, close every connection and end; after the worker has ended."""
        self._is_paused = True
        self._thread.stop(GOODBYE_SECONDS + 3.0)

    def sendto(self, reply: bytes, source: tuple[Any, ...]) -> None:
        """Take a reply from the worker's thread; for a client that has gone it is dropped."""
        self._replies.append((reply, source))
        self._thread.wake()

    def _turn(self) -> None:
        # First of all: whatever goes wrong in the rest of a turn, the worker must be told.
        if self._when_paused is not None and not self._is_paused:
            try:
                self._take_the_last()
            finally:
                self._is_paused = True
                self._next_tick = 0.0
                self._when_paused()
        now = time.monotonic()
        if now >= self._next_tick:
            self._next_tick = now + _TICK_SECONDS
            self._tick(now)
        events = self._thread.select(_TICK_SECONDS)
        now = time.monotonic()
        is_full = self._worker.backlog > BACKLOG_PACKETS
        for key, ready in events:
            if key.data is None:
                self._door.accept(key.fileobj, now)
            else:
                self._serve(key.data, ready, now, is_full)
        if is_full:
            time.sleep(0.002)  # level-triggered: what is not read shows up at once again
        self._send_replies()
        self._send_requests()

    def _take_the_last(self) -> None:
        """Read what each connection has sent by now, as fast as the worker makes room for it."""
        deadline = time.monotonic() + LAST_SECONDS
        owed = [(connection, connection.reads_owed) for connection in self._crowd.everybody()]
        for connection, reads in owed:
            for _ in range(reads):
                while self._worker.backlog > BACKLOG_PACKETS and time.monotonic() < deadline:
                    time.sleep(0.002)
                    self._send_replies()
                if time.monotonic() >= deadline:
                    self._counters.add("radsec_left_unread")
                    return
                self._serve(connection, selectors.EVENT_READ, time.monotonic(), False)

    def _serve(self, connection: Connection, ready: int, now: float, is_full: bool) -> None:
        if connection not in self._crowd:
            return  # ended earlier in this turn
        try:
            if ready & selectors.EVENT_WRITE:
                connection.flush()
            if ready & selectors.EVENT_READ and not self._is_paused and not is_full:
                self._read(connection, now)
            self._watch(connection)
        except Lost as lost:
            self._end(connection, str(lost))
        except TlsFailure as failure:
            self._counters.add("radsec_tls_failures")
            self._end(connection, failure.reason, alarming=not connection.identity)
        except MalformedPacket as error:
            self._counters.add("radius_dropped", reason="malformed")
            self._end(connection, f"malformed: {error}", alarming=True)
        except Exception:
            self._log.exception("radsec_connection_failed", nas=connection.identity)
            self._counters.add("radius_internal_errors")
            self._end(connection, "internal error")

    def _read(self, connection: Connection, now: float) -> None:
        self._keys.asked = ""
        packets = connection.read(now)
        connection.key_of = self._keys.asked or connection.key_of
        if not connection.has_spoken:
            connection.has_spoken = True
            self._crowd.spoke(connection)
        if not connection.identity and connection.stream.is_open:
            self._identify(connection)
        for octets in packets:
            self._take(connection, octets)
        connection.flush()
        if connection.stream.peer_closed:
            raise Lost

    def _identify(self, connection: Connection) -> None:
        certificate = connection.stream.certificate
        if certificate is not None:
            connection.names = identity.names(certificate)
            connection.not_after = certificate.not_valid_after_utc
        else:
            # Without a certificate only a handshake with a pre-shared key comes this far.
            connection.names = (identity.normal(connection.key_of),)
            connection.key = self._key_of(connection.key_of)
            if connection.key is None:
                raise Lost("it showed no certificate")
        clients = self._worker.clients
        for name in connection.names:
            if clients is not None and clients.named(name) is not None:
                connection.identity = name
                break
        else:
            self._counters.add("radsec_unknown_identities")
            self._log.warning(
                "radsec_identity_unknown",
                address=connection.source[0],
                names=list(connection.names),
                hint="yuenyan nas add NAME radsec:IDENTITY",
            )
            raise Lost
        self._crowd.proved(connection)
        self._counters.add("radsec_connections")
        self._log.info(
            "radsec_connected",
            nas=connection.identity,
            address=connection.source[0],
            tls=connection.stream.protocol,
            application=connection.stream.application or "radius/1.0",
        )

    def _take(self, connection: Connection, octets: bytes) -> None:
        client = self._client(connection)
        if client is None:
            raise Lost("no longer registered")
        code = octets[0]
        if is_request(code):
            datagram, source = connection.request(octets, secrets.token_bytes(16))
            accounting = code == Code.ACCOUNTING_REQUEST
            self._worker.deliver(datagram, source, client, self, accounting)
        elif code in (DynamicCode.COA_REQUEST, DynamicCode.DISCONNECT_REQUEST):
            self._refuse(connection, octets)
        elif code in _ANSWERS and self._reverse is not None and connection.asked is not None:
            decode(octets)
            answer = connection.asked.incoming(connection, octets, RADSEC_SECRET)
            self._reverse.take(answer, connection.identity)
        else:
            decode(octets)
            self._counters.add("radius_dropped", reason="wrong_code")

    def _refuse(self, connection: Connection, octets: bytes) -> None:
        """This end takes no dynamic authorization. RFC 6614 section 2.5."""
        cause = ErrorCause.UNSUPPORTED_EXTENSION.to_bytes(4, "big")
        datagram, source = connection.request(octets, bytes(16))
        packet = decode(datagram)
        nak: Any = packet.code + 2
        self.sendto(self._secret.reply(packet, nak, encode(ERROR_CAUSE, cause)), source)

    def _ask(self, octets: bytes, identity: str) -> None:
        """Send a request of ours to a NAS; from the thread of the CoaSender."""
        self._requests.append((octets, identity))
        self._thread.wake()

    def _present(self) -> set[int]:
        """The numbers of the NAS that are connected; from the thread of the CoaSender."""
        clients = self._worker.clients
        if clients is None or self._is_paused:
            return set()
        names = {connection.identity for connection in self._crowd.everybody()}
        found = (clients.named(name) for name in names if name)
        return {client.facts.nas_client_id for client in found if client is not None}

    def _send_requests(self) -> None:
        while self._requests:
            octets, identity = self._requests.popleft()
            # The newest: an older one may be what a NAT has forgotten.
            connection = next(
                (one for one in reversed(self._crowd.everybody()) if one.identity == identity), None
            )
            if connection is None:
                self._counters.add("radsec_requests_late")
                continue
            if connection.asked is None:
                connection.asked = Asked()
            try:
                connection.send(connection.asked.outgoing(connection, octets))
                self._watch(connection)
            except (Lost, TlsFailure) as failure:
                self._end(connection, str(failure))

    def _key_of(self, name: str) -> bytes | None:
        clients = self._worker.clients
        return clients.key_of(identity.normal(name)) if clients is not None else None

    def _client(self, connection: Connection) -> NasClient | None:
        clients = self._worker.clients
        return clients.named(connection.identity) if clients is not None else None

    def _send_replies(self) -> None:
        """Encrypt what waits for each connection in one go."""
        waiting: dict[Connection, list[bytes]] = {}
        while self._replies:
            reply, source = self._replies.popleft()
            connection = self._crowd.get(source[2])
            if connection is None:
                self._counters.add("radsec_replies_late")
                continue
            if connection.is_modern:
                token, authenticator = source[3:5]
                try:
                    reply = modern_of(reply, token, Hop(RADSEC_SECRET, authenticator))
                except MalformedPacket:
                    self._counters.add("radius_unanswered", reason="reply_too_long")
                    continue
            waiting.setdefault(connection, []).append(reply)
        for connection, replies in waiting.items():
            try:
                connection.send(b"".join(replies))
                self._watch(connection)
            except (Lost, TlsFailure) as failure:
                self._end(connection, str(failure))

    def _welcome(self, connected: socket.socket, address: tuple[Any, ...], now: float) -> None:
        self._serial += 1
        stream = TlsStream(self._contexts.current, server=True)
        connection = Connection(connected, address, self._serial, stream, now)
        self._crowd.add(connection)
        self._selector.register(connected, selectors.EVENT_READ, connection)
        # What it said while it waited to be taken in tells it from those that only hold a place.
        self._serve(connection, selectors.EVENT_READ, now, False)

    def _make_way(self, stranger: Connection) -> None:
        """End a stranger, unless what it has sent already proves who it is."""
        self._serve(stranger, selectors.EVENT_READ, time.monotonic(), False)
        if not stranger.identity:
            self._end(stranger, "")

    def _watch(self, connection: Connection) -> None:
        wanted = selectors.EVENT_READ
        if connection.waits_to_write:
            wanted |= selectors.EVENT_WRITE
        if self._is_paused:
            wanted &= ~selectors.EVENT_READ
        known = self._selector.get_map().get(connection.socket.fileno())
        if known is not None and wanted == 0:
            self._selector.unregister(connection.socket)
        elif known is None and wanted:
            self._selector.register(connection.socket, wanted, connection)
        elif known is not None and known.events != wanted:
            self._selector.modify(connection.socket, wanted, connection)

    def _end(self, connection: Connection, why: str, *, alarming: bool = False) -> None:
        """Close one connection, with close_notify or the alert where that still goes."""
        if not self._crowd.remove(connection):
            return
        with contextlib.suppress(Exception):
            self._selector.unregister(connection.socket)
        with contextlib.suppress(Exception):
            connection.stream.close()
            connection.flush()
        with contextlib.suppress(OSError):
            connection.socket.shutdown(socket.SHUT_WR)
        self._door.see_out(connection)
        tell = self._log.warning if alarming else self._log.info
        if connection.identity or why:
            tell(
                "radsec_closed",
                nas=connection.identity,
                address=connection.source[0],
                reason=why or "the client went",
            )

    def _tick(self, now: float) -> None:
        """What is looked at twice a second: time-outs, files, who is still welcome."""
        self._door.sweep(now)
        if self._is_paused:
            self._door.close()
            for connection in self._crowd.everybody():
                self._watch(connection)
            return
        if self._worker.clients is not None:
            self._door.open(now)
        is_new = self._contexts.refresh()
        if is_new:
            self._told_of_files()
        today = utc_now()
        for connection in self._crowd.everybody():
            if not connection.identity:
                if now - connection.began_at > HANDSHAKE_SECONDS:
                    self._end(connection, "the handshake took too long")
            elif now - connection.heard_at > self._idle_seconds:
                self._end(connection, "idle")
            elif self._client(connection) is None:
                self._end(connection, "no longer registered")
            elif connection.not_after is not None and connection.not_after <= today:
                self._end(connection, "its certificate has expired", alarming=True)
            elif connection.key is not None and connection.key != self._key_of(connection.identity):
                self._end(connection, "its key was changed")
            elif is_new and self._is_revoked(connection):
                self._end(connection, "its certificate is revoked", alarming=True)

    def _is_revoked(self, connection: Connection) -> bool:
        return any(map(self._contexts.revocations.hold, connection.stream.chain))

    def _told_of_files(self) -> None:
        if self._contexts.failure:
            self._log.error("radsec_certificates_unusable", error=self._contexts.failure)
            self._counters.add("radsec_reload_failures")
        else:
            self._log.info("radsec_certificates_reloaded")

    def _say_goodbye(self) -> None:
        """The last replies, then close_notify, then an end that loses none of them."""
        self._door.close()
        self._send_replies()
        waiting = self._crowd.everybody()
        for connection in waiting:
            with contextlib.suppress(Exception):
                connection.stream.close()
        deadline = time.monotonic() + GOODBYE_SECONDS
        while waiting and time.monotonic() < deadline:
            waiting = [connection for connection in waiting if not connection.is_over()]
            if waiting:
                time.sleep(0.01)
        for connection in self._crowd.everybody():
            connection.socket.close()
        self._door.sweep(float("inf"))
        self._crowd.clear()
