"""One RADIUS worker: drain the sockets, decide, commit once, then answer.

Everything that arrived together is committed together; a reply leaves only after the
commit that holds its record. When the commit fails nobody is answered and the requests are
forgotten, so that the NAS's next copy is a new request (docs/decisions/0002, 0004).
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime

from common.clock import utc_now
from common.config import Config
from common.errors import BackendUnavailable, MalformedPacket, NotAuthentic
from common.logging import get_logger
from common.metrics import Counters
from common.net import find_mac
from db.ledger import Ledger
from db.ledger.batch import UnstorableError
from identity.domain.access import Decision, Unavailable
from identity.domain.admission import find_code
from identity.office import Office
from identity.stores.sql import SqlStore
from radius_server.packet.codes import Code
from radius_server.process import class_attribute
from radius_server.process.access import AccessRequest, decide
from radius_server.process.accounting import AccountingRecord
from radius_server.process.accounting import read as read_accounting
from radius_server.worker.clients import NasTable
from radius_server.worker.directory import POLL_SECONDS, Directory, VerifiedPasswords
from radius_server.worker.duplicates import DuplicateCache
from radius_server.worker.exchange import (
    ACCT_CODES,
    AUTH_CODES,
    Exchange,
    access_request,
    authenticate,
)
from radius_server.worker.outcome import Outcome, reject, status_reply
from radius_server.worker.presence import Presence
from radius_server.worker.questions import Login, Questions

DRAIN_LIMIT = 512
"""Datagrams taken from the sockets before a commit; more would only make replies late."""

_RECEIVE_OCTETS = 4096
DRAIN_SECONDS = 10.0
"""How long a stopping worker waits for the logins it has begun."""


@dataclass(slots=True)
class _Listener:
    socket: socket.socket
    accounting: bool


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
        every_second: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._office = office
        self._ledger = ledger
        self._counters = counters
        self._every_second = every_second
        self._store = SqlStore(office)
        self._directory = Directory(self._store)
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._questions = Questions(
            self._store,
            self._directory,
            verified,
            counters,
            threads,
            config.radius.slow_queue,
            self._wake,
        )
        self._listeners = [_Listener(item, False) for item in auth]
        self._listeners += [_Listener(item, True) for item in acct]
        self._duplicates = DuplicateCache()
        self._presence = Presence(counters)
        self._nas = NasTable([])
        self._revision = -1
        self._next_poll = 0.0
        self._next_second = 0.0
        self._next_warning = 0.0
        self._is_blind = False
        """The database did not answer when it was last asked."""
        self._stopping = False
        self._begun: list[Hashable] = []
        """Keys of the requests of this turn, to be forgotten when it goes wrong."""
        self._log = get_logger("radius.worker")

    def stop(self) -> None:
        """Ask `run` to end; safe from a signal handler."""
        self._stopping = True
        self._wake()

    def run(self) -> None:
        """Serve until `stop`, then answer what has arrived and end."""
        with selectors.DefaultSelector() as selector:
            for listener in self._listeners:
                listener.socket.setblocking(False)
                selector.register(listener.socket, selectors.EVENT_READ)
            selector.register(self._wake_out, selectors.EVENT_READ)
            while not self._stopping:
                selector.select(timeout=POLL_SECONDS)
                self._turn_safely()
        deadline = time.monotonic() + DRAIN_SECONDS
        while (self._turn_safely() or self._questions.waiting) and time.monotonic() < deadline:
            if self._questions.waiting:
                time.sleep(0.005)
        self._presence_only()
        self._questions.close()
        self._ledger.close()
        self._store.close()
        self._wake_in.close()
        self._wake_out.close()

    def _turn_safely(self) -> int:
        """One turn; a fault in it is logged and counted, and the worker lives."""
        try:
            return self._turn()
        except Exception:
            self._log.exception("turn_failed")
            self._counters.add("radius_internal_errors")
            for key in self._begun:
                self._duplicates.forget(key)
            return 0

    def _turn(self) -> int:
        """Take what has arrived, decide, commit, answer. Returns how many datagrams came."""
        self._refresh(time.monotonic())
        self._swallow_wakes()
        now = time.monotonic()
        received_at = self._office.clock()
        self._begun = []
        outcome = Outcome(self._office.vault.class_key)
        logins: list[Login] = []
        accounting: list[tuple[Exchange, AccountingRecord]] = []
        received = 0
        for listener in self._listeners:
            for _ in range(DRAIN_LIMIT):
                try:
                    datagram, source = listener.socket.recvfrom(_RECEIVE_OCTETS)
                except (BlockingIOError, InterruptedError):
                    break
                except ConnectionError:
                    continue  # an ICMP error of an earlier reply; the next datagram follows
                received += 1
                try:
                    exchange = self._admit(listener, datagram, source, received_at, now)
                    if exchange is None:
                        continue
                    self._dispatch(exchange, listener, logins, accounting)
                except MalformedPacket as error:
                    self._counters.add("radius_dropped", reason="malformed")
                    self._log_drop(source, str(error))
                except NotAuthentic as error:
                    self._counters.add("radius_dropped", reason=error.which)
                    self._log_drop(source, error.which)
        self._decided(outcome, *self._questions.start(logins))
        decided, dropped = self._questions.resume(received_at)
        self._begun += [login.origin[0].key for login in decided]
        self._decided(outcome, decided, dropped)
        if accounting:
            self._account(outcome, accounting)
        self._presence.fill(outcome.batch, received_at, now)
        self._commit(outcome)
        return received

    def _admit(
        self,
        listener: _Listener,
        datagram: bytes,
        source: tuple[object, ...],
        received_at: datetime,
        now: float,
    ) -> Exchange | None:
        """A proven, new request; None for a stranger's and for a duplicate, which is answered."""
        address = str(source[0])
        nas = self._nas.find(address)
        if nas is None:
            if self._revision >= 0:  # else the table was never read, and nobody is known
                self._presence.stranger(address, received_at)
            return None
        packet = authenticate(datagram, nas, ACCT_CODES if listener.accounting else AUTH_CODES)
        self._presence.seen(nas.facts.nas_client_id, packet, received_at)
        key = (source, packet.code, packet.identifier, packet.authenticator, listener.accounting)
        new, reply = self._duplicates.begin(key, now)
        if not new:
            self._counters.add("radius_duplicates")
            if reply:
                _send(listener.socket, reply, source)
            return None
        self._begun.append(key)
        return Exchange(listener.socket, source, packet, nas, received_at, key)

    def _dispatch(
        self,
        exchange: Exchange,
        listener: _Listener,
        logins: list[Login],
        accounting: list[tuple[Exchange, AccountingRecord]],
    ) -> None:
        packet = exchange.packet
        try:
            if packet.code == Code.STATUS_SERVER:
                self._counters.add("radius_status_server")
                if self._is_blind:
                    # A proxy that hears nothing goes to its next server.
                    self._duplicates.forget(exchange.key)
                    return
                exchange.reply = status_reply(packet, exchange, listener.accounting)
                self._duplicates.finish(exchange.key, exchange.reply)
                _send(exchange.socket, exchange.reply, exchange.source)
            elif listener.accounting:
                facts = exchange.nas.facts
                record = read_accounting(packet, facts.nas_client_id, exchange.received_at)
                accounting.append((exchange, record))
            else:
                request = access_request(exchange)
                logins.append(Login(decide(request), (exchange, request)))
        except MalformedPacket:
            self._duplicates.forget(exchange.key)
            raise

    def _decided(self, outcome: Outcome, decided: list[Login], dropped: list[Login]) -> None:
        for login in dropped:
            self._duplicates.forget(login.origin[0].key)
        for login in decided:
            exchange: Exchange = login.origin[0]
            request: AccessRequest = login.origin[1]
            decision: Decision | None = login.decision
            assert decision is not None
            if isinstance(decision, Unavailable):
                self._give_up([exchange])
                continue
            try:
                outcome.decided(exchange, decision, request.user_name)
            except Exception:
                # One reply that cannot be made must not take the others of its batch along.
                self._log.exception("reply_not_made", nas=exchange.nas.facts.name)
                self._counters.add("radius_internal_errors")
                self._duplicates.forget(exchange.key)

    def _account(
        self, outcome: Outcome, accounting: list[tuple[Exchange, AccountingRecord]]
    ) -> None:
        """Find whose each packet is and add it to the outcome.

        Class tells for certain; else the user name does, when an account has it.
        """
        names = {_stored_name(record.user_name) for _, record in accounting if record.user_name}
        try:
            accounts = self._directory.load(names) if names else {}
            unknown = {name for name in names if accounts.get(name) is None}
            codes = {code: name for name in unknown if (code := find_code(name)) is not None}
            vouchers = self._store.voucher_accounts(codes) if codes else {}
        except BackendUnavailable:
            self._give_up([exchange for exchange, _ in accounting])
            return
        for exchange, record in accounting:
            account_id, reference = None, None
            for value in record.class_values:
                owner = class_attribute.open_class(self._office.vault.class_key, value)
                if owner is not None:
                    account_id, reference = owner.account_id, owner.reference
            if account_id is None and record.user_name:
                name = _stored_name(record.user_name)
                snapshot = accounts.get(name)
                account_id = (
                    snapshot.account_id if snapshot else vouchers.get(find_code(name) or "")
                )
            outcome.accounted(exchange, record, account_id, reference)

    def _commit(self, outcome: Outcome) -> None:
        batch = outcome.finish()
        if batch.is_empty():
            return
        try:
            self._ledger.commit(batch)
        except BackendUnavailable as error:
            self._commit_failed(error)
            self._presence.keep(batch)
            self._give_up(outcome.exchanges)
            return
        except UnstorableError as error:
            self._one_by_one(outcome, str(error))
            return
        for exchange in outcome.exchanges:
            self._duplicates.finish(exchange.key, exchange.reply)
            _send(exchange.socket, exchange.reply, exchange.source)
        self._counters.add("radius_commits")
        self._counters.add("radius_auth_decisions", len(batch.auth_events))
        self._counters.add("radius_acct_records", len(batch.accounting_events))

    def _commit_failed(self, error: BackendUnavailable) -> None:
        self._counters.add("radius_commits_failed")
        now = time.monotonic()
        if now >= self._next_warning:
            self._next_warning = now + 1.0
            self._log.warning("commit_failed", backend=error.backend, error=str(error))

    def _one_by_one(self, outcome: Outcome, error: str) -> None:
        """The database refuses something in this batch: let each NAS ask again, one at a time.

        Without this one odd packet would keep every packet that arrives with it unanswered.
        """
        self._log.error("batch_refused", error=error, exchanges=len(outcome.exchanges))
        self._counters.add("radius_batches_refused")
        singles = outcome.split()
        for single in singles:
            try:
                self._ledger.commit(single.finish())
            except UnstorableError:
                self._counters.add("radius_dropped", reason="unstorable")
                for exchange in single.exchanges:
                    self._duplicates.forget(exchange.key)
                continue
            except BackendUnavailable as gone:
                self._commit_failed(gone)
                # Each of the others would wait for the database as long as this one did.
                for rest in (single, *singles):
                    self._give_up(rest.exchanges)
                return
            for exchange in single.exchanges:
                self._duplicates.finish(exchange.key, exchange.reply)
                _send(exchange.socket, exchange.reply, exchange.source)

    def _give_up(self, exchanges: list[Exchange]) -> None:
        """No back end: silence, or a reject where the configuration says so. Never an accept."""
        for exchange in exchanges:
            self._duplicates.forget(exchange.key)
            self._counters.add("radius_unanswered", reason="backend_unavailable")
            rejects = self._config.radius.backend_failure == "reject"
            if rejects and exchange.packet.code == Code.ACCESS_REQUEST:
                _send(exchange.socket, reject(exchange), exchange.source)

    def _refresh(self, now: float) -> None:
        """See what changed in the database, and let once-a-second work run."""
        if now >= self._next_poll:
            self._next_poll = now + POLL_SECONDS
            try:
                revision = self._store.revision()
                if revision != self._revision:
                    self._nas = NasTable(self._store.nas_clients())
                    self._directory.forget()
                    self._revision = revision
                self._is_blind = False
            except BackendUnavailable as error:
                self._is_blind = True
                self._counters.add("radius_backend_unavailable")
                self._log.warning("database_unavailable", error=str(error))
                self._next_poll = now + 1.0
        if now >= self._next_second:
            self._next_second = now + 1.0
            self._every_second()

    def _presence_only(self) -> None:
        outcome = Outcome(self._office.vault.class_key)
        self._presence.fill(outcome.batch, utc_now(), float("inf"))
        self._commit(outcome)

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


def _stored_name(user_name: str) -> str:
    """The user name as accounts store it: a device's is its MAC address without separators."""
    return find_mac(user_name) or user_name.strip().casefold()


def _send(listener: socket.socket, reply: bytes, source: tuple[object, ...]) -> None:
    with contextlib.suppress(OSError):  # the NAS asks again and gets it from the duplicate cache
        listener.sendto(reply, source)
