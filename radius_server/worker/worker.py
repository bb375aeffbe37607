"""One RADIUS worker: drain the sockets, decide, commit once, then answer.

Everything that arrived together is committed together; a reply leaves only after the
commit that holds its record. When the commit fails nobody is answered and the requests are
forgotten, so that the NAS's next copy is a new request (docs/decisions/0002, 0004).
"""

from __future__ import annotations

import contextlib
import gc
import secrets
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from common.clock import utc_now
from common.config import Config
from common.disk import Gate
from common.errors import BackendUnavailable, MalformedPacket, NotAuthentic
from common.logging import get_logger
from common.metrics import Counters
from db.ledger import Ledger
from identity.domain.access import Unavailable
from identity.domain.throttle import Penalties
from identity.office import Office
from identity.stores.sql import SqlStore
from identity.verified import VerifiedPasswords
from radius_server.packet.codes import Code
from radius_server.process.access import decide
from radius_server.process.accounting import AccountingRecord
from radius_server.process.accounting import read as read_accounting
from radius_server.process.questions import AccessRequest, Busy, Challenge, Converses, Silence
from radius_server.proxy.relay import Relay
from radius_server.worker.arrivals import Delivered, Listener, Sender, Turn
from radius_server.worker.clients import NasClient, NasTable
from radius_server.worker.committer import Committer
from radius_server.worker.conversing import Conversing
from radius_server.worker.directory import Directory
from radius_server.worker.duplicates import DuplicateCache
from radius_server.worker.exchange import (
    ACCT_CODES,
    AUTH_CODES,
    Exchange,
    access_request,
    authenticate,
)
from radius_server.worker.outcome import Outcome, reject, status_reply
from radius_server.worker.owners import Owners
from radius_server.worker.presence import Presence
from radius_server.worker.questions import Login, Questions, is_unavailable
from radius_server.worker.responders import Responders
from radius_server.worker.reused_ids import ReusedIds
from radius_server.worker.revision import POLL_SECONDS, Revision, RevisionWatch
from radius_server.worker.siblings import Siblings
from radius_server.worker.throttle import throttle_limits

DRAIN_LIMIT = 512
"""Datagrams taken from the sockets before a commit; more would only make replies late."""

LOOK_SECONDS = 0.2
COLLECT_SECONDS = 60.0
COLLECT_BUSY_SECONDS = 600.0
"""A site that is never idle for a second has its garbage collected this much later."""

_RECEIVE_OCTETS = 4096
DRAIN_SECONDS = 10.0
"""How long a stopping worker waits for the logins it has begun."""


class Worker:
    """Owns its sockets and its ledger; `run` returns after `stop` was called and all is stored."""

    def __init__(
        self,
        config: Config,
        office: Office,
        ledger: Ledger,
        auth: list[socket.socket],
        acct: list[socket.socket],
        counters: Counters,
        verified: VerifiedPasswords,
        threads: int,
        every_second: Callable[[int], None] = lambda _revision: None,
        siblings: Siblings | None = None,
        eap: Converses | None = None,
        penalties: Penalties | None = None,
        relay: Relay | None = None,
    ) -> None:
        self._config = config
        self._office = office
        self._counters = counters
        self._every_second = every_second
        self._store = SqlStore(office)
        self._relay = relay
        self._directory = Directory(self._store, relay.realms.stored if relay else str)
        self._owners = Owners(self._directory, self._store, office.vault.class_key)
        self._siblings = siblings or Siblings(None, 0)
        self._delivered: deque[Delivered] = deque()
        self._wake_in, self._wake_out = socket.socketpair()
        for end in (self._wake_in, self._wake_out):
            end.setblocking(False)
        self._questions = Questions(
            self._store,
            self._directory,
            verified,
            counters,
            threads,
            config.radius.slow_queue,
            self._wake,
            penalties or Penalties(secrets.token_bytes(32), limits=throttle_limits(config)),
            Responders(config.eap.ocsp_seconds, counters, office.clock),
        )
        self._listeners = [Listener(item, False, at) for at, item in enumerate(auth)]
        self._listeners += [Listener(item, True, at) for at, item in enumerate(acct, len(auth))]
        self._duplicates = DuplicateCache()
        self._presence = Presence(counters)
        self._committer = Committer(
            ledger,
            self._presence,
            counters,
            office.vault.class_key,
            self._answer,
            self._give_up,
            self._forget,
            ReusedIds(self._store).place,
        )
        self._conversing = Conversing(
            eap,
            self._siblings,
            self._questions,
            counters,
            self._duplicates.forget,
            self._answer,
            lambda: self._committer.pending,
        )
        self._nas = NasTable([])
        self._watch = RevisionWatch(SqlStore(office))
        self._revision = -1
        self._next_poll = 0.0
        self._next_second = 0.0
        self._next_collection = time.monotonic() + COLLECT_SECONDS
        self._received = 0
        """Datagrams of this second."""
        self._is_blind = False  # the database did not answer when it was last asked
        self._rejects = config.radius.backend_failure == "reject"
        self._gate = Gate(config.data_dir, config.archive.disk_full)
        self._no_room = False
        self._stopping = False
        self._begun: list[Hashable] = []
        """Keys of the requests of this turn, to be forgotten when it goes wrong."""
        self._log = get_logger("radius.worker")

    @property
    def clients(self) -> NasTable | None:
        """Who may speak RADIUS; None until the database has told. For any thread."""
        return self._nas if self._revision >= 0 else None

    @property
    def backlog(self) -> int:
        """How many delivered packets wait to be looked at. For any thread."""
        return len(self._delivered)

    def stop(self) -> None:
        """Ask `run` to end; safe from a signal handler."""
        self._stopping = True
        self._wake()

    def run(self) -> None:
        """Serve until `stop`, then answer what has arrived and end."""
        with select.epoll() as sockets:
            for listener in self._listeners:
                listener.socket.setblocking(False)
                sockets.register(listener.socket, select.EPOLLIN)
            sockets.register(self._wake_out, select.EPOLLIN)
            if self._siblings.socket is not None:
                sockets.register(self._siblings.socket, select.EPOLLIN)
            self._watch.start()
            if self._relay is not None:
                self._relay.start(self._wake)
            while not self._stopping:
                if self._committer.wait():
                    self._turn_safely()
                else:
                    heard = sockets.poll(POLL_SECONDS)
                    self._turn_safely({descriptor for descriptor, _ in heard})
        deadline = time.monotonic() + DRAIN_SECONDS
        while (
            self._turn_safely()
            or self._questions.waiting
            or self._committer.is_busy
            or (self._relay is not None and self._relay.waiting)
        ) and time.monotonic() < deadline:
            if not self._committer.wait():
                time.sleep(0.005)
        self._committer.finish(utc_now(), deadline + 1.0)
        self._watch.stop()
        if self._relay is not None:
            self._relay.stop()
        self._questions.close()
        self._store.close()
        self._siblings.close()
        self._wake_in.close()
        self._wake_out.close()

    def _turn_safely(self, ready: set[int] | None = None) -> int:
        """One turn; a fault in it is logged and counted, and the worker lives."""
        try:
            return self._turn(ready)
        except Exception:
            self._log.exception("turn_failed")
            self._counters.add("radius_internal_errors")
            for key in self._begun:
                self._duplicates.forget(key)
            return 0

    def _turn(self, ready: set[int] | None) -> int:
        """Take what has arrived, decide, commit, answer. Returns how many datagrams came.

        `ready` are the descriptors with something to read, None when they were not asked: a
        read that finds nothing costs as much as one that does, and EAP takes a turn a packet.
        """
        self._refresh(time.monotonic())
        if ready is None or self._wake_out.fileno() in ready:
            self._swallow_wakes()
        now = time.monotonic()
        received_at = self._office.clock()
        self._begun = []
        turn = Turn(received_at, now)
        self._committer.land(received_at, now)
        if self._committer.is_full:
            return 1  # what has come stays in the sockets meanwhile
        outcome = self._committer.pending
        for listener in self._listeners:
            if ready is not None and listener.socket.fileno() not in ready:
                continue
            receive = listener.socket.recvfrom
            for _ in range(DRAIN_LIMIT):
                try:
                    datagram, source = receive(_RECEIVE_OCTETS)
                except (BlockingIOError, InterruptedError):
                    break
                except ConnectionError:
                    continue  # an ICMP error of an earlier reply; the next datagram follows
                self._take(turn, listener, datagram, source)
        if ready is None or self._siblings.fileno() in ready:
            for index, source, datagram in self._siblings.received():
                self._take(turn, self._listeners[index], datagram, source, handed=True)
        while self._siblings.borrowed:
            lent = self._siblings.borrowed.popleft()
            nas = self._nas.named(lent.nas)
            if nas is not None:
                sender = Listener(lent.sender, False, -1)
                self._take(turn, sender, lent.octets, lent.source, nas, handed=True)
        while self._delivered:
            item = self._delivered.popleft()
            listener = Listener(item.sender, item.accounting, -1)
            self._take(turn, listener, item.datagram, item.source, item.nas)
        if turn.logins:
            self._decided(outcome, now, *self._questions.start(turn.logins))
        decided, dropped = self._questions.resume(received_at)
        if decided or dropped:
            self._begun += [login.origin[0].key for login in decided]
            self._decided(outcome, now, decided, dropped)
        if turn.accounting:
            self._account(outcome, turn.accounting)
        if self._relay is not None:
            self._relay.conclude(outcome, self._answer, self._forget)
        self._committer.take_off(received_at, now)
        self._received += turn.received
        return turn.received

    def deliver(
        self,
        datagram: bytes,
        source: tuple[Any, ...],
        nas: NasClient,
        sender: Sender,
        accounting: bool,
    ) -> None:
        """Take a packet that came over another transport; safe from any thread.

        Args:
            datagram: one RADIUS packet.
            source: who sent it, its host first; with the packet it is the duplicate key.
            nas: whose secret proves it, as the transport has established.
            sender: its `sendto(reply, source)` is called from the worker's thread.
            accounting: whether it is to be answered as the accounting port would.
        """
        self._delivered.append(Delivered(datagram, source, nas, sender, accounting))
        if len(self._delivered) <= 1:  # else it has not seen the one before yet
            self._wake()

    def _take(
        self,
        turn: Turn,
        listener: Listener,
        datagram: bytes,
        source: tuple[Any, ...],
        nas: NasClient | None = None,
        handed: bool = False,
    ) -> None:
        """Prove one datagram and put it where its kind is worked on; bad ones are dropped."""
        turn.received += 1
        try:
            exchange = self._admit(listener, datagram, source, turn, nas)
            if exchange is not None:
                self._dispatch(exchange, listener, turn, handed)
        except MalformedPacket as error:
            self._counters.add("radius_dropped", reason="malformed")
            self._log_drop(source, str(error))
        except NotAuthentic as error:
            self._counters.add("radius_dropped", reason=error.which)
            self._log_drop(source, error.which)
            if error.which == "no_message_authenticator":
                asker = nas or self._nas.find(source[0])
                if asker is not None:
                    self._presence.unsigned(asker.facts.nas_client_id, turn.received_at)

    def _admit(
        self,
        listener: Listener,
        datagram: bytes,
        source: tuple[Any, ...],
        turn: Turn,
        nas: NasClient | None,
    ) -> Exchange | None:
        """A proven, new request; None for a stranger's and for a duplicate, which is answered."""
        nas = nas or self._nas.find(source[0])
        if nas is None:
            if self._revision >= 0:  # else the table was never read, and nobody is known
                self._presence.stranger(source[0], turn.received_at)
            return None
        packet = authenticate(datagram, nas, ACCT_CODES if listener.accounting else AUTH_CODES)
        self._presence.seen(nas.facts.nas_client_id, packet, turn.received_at)
        key = (source, packet.code, packet.identifier, packet.authenticator, listener.accounting)
        new, reply = self._duplicates.begin(key, turn.now)
        if not new:
            self._counters.add("radius_duplicates")
            if reply:
                _send(listener.socket, reply, source)
            elif self._relay is not None:
                self._relay.again(key)
            return None
        self._begun.append(key)
        return Exchange(listener.socket, source, packet, nas, turn.received_at, key)

    def _dispatch(self, exchange: Exchange, listener: Listener, turn: Turn, handed: bool) -> None:
        packet = exchange.packet
        try:
            if packet.code == Code.STATUS_SERVER:
                self._counters.add("radius_status_server")
                if self._is_blind:
                    # A proxy that hears nothing goes to its next server.
                    self._duplicates.forget(exchange.key)
                    return
                exchange.reply = status_reply(packet, exchange, listener.accounting)
                self._answer(exchange)
            elif self._is_blind and not listener.accounting and self._rejects:
                self._give_up([exchange])  # at once, not when the database is given up
            elif listener.accounting:
                facts = exchange.nas.facts
                record = read_accounting(packet, facts.nas_client_id, exchange.received_at)
                turn.accounting.append((exchange, record))
            elif self._relay is None or not self._relay.takes(exchange):
                request = access_request(exchange)
                request.no_room = self._no_room
                if request.eap_message is None:
                    turn.logins.append(Login(decide(request), (exchange, request)))
                else:
                    self._conversing.take(exchange, request, listener, turn, handed)
        except MalformedPacket:
            self._duplicates.forget(exchange.key)
            raise

    def _answer(self, exchange: Exchange) -> None:
        self._duplicates.finish(exchange.key, exchange.reply)
        _send(exchange.socket, exchange.reply, exchange.source)

    def _decided(
        self, outcome: Outcome, now: float, decided: list[Login], dropped: list[Login]
    ) -> None:
        for login in dropped:
            self._duplicates.forget(login.origin[0].key)
        for login in decided:
            exchange: Exchange = login.origin[0]
            request: AccessRequest = login.origin[1]
            decision = login.decision
            assert decision is not None
            try:
                if isinstance(decision, Challenge):
                    self._conversing.ask(login, decision, outcome, now)
                elif isinstance(decision, Silence):
                    if isinstance(decision.because, Unavailable):
                        outcome.unanswered(exchange, decision.because, request.user_name)
                        self._give_up([exchange])
                    if isinstance(decision.because, Busy) or not self._rejects:
                        self._conversing.wait(login, now)
                elif login.is_noted:
                    self._conversing.end(login)
                elif is_unavailable(decision):
                    outcome.unanswered(exchange, decision, request.user_name)
                    self._give_up([exchange])
                else:
                    if login.answer is not None:
                        self._conversing.conclude(login)
                    outcome.decided(exchange, decision, request.user_name)
            except Exception:
                # One reply that cannot be made must not take the others of its batch along.
                self._log.exception("reply_not_made", nas=exchange.nas.facts.name)
                self._counters.add("radius_internal_errors")
                self._duplicates.forget(exchange.key)

    def _account(
        self, outcome: Outcome, accounting: list[tuple[Exchange, AccountingRecord]]
    ) -> None:
        """Find whose each packet is and add it to the outcome."""
        try:
            owners = self._owners.find([record for _, record in accounting])
        except BackendUnavailable:
            self._give_up([exchange for exchange, _ in accounting])
            return
        for (exchange, record), (account_id, reference) in zip(accounting, owners, strict=True):
            relay = self._relay.owed(exchange, record) if self._relay is not None else None
            outcome.accounted(exchange, record, account_id, reference, relay)

    def _forget(self, exchanges: Iterable[Exchange]) -> None:
        for exchange in exchanges:
            self._duplicates.forget(exchange.key)

    def _give_up(self, exchanges: Iterable[Exchange]) -> None:
        """No back end: silence, or a reject where the configuration says so. Never an accept."""
        for exchange in exchanges:
            self._duplicates.forget(exchange.key)
            self._counters.add("radius_unanswered", reason="backend_unavailable")
            if self._rejects and exchange.packet.code == Code.ACCESS_REQUEST:
                _send(exchange.socket, reject(exchange), exchange.source)
            elif exchange.conversation is not None:
                self._conversing.take_back(exchange, time.monotonic())

    def _refresh(self, now: float) -> None:
        """See what changed in the database, and let once-a-second work run."""
        if now >= self._next_poll:
            self._next_poll = now + LOOK_SECONDS
            try:
                revision = self._watch.look(now) if self._watch.is_running else None
                self._is_blind = self._store.is_away = False
                if revision is None:
                    revision = Revision(self._store.revision(), self._store.nas_clients())
                if revision.number != self._revision:
                    self._nas = NasTable(revision.nas)
                    self._directory.forget()
                    self._revision = revision.number
                    self._every_second(self._revision)
            except BackendUnavailable as error:
                self._is_blind = self._store.is_away = True
                self._counters.add("radius_backend_unavailable")
                self._log.warning("database_unavailable", error=str(error))
                self._next_poll = now + 1.0
        if now >= self._next_second:
            self._no_room = self._gate.is_closed()
            self._next_second = now + 1.0
            self._every_second(self._revision)
            self._conversing.expire(now)
            self._tidy(now)

    def _tidy(self, now: float) -> None:
        """Collect cyclic garbage when nobody waits: in a rush it would stall everybody.

        The packet path makes no cycles, so little is there to collect; see `yuenyan radius`.
        """
        idle, self._received = self._received == 0, 0
        if now >= self._next_collection and (
            idle or now >= self._next_collection + COLLECT_BUSY_SECONDS
        ):
            self._next_collection = now + COLLECT_SECONDS
            gc.collect()

    def _log_drop(self, source: tuple[object, ...], reason: str) -> None:
        if self._presence.may_log(str(source[0])):
            self._log.warning("request_dropped", nas=str(source[0]), reason=reason)

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: a wake is already waiting; closed: at the end
            self._wake_in.send(b"\0")

    def _swallow_wakes(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._wake_out.recv(4096):
                pass


def _send(listener: socket.socket, reply: bytes, source: tuple[object, ...]) -> None:
    try:  # noqa: SIM105 - contextlib.suppress costs half as much as the call itself
        listener.sendto(reply, source)
    except OSError:
        pass  # the NAS asks again and gets it from the duplicate cache
