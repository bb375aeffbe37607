"""Sends the requests of foreign realms to their home servers and brings the answers back.

A thread of its own holds the sockets. The worker hands requests in and, in its own turn, takes
the answers: a decision is written to auth_event before its reply leaves, as any other.
Retransmissions of a NAS go to the same server with the same identifier (RFC 5080 2.2.1).
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from common.config import Config
from common.errors import MalformedPacket
from common.logging import get_logger
from common.metrics import Counters
from db.models.base import to_micros
from identity.domain.access import Denied, Method, Reason
from identity.office import Office
from identity.services.relay_outbox import SETTLE
from radius_server.packet.authenticator import encode
from radius_server.packet.codes import Attribute, Code
from radius_server.packet.hiding import Hop
from radius_server.packet.packet import Packet
from radius_server.process import relaying
from radius_server.process.accounting import AccountingRecord
from radius_server.process.class_attribute import open_foreign, seal_foreign
from radius_server.process.one_proof import too_much
from radius_server.process.questions import Answered
from radius_server.process.realms import Foreign
from radius_server.proxy.homes import Arrived, Home, Homes
from radius_server.proxy.liveness import State
from radius_server.proxy.names import LookUp, look_up
from radius_server.proxy.pending import Concluded, Pending, plain, shown
from radius_server.proxy.shares import Shares
from radius_server.proxy.terms import realms_of, terms_of
from radius_server.turning import TurningThread
from radius_server.worker.exchange import Exchange
from radius_server.worker.outcome import Outcome

MAXIMUM_OPEN = 4096
"""Logins under way at home servers; beyond it a NAS has to ask again. Realms that are asked of
the same servers share a part of it: one federation that is dead leaves the rest to the others."""

STICKY = 16_384
"""EAP conversations whose server is remembered."""

_TICK_SECONDS = 0.25


class Relay:
    """The worker's side is `takes`, `copy`, `again`, `conclude`; the rest runs in a thread."""

    def __init__(
        self, config: Config, office: Office, counters: Counters, look_up: LookUp = look_up
    ) -> None:
        """Raises ConfigError when a secret or a certificate cannot be read."""
        proxy = config.proxy
        self.realms = realms_of(proxy)
        self._terms = terms_of(proxy, office.vault.class_key)
        self._answer_seconds = proxy.answer_seconds
        self._give_up_seconds = proxy.give_up_seconds
        self._counters = counters
        self._thread = TurningThread("proxy", self._turn, self._close, counters)
        self._homes = Homes(config, self._thread.selector, counters, look_up)
        self._shares = Shares(MAXIMUM_OPEN, {realm.servers for realm in proxy.realm})
        self._wake_worker: Callable[[], None] = lambda: None
        self._inbox: deque[Pending | Hashable] = deque()
        self._concluded: deque[Concluded] = deque()
        self._pending: dict[Hashable, Pending] = {}
        self._sticky: OrderedDict[bytes, str] = OrderedDict()
        self._next_tick = 0.0
        self._log = get_logger("radius.proxy")

    def start(self, wake_worker: Callable[[], None]) -> None:
        """Begin; `wake_worker` is called when `conclude` has something to do."""
        self._wake_worker = wake_worker
        self._homes.names.start(self._thread.wake)
        self._thread.start()

    def stop(self) -> None:
        """End; after the worker has."""
        self._thread.stop(5.0)

    @property
    def waiting(self) -> int:
        """How many logins wait for their home server."""
        return self._shares.taken + len(self._concluded)

    # What the worker calls, in its thread.

    def takes(self, exchange: Exchange) -> bool:
        """Whether an Access-Request is of a foreign realm; its answer comes by `conclude`."""
        foreign = self._foreign(exchange.packet)
        if foreign is None or too_much(exchange.packet):
            return False  # refused here: which of two names has its realm would be a guess
        route = foreign.route
        refusal = self._refusal(exchange, foreign)
        if refusal is not None or route is None:
            assert refusal is not None
            self._concluded.append(refusal)
            self._wake_worker()
        elif not self._shares.take(route.servers):
            self._counters.add("radius_dropped", reason="proxy_full")
            self._counters.add("proxy_share_full", realm=route.realm)
            self._concluded.append(Concluded(exchange, foreign, [], reason=None))
            self._wake_worker()
        else:
            self._put(Pending(exchange, foreign, route, time.monotonic()))
        return True

    def owed(self, exchange: Exchange, record: AccountingRecord) -> tuple[Any, ...] | None:
        """The row of relay_outbox for an Accounting-Request of a foreign realm, or None."""
        foreign = self._accounted(exchange.packet)
        if foreign is None or foreign.route is None or not foreign.route.accounting:
            return None
        if relaying.refusal(exchange.packet, self._terms, self._is_home(exchange)) is not None:
            self._counters.add("proxy_refused", reason="loop")
            return None
        session, received_at = record.session, exchange.received_at
        key = f"nas/{exchange.nas.facts.nas_client_id}" if session is None else session.session_key
        return (
            to_micros(received_at),
            foreign.route.realm,
            key,
            exchange.packet.octets,
            to_micros(received_at + SETTLE),
            0,
        )

    def again(self, key: Hashable) -> None:
        """The NAS repeats a request that is under way."""
        if self._shares.taken:
            self._inbox.append(key)
            self._thread.wake()

    def conclude(
        self,
        outcome: Outcome,
        answer: Callable[[Exchange], None],
        forget: Callable[[Iterable[Exchange]], None],
    ) -> None:
        """Give every answer that has come its row and its reply."""
        while self._concluded:
            came = self._concluded.popleft()
            if came.is_of_share and came.foreign.route is not None:
                self._shares.give_back(came.foreign.route.servers)
            try:
                self._conclude(came, outcome, answer, forget)
            except (ValueError, MalformedPacket) as error:
                # The NAS's own Proxy-State and the server's attributes do not fit together.
                self._log.warning("relayed_reply_not_made", error=str(error))
                self._counters.add("radius_unanswered", reason="reply_too_long")
                forget([came.exchange])

    def _conclude(
        self,
        came: Concluded,
        outcome: Outcome,
        answer: Callable[[Exchange], None],
        forget: Callable[[Iterable[Exchange]], None],
    ) -> None:
        exchange = came.exchange
        name = exchange.packet.text(Attribute.USER_NAME) or ""
        if came.code == Code.ACCESS_CHALLENGE:
            exchange.reply = exchange.nas.secret.reply(exchange.packet, came.code, came.attributes)
            answer(exchange)
        elif came.code is not None:
            outcome.relayed(
                exchange, came.code, came.attributes, name, tuple(came.trace), came.reference
            )
        elif came.reason is None:
            forget([exchange])
        else:
            denied = Denied(came.reason, Method.PROXY)
            outcome.decided(exchange, Answered(decision=denied, trace=tuple(came.trace)), name)

    def _foreign(self, packet: Packet) -> Foreign | None:
        value = packet.values.get(Attribute.USER_NAME)
        if value is None or b"@" not in value:
            return None
        return self.realms.find(packet.text(Attribute.USER_NAME) or "")

    def _accounted(self, packet: Packet) -> Foreign | None:
        """Whose accounting it is: Class tells for certain, else the name does."""
        if Attribute.CLASS in packet.values:
            for value in packet.all(Attribute.CLASS):
                login = open_foreign(self._terms.class_key, value)
                if login is not None:
                    return self.realms.of_realm(login.realm)
        return self._foreign(packet)

    def _refusal(self, exchange: Exchange, foreign: Foreign) -> Concluded | None:
        """A login that is refused here, without asking anybody."""
        trace = [f"proxy:realm={shown(foreign.realm)}"]
        if foreign.route is None:
            self._counters.add("proxy_refused", reason="misspelt")
            return Concluded(
                exchange, foreign, [*trace, "proxy:misspelt"], reason=Reason.BAD_REQUEST
            )
        found = relaying.refusal(exchange.packet, self._terms, self._is_home(exchange))
        if found is None:
            return None
        self._counters.add("proxy_refused", reason=found.value)
        return Concluded(exchange, foreign, [*trace, f"proxy:{found}"], reason=Reason.BAD_REQUEST)

    def _is_home(self, exchange: Exchange) -> bool:
        return plain(str(exchange.source[0])) in map(plain, self._homes.names.hosts())

    def _put(self, item: Pending) -> None:
        self._inbox.append(item)
        self._thread.wake()

    # What runs in the thread.

    def _close(self) -> None:
        self._homes.close()

    def _turn(self) -> None:
        for key, mask in self._thread.select(_TICK_SECONDS):
            link, data = key.data
            home = self._homes.of(link)
            now = time.monotonic()
            was = home.liveness.state
            for arrived in home.ready(mask, data, now):
                self._arrived(home, arrived)
            if home.liveness.state is State.DEAD and was is not State.DEAD:
                self._move_from(home, now)
        now = time.monotonic()
        while self._inbox:
            item = self._inbox.popleft()
            if isinstance(item, Pending):
                self._begin(item, now)
            else:
                self._repeat(item, now)
        if now >= self._next_tick:
            self._next_tick = now + _TICK_SECONDS
            self._tick(now)

    def _begin(self, pending: Pending, now: float) -> None:
        self._pending[pending.exchange.key] = pending
        self._ask(pending, now)

    def _ask(self, pending: Pending, now: float) -> bool:
        """Send it to the best server that has not had it; False when there is none."""
        for home in self._candidates(pending):
            if home.name in pending.asked:
                continue
            pending.asked.append(home.name)
            if self._send(pending, home, now):
                return True
        return False

    def _candidates(self, pending: Pending) -> list[Home]:
        homes = self._homes.named(pending.route.servers, accounting=False)
        state = pending.exchange.packet.values.get(Attribute.STATE)
        held_by = self._sticky.get(state) if state is not None else None
        if held_by is not None:
            # The middle of an EAP conversation is of no use to another server.
            return [home for home in homes if home.name == held_by]
        return homes

    def _send(self, pending: Pending, home: Home, now: float) -> bool:
        exchange = pending.exchange
        packet = exchange.packet
        before = Hop(exchange.nas.facts.secret, packet.authenticator)
        after = Hop(home.link.secret, secrets.token_bytes(16))
        try:
            pairs = relaying.outgoing(packet, before, after, self._terms)
            ticket = home.ask(packet.code, after, pairs, pending, now)
        except MalformedPacket as error:
            self._log.warning("request_not_relayed", server=home.name, error=str(error))
            self._counters.add("proxy_refused", reason="malformed")
            return False
        if ticket is None:
            return False
        self._counters.add("proxy_requests", server=home.name)
        pending.tickets.append((home, ticket))
        pending.hops[id(ticket)] = after
        pending.asked_at, pending.was_repeated = now, False
        return True

    def _repeat(self, key: Hashable, now: float) -> None:
        pending = self._pending.get(key)
        if pending is None:
            return
        if pending.tickets:
            home, ticket = pending.tickets[-1]
            if home.liveness.state is not State.DEAD or not self._ask(pending, now):
                home.link.again(ticket)
                pending.was_repeated = True
        else:
            pending.asked.clear()
            self._ask(pending, now)

    def _arrived(self, home: Home, arrived: Arrived) -> None:
        pending: Pending = arrived.what
        packet, reply = pending.exchange.packet, arrived.reply
        hop = pending.hops[id(arrived.ticket)]
        self._forget(pending)
        nas = Hop(pending.exchange.nas.facts.secret, packet.authenticator)
        code, trace = Code(reply.code), self._told(pending, home.name)
        try:
            attributes = relaying.returned(
                reply,
                hop,
                nas,
                self._terms,
                vlan=pending.route.vlan,
                named=lambda name: self.realms.returned(name, pending.foreign),
            )
        except (MalformedPacket, ValueError) as error:
            self._log.warning("reply_not_relayed", server=home.name, error=str(error))
            self._counters.add("proxy_dropped", reason="malformed")
            self._tell(Concluded(pending.exchange, pending.foreign, [*trace, "proxy:timeout"]))
            return
        if code == Code.ACCESS_CHALLENGE:
            self._remember(reply.values.get(Attribute.STATE), home.name)
        else:
            trace += relaying.notes(reply)
            trace.append("proxy:accept" if code == Code.ACCESS_ACCEPT else "proxy:reject")
        reference = None
        if code == Code.ACCESS_ACCEPT:
            # Accounting brings it back: whose session it is does not hang on a name.
            octets = secrets.token_bytes(8)
            reference = octets.hex()
            attributes += encode(
                Attribute.CLASS,
                seal_foreign(self._terms.class_key, pending.foreign.realm, octets),
            )
        self._tell(Concluded(pending.exchange, pending.foreign, trace, code, attributes, reference))

    def _remember(self, state: bytes | None, server: str) -> None:
        if state is not None:
            self._sticky[state] = server
            if len(self._sticky) > STICKY:
                self._sticky.popitem(last=False)

    def _forget(self, pending: Pending) -> None:
        for home, ticket in pending.tickets:
            home.link.drop(ticket)
        self._pending.pop(pending.exchange.key, None)

    def _tell(self, concluded: Concluded) -> None:
        concluded.is_of_share = True
        self._concluded.append(concluded)
        self._wake_worker()

    def _told(self, pending: Pending, server: str) -> list[str]:
        trace = [f"proxy:realm={shown(pending.foreign.realm)}"]
        for name in dict.fromkeys((*pending.asked, server)):
            trace.append(f"proxy:server={shown(name)}")
            if name != server and name in pending.asked:
                trace.append("proxy:timeout")
        return trace

    def _tick(self, now: float) -> None:
        for home in self._homes.all():
            was = home.liveness.state
            home.tick(now)
            if home.liveness.state is State.DEAD and was is not State.DEAD:
                self._move_from(home, now)
        for pending in list(self._pending.values()):
            if now - pending.began_at >= self._give_up_seconds:
                self._give_up(pending)
            else:
                self._look_at(pending, now)

    def _look_at(self, pending: Pending, now: float) -> None:
        """Go to the next server in time; repeat for a client whose transport never repeats."""
        waited = now - pending.asked_at
        if not pending.tickets:
            if waited >= 1.0:
                pending.asked_at = now
                pending.asked.clear()
                self._ask(pending, now)
            return
        home, ticket = pending.tickets[-1]
        if waited >= self._answer_seconds:
            home.timed_out(pending.asked_at, now)
            if not self._ask(pending, now):
                pending.asked_at = now
        elif waited >= self._answer_seconds / 2 and not pending.was_repeated:
            came_by_stream = getattr(pending.exchange.socket, "is_stream", False)
            if came_by_stream and not home.link.is_stream:
                home.link.again(ticket)
            pending.was_repeated = True

    def _move_from(self, dead: Home, now: float) -> None:
        """A server was found dead: ask the next one at once."""
        for pending in list(self._pending.values()):
            if pending.tickets and pending.tickets[-1][0] is dead:
                self._ask(pending, now)

    def _give_up(self, pending: Pending) -> None:
        self._counters.add("proxy_unanswered")
        self._forget(pending)
        trace = [f"proxy:realm={shown(pending.foreign.realm)}"]
        for name in dict.fromkeys(pending.asked):
            trace += [f"proxy:server={shown(name)}", "proxy:timeout"]
        if not pending.asked:
            trace.append("proxy:timeout")
        self._tell(Concluded(pending.exchange, pending.foreign, trace))
