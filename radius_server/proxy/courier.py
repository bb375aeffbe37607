"""Brings the accounting of foreign realms to their home servers, from the outbox in the database.

One thread beside the RADIUS workers, with links of its own: a database or a home server that is
slow keeps no login waiting. What is claimed and in which order is identity.services.relay_outbox's.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from common.config import Config
from common.errors import BackendUnavailable, MalformedPacket
from common.logging import get_logger
from common.metrics import Counters
from identity.office import Office
from identity.services import relay_outbox
from identity.services.relay_outbox import Owed
from radius_server.packet.codes import Code
from radius_server.packet.hiding import Hop
from radius_server.packet.packet import decode
from radius_server.process import relaying
from radius_server.proxy.homes import Home, Homes
from radius_server.proxy.links import Ticket
from radius_server.proxy.liveness import State
from radius_server.proxy.names import LookUp, look_up
from radius_server.proxy.terms import routes_of, terms_of
from radius_server.turning import TurningThread

POLL_SECONDS = 1.0
UNDER_WAY = 256
"""Packets at the servers of one list; a dead federation takes no other's places."""

DROP_EVERY_SECONDS = 60.0
_TICK_SECONDS = 0.25
_SOON_SECONDS = 0.05
"""After an answer: the next packet of that session can be sent now."""

_STOP_SECONDS = 6.0
_SPARE_LEASE_SECONDS = 20.0

Pool = tuple[str, ...]


@dataclass(slots=True)
class _Flight:
    """One packet on its way; moments are monotonic seconds."""

    owed: Owed
    pool: Pool
    asked: list[str] = field(default_factory=list)
    tickets: list[tuple[Home, Ticket]] = field(default_factory=list)
    asked_at: float = 0.0
    was_repeated: bool = False


class Courier:
    """Works from `start` to `stop`."""

    def __init__(
        self,
        config: Config,
        office: Office,
        counters: Counters,
        every_poll: Callable[[], None] = lambda: None,
        look_up: LookUp = look_up,
    ) -> None:
        """Raises ConfigError when a secret or a certificate cannot be read."""
        proxy = config.proxy
        self._office = office
        self._counters = counters
        self._every_poll = every_poll
        self._terms = terms_of(proxy, office.vault.class_key)
        self._answer_seconds = proxy.answer_seconds
        self._keep = timedelta(hours=proxy.accounting_hours)
        self._realms: dict[Pool, list[str]] = {}
        for route in routes_of(proxy):
            if route.accounting:
                self._realms.setdefault(route.servers, []).append(route.realm)
        longest = max((len(pool) for pool in self._realms), default=1)
        self._lease = timedelta(seconds=_SPARE_LEASE_SECONDS + longest * self._answer_seconds)
        self._node = f"{os.uname().nodename}/{os.getpid()}/{secrets.token_hex(4)}"
        self._thread = TurningThread("courier", self._turn, self._finish, counters)
        self._homes = Homes(config, self._thread.selector, counters, look_up)
        self._flights: dict[int, _Flight] = {}
        self._delivered: list[int] = []
        self._unanswered: dict[int, int] = {}
        self._unsent: list[int] = []
        self._next_poll = self._next_tick = self._next_drop = 0.0
        self._log = get_logger("radius.courier")

    def start(self) -> None:
        """Begin."""
        self._homes.names.start(self._thread.wake)
        self._thread.start()

    def stop(self) -> None:
        """End, and give back what was not answered."""
        self._thread.stop(_STOP_SECONDS)

    def _turn(self) -> None:
        for key, mask in self._thread.select(_TICK_SECONDS):
            link, data = key.data
            home = self._homes.of(link)
            was = home.liveness.state
            now = time.monotonic()
            for arrived in home.ready(mask, data, now):
                self._arrived(home, arrived.what)
            self._look_for_death(home, was, now)
        now = time.monotonic()
        if now >= self._next_tick:
            self._next_tick = now + _TICK_SECONDS
            self._tick(now)
        if now >= self._next_poll:
            self._next_poll = now + POLL_SECONDS
            try:
                self._poll(now)
            except BackendUnavailable as error:
                self._counters.add("proxy_accounting_backend_unavailable")
                self._log.warning("relay_outbox_unavailable", error=str(error))

    def _poll(self, now: float) -> None:
        """Note what has come of the last packets, and take the next ones up."""
        self._every_poll()
        self._write()
        moment = self._office.clock()
        if now >= self._next_drop:
            self._next_drop = now + DROP_EVERY_SECONDS
            with self._office.database.write() as session:
                dropped = relay_outbox.drop_older(session, moment - self._keep)
            if dropped:
                self._counters.add("proxy_accounting_lost", dropped)
                self._log.error("accounting_not_delivered", packets=dropped, kept_for=self._keep)
        for pool, realms in self._realms.items():
            room = UNDER_WAY - sum(flight.pool == pool for flight in self._flights.values())
            if room <= 0 or not self._is_alive(pool):
                continue
            with self._office.database.read() as session:
                if not relay_outbox.is_due(session, realms, moment):
                    continue
            with self._office.database.write() as session:
                claimed = relay_outbox.claim(
                    session, realms, self._node, moment, moment + self._lease, room
                )
            for owed in claimed:
                flight = _Flight(owed, pool)
                self._flights[owed.number] = flight
                self._ask(flight, now)

    def _write(self) -> None:
        if not (self._delivered or self._unanswered or self._unsent):
            return
        now = self._office.clock()
        with self._office.database.write() as session:
            relay_outbox.delivered(session, self._node, self._delivered)
            relay_outbox.put_off(session, self._node, now, self._unanswered)
            relay_outbox.release(session, self._node, now, self._unsent)
        self._delivered, self._unanswered, self._unsent = [], {}, []

    def _is_alive(self, pool: Pool) -> bool:
        return any(home.liveness.state is not State.DEAD for home in self._candidates(pool))

    def _candidates(self, pool: Pool) -> list[Home]:
        return self._homes.named(pool, accounting=True)

    def _ask(self, flight: _Flight, now: float) -> None:
        """Send it to the best server that has not had it, or put it off."""
        waited = int((self._office.clock() - flight.owed.received_at).total_seconds())
        for home in self._candidates(flight.pool):
            if home.name in flight.asked or home.liveness.state is State.DEAD:
                continue
            flight.asked.append(home.name)
            hop = Hop(home.link.secret, secrets.token_bytes(16))
            try:
                packet = decode(flight.owed.octets)
                pairs = relaying.delayed(relaying.outgoing(packet, None, hop, self._terms), waited)
                ticket = home.ask(Code.ACCOUNTING_REQUEST, hop, pairs, flight, now)
            except MalformedPacket as error:
                self._log.error("accounting_not_sendable", server=home.name, error=str(error))
                self._counters.add("proxy_accounting_lost")
                self._end(flight)
                self._delivered.append(flight.owed.number)
                return
            if ticket is not None:
                self._counters.add("proxy_requests", server=home.name)
                flight.tickets.append((home, ticket))
                flight.asked_at, flight.was_repeated = now, False
                return
        self._give_up(flight)

    def _give_up(self, flight: _Flight) -> None:
        self._end(flight)
        if flight.tickets and self._is_alive(flight.pool):
            self._unanswered[flight.owed.number] = flight.owed.attempts
            self._counters.add("proxy_accounting_put_off")
        else:  # nobody is there: it is due as soon as somebody is
            self._unsent.append(flight.owed.number)

    def _end(self, flight: _Flight) -> None:
        for home, ticket in flight.tickets:
            home.link.drop(ticket)
        self._flights.pop(flight.owed.number, None)

    def _arrived(self, home: Home, flight: _Flight) -> None:
        if flight.owed.number not in self._flights:
            return
        self._end(flight)
        self._delivered.append(flight.owed.number)
        self._counters.add("proxy_accounting_delivered", server=home.name)
        self._next_poll = min(self._next_poll, time.monotonic() + _SOON_SECONDS)

    def _tick(self, now: float) -> None:
        for home in self._homes.all():
            was = home.liveness.state
            home.tick(now)
            self._look_for_death(home, was, now)
        for flight in list(self._flights.values()):
            if not flight.tickets:
                continue
            waited = now - flight.asked_at
            home, ticket = flight.tickets[-1]
            if waited >= self._answer_seconds:
                home.timed_out(flight.asked_at, now)
                self._ask(flight, now)
            elif waited >= self._answer_seconds / 2 and not flight.was_repeated:
                home.link.again(ticket)
                flight.was_repeated = True

    def _look_for_death(self, home: Home, was: State, now: float) -> None:
        """A server was found dead: ask the next one at once."""
        if home.liveness.state is not State.DEAD or was is State.DEAD:
            return
        for flight in list(self._flights.values()):
            if flight.tickets and flight.tickets[-1][0] is home:
                self._ask(flight, now)

    def _finish(self) -> None:
        self._unsent += _numbers(self._flights.values())
        try:
            self._write()
        except BackendUnavailable as error:
            # Its lease ends, and somebody else takes it up.
            self._log.warning("relay_outbox_unavailable", error=str(error))
        self._homes.close()


def _numbers(flights: Iterable[_Flight]) -> list[int]:
    return [flight.owed.number for flight in flights]
