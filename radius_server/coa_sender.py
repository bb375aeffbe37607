"""Sends what the outbox of dynamic authorization holds, and notes what each NAS answers.

One thread beside the RADIUS workers. A round sends the same octets up to four times, so that
a NAS can tell a copy (RFC 5080 section 2.2.1); rounds and leases are identity.services.outbox's.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any, Protocol

from common.errors import BackendUnavailable, MalformedPacket, NotAuthentic
from common.logging import get_logger
from common.metrics import Counters
from identity.domain.dynamic import Kind, State
from identity.office import Office
from identity.services import outbox
from identity.services.outbox import Order
from radius_server.packet.dynamic import (
    DynamicCode,
    DynamicReply,
    encode_request,
    error_name,
    read_reply,
)
from radius_server.packet.packet import Packet, decode
from radius_server.process.dynamic import SessionFacts, profile_of, request_attributes

WAIT_SECONDS = 5.0
DRAIN_SECONDS = 1.0
MAXIMUM_FLIGHTS = 128
MAXIMUM_FLIGHTS_A_NAS = 16
"""A school that closes ends a thousand sessions at once; an access point is a small computer."""

_CODES = {Kind.DISCONNECT: DynamicCode.DISCONNECT_REQUEST, Kind.COA: DynamicCode.COA_REQUEST}
_RESOURCES_UNAVAILABLE = 506
_LARGEST_CAUSE = 2**31 - 1
"""A greater number has no meaning, and no room in the database."""

Destination = tuple[str, int]


class Channel(Protocol):
    """A UDP socket, or what behaves like one."""

    @property
    def family(self) -> int:
        """Of its addresses."""

    def fileno(self) -> int:
        """What becomes readable when something has come."""

    def setblocking(self, flag: bool, /) -> None:
        """Whether its calls wait."""

    def sendto(self, octets: bytes, place: Any, /) -> object:
        """Send one packet."""

    def recvfrom(self, octets: int, /) -> tuple[bytes, Any]:
        """One packet that has come, and from where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often the outbox is looked at and how patient a round is; shorter than a lease."""

    send_after: tuple[float, ...] = (0.0, 1.0, 3.0, 7.0)
    """Seconds after the first sending at which the octets are sent."""
    round_seconds: float = 12.0
    """The last copy too has five seconds to be answered."""
    poll_seconds: float = 1.0
    """A change must reach its NAS within five seconds; a look at an empty outbox is cheap."""


PACE = Pace()
REVERSE_PACE = Pace(send_after=(0.0,))
"""What is sent over TLS arrives, or the connection breaks: no copies (RFC 6613 section 2.6.1)."""


@dataclass(slots=True)
class _Flight:
    """One request on its way."""

    order: Order
    octets: bytes
    destination: Destination
    socket: Channel
    begun_at: float
    sent: int = 0

    def due_at(self, pace: Pace) -> float:
        """When to send it again, or to give it up."""
        if self.sent < len(pace.send_after):
            return self.begun_at + pace.send_after[self.sent]
        return self.begun_at + pace.round_seconds


class CoaSender:
    """Claims, sends, hears and notes. Everything happens in the thread that calls `run`."""

    def __init__(
        self,
        office: Office,
        counters: Counters,
        sockets: Sequence[Channel],
        every_poll: Callable[[], object] = lambda: None,
        pace: Pace = PACE,
        present: Callable[[], Collection[int]] | None = None,
    ) -> None:
        """Args: present: which NAS are connected here, for a sender over their connections."""
        self._office = office
        self._counters = counters
        self._sockets = {item.family: item for item in sockets}
        self._present = present
        self._every_poll = every_poll
        self._pace = pace
        self._node = f"{os.uname().nodename}/{os.getpid()}/{secrets.token_hex(4)}"
        self._flights: dict[tuple[Destination, int], _Flight] = {}
        self._waiting: list[tuple[float, Order]] = []
        """Claimed when, but their NAS has enough to answer already."""
        self._poll_now = False
        self._unwritten: list[tuple[Order, State | None, int | None]] = []
        self._identifiers: dict[Destination, int] = {}
        self._stopping = threading.Event()
        self._log = get_logger("radius.dynamic")

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stopping.set()

    def run(self) -> None:
        """Serve the outbox until `stop`, then hear what is still to be heard and let go."""
        with selectors.DefaultSelector() as selector:
            for item in self._sockets.values():
                item.setblocking(False)
                selector.register(item, selectors.EVENT_READ, item)
            next_poll = 0.0
            while not self._stopping.is_set():
                now = time.monotonic()
                if now >= next_poll or (self._poll_now and not self._waiting):
                    next_poll = now + self._pace.poll_seconds
                    self._poll_now = False
                    self._safely(self._poll)
                self._wait(selector, next_poll)
            deadline = time.monotonic() + DRAIN_SECONDS
            while self._flights and time.monotonic() < deadline:
                self._wait(selector, deadline)
        self._safely(self._let_go)

    def _wait(self, selector: selectors.BaseSelector, until: float) -> None:
        """Send what is due, then listen until something is due again."""
        self._resend(time.monotonic())
        due = min((flight.due_at(self._pace) for flight in self._flights.values()), default=until)
        heard = selector.select(max(0.0, min(due, until) - time.monotonic()))
        for key, _ in heard:
            self._receive(key.data)
        if self._unwritten:
            self._safely(self._write)
        self._safely(self._begin_waiting)

    def _safely(self, step: Callable[[], None]) -> None:
        """A fault of one turn is logged and counted, and the thread lives."""
        try:
            step()
        except BackendUnavailable as error:
            self._counters.add("dynamic_backend_unavailable")
            self._log.warning("outbox_unavailable", error=str(error))
        except Exception:
            self._counters.add("dynamic_internal_errors")
            self._log.exception("dynamic_turn_failed")

    def _poll(self) -> None:
        self._every_poll()
        self._write()
        if self._present is not None and not self._present():
            return  # nobody is there to be asked, and the database is left alone
        room = MAXIMUM_FLIGHTS - len(self._flights) - len(self._waiting)
        present = None if self._present is None else self._present()
        office = self._office
        if room > 0 and outbox.ask_due(office.database, office.clock(), present):
            with self._office.database.write() as session:
                claimed = outbox.claim(session, self._office, self._node, room, present)
            now = time.monotonic()
            self._waiting += [(now, order) for order in claimed]
            self._poll_now = len(claimed) == room
        self._begin_waiting()
        self._write()
        self._defer(time.monotonic() - WAIT_SECONDS)

    def _begin_waiting(self) -> None:
        busy: Counter[Destination | None] = Counter(place for place, _ in self._flights)
        waiting, self._waiting = self._waiting, []
        for since, order in waiting:
            destination = _destination(order)
            if busy[destination] >= MAXIMUM_FLIGHTS_A_NAS:
                self._waiting.append((since, order))
                continue
            busy[destination] += 1
            try:
                self._begin(order, destination)
            except Exception:
                # It would fail the next time too; the others are not to wait for it.
                self._log.exception(
                    "request_not_made", nas=order.nas_name, request=order.request_id
                )
                self._note(order, State.FAILED)

    def _defer(self, before: float) -> None:
        """Give back what has waited so long that its lease would end on the way."""
        late = [order.request_id for since, order in self._waiting if since <= before]
        if late:
            again = self._office.clock() + timedelta(seconds=WAIT_SECONDS)
            with self._office.database.write() as session:
                outbox.release(session, again, self._node, late)
            self._waiting = [entry for entry in self._waiting if entry[0] > before]

    def _begin(self, order: Order, destination: Destination | None) -> None:
        channel = self._channel(destination)
        if destination is None or channel is None:
            self._note(order, State.UNSUPPORTED)
            return
        identifier = self._identifier(destination)
        self._flights[destination, identifier] = _Flight(
            order=order,
            octets=encode_request(
                _CODES[order.kind], identifier, self._attributes(order), order.secret
            ),
            destination=destination,
            socket=channel,
            begun_at=time.monotonic(),
        )

    def _attributes(self, order: Order) -> bytes:
        said: Packet | None = None
        if order.last_packet is not None:
            said = decode(order.last_packet.octets)
        facts = SessionFacts(
            user_name=order.user_name,
            acct_session_id=order.acct_session_id,
            calling_station_id=order.calling_station_id,
            audit_session=order.audit_session,
            nas_address=order.nas_address,
        )
        return request_attributes(
            order.vendor, order.kind, order.change, facts, said, self._office.clock()
        )

    def _channel(self, destination: Destination | None) -> Channel | None:
        if destination is None:
            return None
        if self._present is not None:
            return next(iter(self._sockets.values()))
        is_v6 = ip_address(destination[0].partition("%")[0]).version == 6
        return self._sockets.get(socket.AF_INET6 if is_v6 else socket.AF_INET)

    def _identifier(self, destination: Destination) -> int:
        """The next identifier for this NAS; it comes again after 256 requests at the earliest."""
        last = self._identifiers.get(destination, secrets.randbelow(256))
        identifier = (last + 1) % 256
        while (destination, identifier) in self._flights:
            identifier = (identifier + 1) % 256
        self._identifiers[destination] = identifier
        return identifier

    def _resend(self, now: float) -> None:
        for key, flight in list(self._flights.items()):
            if now < flight.due_at(self._pace):
                continue
            if flight.sent == len(self._pace.send_after):
                del self._flights[key]
                self._note(flight.order, None)
                continue
            flight.sent += 1
            self._counters.add("dynamic_sent", kind=flight.order.kind.value)
            # What cannot be sent now is sent again like what was lost.
            with contextlib.suppress(OSError):
                flight.socket.sendto(flight.octets, flight.destination)

    def _receive(self, channel: Channel) -> None:
        while True:
            try:
                datagram, source = channel.recvfrom(4096)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an ICMP error of an earlier datagram
            self._hear(datagram, (str(source[0]), int(source[1])))

    def _hear(self, datagram: bytes, source: Destination) -> None:
        """Take an answer for what it is worth; a forged or foreign one is dropped in silence."""
        key = (source, datagram[1] if len(datagram) > 1 else -1)
        flight = self._flights.get(key)
        if flight is None:
            self._counters.add("dynamic_dropped", reason="unexpected")
            return
        try:
            reply = read_reply(flight.octets, datagram, flight.order.secret)
        except (MalformedPacket, NotAuthentic) as error:
            reason = error.which if isinstance(error, NotAuthentic) else "malformed"
            self._counters.add("dynamic_dropped", reason=reason)
            self._log.warning("answer_dropped", nas=flight.order.nas_name, reason=str(error))
            return
        del self._flights[key]
        self._answered(flight.order, reply)

    def _answered(self, order: Order, reply: DynamicReply) -> None:
        cause = reply.error_cause
        if cause is not None and cause > _LARGEST_CAUSE:
            cause = None
        if reply.acknowledged:
            self._note(order, State.ACKED, cause)
        elif cause == _RESOURCES_UNAVAILABLE:
            self._note(order, None, cause)
        else:
            self._note(order, State.NAKKED, cause)

    def _note(self, order: Order, state: State | None, error_cause: int | None = None) -> None:
        """Remember an outcome until it is written; None means that this round brought none."""
        self._unwritten.append((order, state, error_cause))
        outcome = state.value if state else "unanswered"
        self._counters.add("dynamic_outcomes", kind=order.kind.value, outcome=outcome)
        tell = self._log.info if state is State.ACKED else self._log.warning
        tell(
            "nas_answered" if state in (State.ACKED, State.NAKKED) else "nas_not_asked_or_silent",
            nas=order.nas_name,
            kind=order.kind.value,
            session=order.session_key,
            outcome=outcome,
            error_cause=None if error_cause is None else error_name(error_cause),
            round=order.attempts,
        )

    def _write(self) -> None:
        if not self._unwritten:
            return
        now = self._office.clock()
        try:
            self._write_all(now, self._unwritten)
        except BackendUnavailable:
            raise
        except Exception:
            for entry in self._unwritten:
                try:
                    self._write_all(now, [entry])
                except BackendUnavailable:
                    raise
                except Exception as error:
                    # Its lease ends, and it is asked again; the others are on record.
                    self._counters.add("dynamic_unwritable")
                    self._log.error(
                        "outcome_not_written", request=entry[0].request_id, error=str(error)
                    )
        self._unwritten.clear()

    def _write_all(
        self, now: datetime, entries: Sequence[tuple[Order, State | None, int | None]]
    ) -> None:
        with self._office.database.write() as session:
            for order, state, error_cause in entries:
                if state is None:
                    outbox.put_off(session, now, self._node, order.request_id)
                else:
                    outbox.finish(session, now, self._node, order.request_id, state, error_cause)

    def _let_go(self) -> None:
        """Give back what was not answered, so that it is taken up at once elsewhere."""
        self._write()
        numbers = [order.request_id for _, order in self._waiting]
        numbers += [flight.order.request_id for flight in self._flights.values()]
        if numbers:
            with self._office.database.write() as session:
                outbox.release(session, self._office.clock(), self._node, numbers)


def _destination(order: Order) -> Destination | None:
    """Where to ask, or None when this NAS is not to be asked."""
    if order.is_reverse:
        return None if order.port == 0 or order.address is None else (order.address, 0)
    port = profile_of(order.vendor).port if order.port is None else order.port
    if not port or order.address is None:
        return None
    return order.address, port
