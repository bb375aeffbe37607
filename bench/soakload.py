"""The access points and people of bench/soak.py: sessions at a steady pace, whatever happens.

Each session is a login, a start, interim updates and a stop, sent again until answered, as a
NAS does. It notes what every client was told; it judges nothing.
"""

from __future__ import annotations

import heapq
import itertools
import select
import socket
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.radius import KEY, PASSWORD
from tests.integration.radius_packets import (
    ACCESS_ACCEPT,
    ACCOUNTING_RESPONSE,
    INTERIM,
    START,
    STOP,
    access_request,
    accounting_request,
    reply_fits,
)

SESSIONS_A_DAY = 20_000
SESSION_SECONDS = 3600
INTERIM_SECONDS = 300
DAY_SECONDS = 86_400
SOAK_SECONDS = 600
"""A day is squeezed into so much; a shorter run is a part of the day at the same pace."""

HASTE = DAY_SECONDS / SOAK_SECONDS
SESSIONS_A_SECOND = SESSIONS_A_DAY / SOAK_SECONDS
INTERIMS = SESSION_SECONDS // INTERIM_SECONDS - 1
PACKETS_A_SECOND = SESSIONS_A_SECOND * (1 + 1 + INTERIMS + 1)
WRONG_EVERY = 16
"""One login in so many has a wrong password."""

DIRECTORY_EVERY = 8
"""One login in so many is of a person whom only the directory knows, if there is one."""

USERS = 400
_SOCKETS = 64
_AGAIN_SECONDS = 1.0
_LOGIN_COPIES = 20
"""A person gives up then; accounting is sent until it is answered."""

Fact = tuple[str, int, int]
"""Acct-Session-Id, Acct-Status-Type, Acct-Session-Time of one accounting packet."""


@dataclass(slots=True)
class Told:
    """What the clients were told."""

    acknowledged: set[Fact] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    """The station of each login that was accepted; every login has its own."""
    wrong_accepted: list[str] = field(default_factory=list)
    """Stations let in with a wrong password."""
    counts: Counter[str] = field(default_factory=Counter)
    directory_accepted_at: float = 0.0
    """When somebody of the directory was last let in, monotonic seconds."""
    longest_wait: float = 0.0
    """Seconds from the first copy of an accounting packet to its answer."""


@dataclass(slots=True)
class _Waiting:
    octets: bytes
    first_sent: float
    last_sent: float
    copies: int
    answered: Callable[[bytes], None]
    is_login: bool


class Sessions:
    """All of it in one thread; call `step` often."""

    def __init__(self, auth: int, acct: int, directory_people: int = 0) -> None:
        self.told = Told()
        self.directory_people = directory_people
        self._poller = select.epoll()
        self._wires: dict[int, socket.socket] = {}
        self._free: dict[int, deque[tuple[int, int]]] = {auth: deque(), acct: deque()}
        """By port: (handle, identifier) that no packet under way has, the longest unused first."""
        self._port_of: dict[int, int] = {}
        self._auth, self._acct = auth, acct
        self._waiting: dict[tuple[int, int], _Waiting] = {}
        self._calendar: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._next_session = time.monotonic()
        self._next_look = 0.0
        self._number = itertools.count()
        self.is_open = True
        """Whether new sessions begin."""
        for port in (auth, acct):
            for _ in range(_SOCKETS if port == acct else _SOCKETS // 4):
                self._add_socket(port)

    def _add_socket(self, port: int) -> None:
        wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        wire.connect(("127.0.0.1", port))
        wire.setblocking(False)
        handle = wire.fileno()
        self._wires[handle] = wire
        self._port_of[handle] = port
        self._poller.register(handle, select.EPOLLIN)
        self._free[port] += [(handle, identifier) for identifier in range(256)]

    @property
    def unanswered(self) -> int:
        """Packets under way."""
        return len(self._waiting)

    @property
    def is_over(self) -> bool:
        """Whether every session has ended and everything is answered or given up."""
        return not (self.is_open or self._waiting or self._calendar)

    def hurry(self) -> None:
        """Begin no session any more and end at once those that are on."""
        self.is_open = False
        self._calendar = [
            (0.0, order, action) for _, order, action in self._calendar
        ]  # all due, still in order

    def close(self) -> None:
        """Close the sockets."""
        self._poller.close()
        for wire in self._wires.values():
            wire.close()

    def step(self, seconds: float) -> None:
        """Wait at most so long for an answer, then do what is due."""
        for handle, _ in self._poller.poll(seconds):
            self._receive(handle)
        now = time.monotonic()
        while self.is_open and now >= self._next_session:
            self._next_session += 1 / SESSIONS_A_SECOND
            self._begin(next(self._number))
        while self._calendar and self._calendar[0][0] <= now:
            heapq.heappop(self._calendar)[2]()
        if now >= self._next_look:
            self._next_look = now + _AGAIN_SECONDS / 4
            self._send_again(now)

    def _begin(self, number: int) -> None:
        station = f"02{number:010x}"
        is_of_directory = bool(self.directory_people) and number % DIRECTORY_EVERY == 0
        user = f"user{number % USERS}"
        if is_of_directory:
            user = f"person{number // DIRECTORY_EVERY % self.directory_people}"
        is_wrong = number % WRONG_EVERY == WRONG_EVERY - 1
        if is_of_directory:
            is_wrong = number // DIRECTORY_EVERY % WRONG_EVERY == WRONG_EVERY - 1
        password = b"wrong " + PASSWORD if is_wrong else PASSWORD

        def answered(reply: bytes) -> None:
            accepted = reply[0] == ACCESS_ACCEPT
            self.told.counts["accepts" if accepted else "rejects"] += 1
            if is_of_directory:
                kind = "let in by the directory" if accepted else "refused by the directory"
                self.told.counts[kind] += 1
                if accepted:
                    self.told.directory_accepted_at = time.monotonic()
            if is_wrong:
                if accepted:
                    self.told.wrong_accepted.append(station)
                return
            if not accepted:
                self.told.counts["right passwords refused"] += 1
                return
            self.told.accepted.add(station)
            self._account(f"soak-{number}", user, 0)

        self._send(
            self._auth,
            lambda identifier: access_request(
                identifier, KEY, user.encode(), password, station.encode()
            ),
            answered,
        )

    def _account(self, session: str, user: str, step: int) -> None:
        """Send the packet of one step of a session, and plan the next when it is answered."""
        status = START if step == 0 else STOP if step > INTERIMS else INTERIM
        seconds = step * INTERIM_SECONDS
        due = time.monotonic() + INTERIM_SECONDS / HASTE

        def answered(reply: bytes) -> None:
            assert reply[0] == ACCOUNTING_RESPONSE
            self.told.acknowledged.add((session, status, seconds))
            if status != STOP:
                following = step + 1 if self.is_open else INTERIMS + 1
                self._plan(due if self.is_open else 0.0, session, user, following)

        self._send(
            self._acct,
            lambda identifier: accounting_request(
                identifier, KEY, status, session.encode(), name=user.encode(), seconds=seconds
            ),
            answered,
        )

    def _plan(self, due: float, session: str, user: str, step: int) -> None:
        def act() -> None:
            self._account(session, user, step if self.is_open else INTERIMS + 1)

        heapq.heappush(self._calendar, (due, next(self._order), act))

    def _send(
        self, port: int, make: Callable[[int], bytes], answered: Callable[[bytes], None]
    ) -> None:
        if not self._free[port]:
            self._add_socket(port)
        handle, identifier = self._free[port].popleft()
        now = time.monotonic()
        octets = make(identifier)
        self._waiting[handle, identifier] = _Waiting(
            octets, now, now, 1, answered, port == self._auth
        )
        self.told.counts["sent"] += 1
        self._transmit(handle, octets)

    def _receive(self, handle: int) -> None:
        while True:
            try:
                reply = self._wires[handle].recv(4096)
            except BlockingIOError:
                return
            except ConnectionError:
                continue  # nobody listened for a moment
            waiting = self._waiting.get((handle, reply[1]))
            if waiting is None or not reply_fits(waiting.octets, reply, KEY):
                self.told.counts["late or doubled answers"] += 1
                continue
            del self._waiting[handle, reply[1]]
            self._free[self._port_of[handle]].append((handle, reply[1]))
            waited = time.monotonic() - waiting.first_sent
            if not waiting.is_login:
                self.told.longest_wait = max(self.told.longest_wait, waited)
            self.told.counts["answered"] += 1
            waiting.answered(reply)

    def _send_again(self, now: float) -> None:
        for (handle, identifier), waiting in list(self._waiting.items()):
            if now - waiting.last_sent < _AGAIN_SECONDS:
                continue
            if waiting.is_login and waiting.copies >= _LOGIN_COPIES:
                self.told.counts["logins given up"] += 1
                del self._waiting[handle, identifier]
                self._free[self._auth].append((handle, identifier))
                continue
            waiting.last_sent, waiting.copies = now, waiting.copies + 1
            self.told.counts["sent again"] += 1
            self._transmit(handle, waiting.octets)

    def _transmit(self, handle: int, octets: bytes) -> None:
        try:
            self._wires[handle].send(octets)
        except (BlockingIOError, ConnectionError):
            self.told.counts["not sent at once"] += 1  # it is sent again
