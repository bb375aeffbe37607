"""Ways to a home server: UDP sockets, or one RadSec connection. Owned by the relay's thread.

A link sends requests under free identifiers and matches replies to them; whether the server
is alive and which one to ask is decided elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from common.errors import MalformedPacket, NotAuthentic
from common.metrics import Counters
from radius_server.packet.codes import Code
from radius_server.packet.forming import read_reply
from radius_server.packet.packet import Packet
from radius_server.proxy.names import Address
from radius_server.radsec import identity
from radius_server.radsec.contexts import Contexts
from radius_server.radsec.framing import Framer
from radius_server.radsec.listening import prepare
from radius_server.radsec.stream import TlsFailure, TlsStream
from radius_server.worker.clients import RADSEC_SECRET

MAXIMUM_CHANNELS = 16
"""Sockets to one server: 4096 requests under way; beyond them it is not keeping up."""

CONNECT_SECONDS = 5.0
BACK_OFF_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0)
_OUTGOING_OCTETS = 1 << 20
_RECEIVE_OCTETS = 4096
_IDENTIFIERS = 256


ANSWERS = {
    Code.ACCESS_REQUEST: frozenset({Code.ACCESS_ACCEPT, Code.ACCESS_REJECT, Code.ACCESS_CHALLENGE}),
    Code.ACCOUNTING_REQUEST: frozenset({Code.ACCOUNTING_RESPONSE}),
    Code.STATUS_SERVER: frozenset({Code.ACCESS_ACCEPT, Code.ACCOUNTING_RESPONSE}),
}
"""Which codes answer which, RFC 2865 section 3, RFC 2866 section 3, RFC 5997 section 3."""


class Unreachable(Exception):  # noqa: N818 - reads as what happened
    """Nobody is there; the text says how that was noticed."""


@dataclass(slots=True)
class Ticket:
    """A request under way. `octets` are what was sent, which the reply is proven against."""

    channel: Channel
    identifier: int
    octets: bytes
    what: Any


class Channel:
    """One socket and the identifiers in use on it."""

    __slots__ = ("_next", "address", "complaints", "socket", "tickets")

    def __init__(self, connected: socket.socket, address: Address) -> None:
        self.socket = connected
        self.address = address
        self.complaints: set[str] = set()
        """Which checks answers have failed, to be told and cleared."""
        self.tickets: dict[int, Ticket] = {}
        self._next = 0

    def free(self) -> int | None:
        """An identifier that no request under way has, the longest unused first, or None."""
        if len(self.tickets) >= _IDENTIFIERS:
            return None
        while self._next in self.tickets:
            self._next = (self._next + 1) % _IDENTIFIERS
        found = self._next
        self._next = (found + 1) % _IDENTIFIERS
        return found


Where = Callable[[], Sequence[Address]]
"""The addresses of a server as they are known now; none: its name is not known yet."""


class Link(Protocol):
    """A way to one home server."""

    secret: bytes
    is_stream: bool
    """What is sent arrives, or the connection breaks: no retransmission."""

    def send(self, build: Callable[[int], bytes], what: Any, now: float) -> Ticket | None:
        """Send the packet that `build` makes for an identifier; None: it cannot be sent now."""

    def again(self, ticket: Ticket) -> None:
        """Send the very same octets again."""

    def drop(self, ticket: Ticket) -> None:
        """Wait for its reply no longer."""

    def ready(self, mask: int, data: Any, now: float) -> Iterator[tuple[Any, Packet, Ticket]]:
        """What has come; raises Unreachable when the way is broken."""

    def tick(self, now: float) -> None:
        """Twice a second; raises as `ready`."""

    def close(self) -> None:
        """Let go of everything."""


class UdpLink:
    """Connected UDP sockets: the kernel keeps other senders off and tells of ICMP errors."""

    is_stream = False

    def __init__(
        self,
        where: Where,
        secret: bytes,
        selector: selectors.BaseSelector,
        counters: Counters,
        *,
        signed: bool,
    ) -> None:
        self.secret = secret
        self._where = where
        self._selector = selector
        self._counters = counters
        self._signed = signed
        self._channels: list[Channel] = []

    def send(self, build: Callable[[int], bytes], what: Any, now: float) -> Ticket | None:
        channel, identifier = self._place()
        if channel is None or identifier is None:
            return None
        ticket = Ticket(channel, identifier, build(identifier), what)
        channel.tickets[identifier] = ticket
        self.again(ticket)
        return ticket

    def again(self, ticket: Ticket) -> None:
        # An ICMP error of an earlier datagram is told here as well; `ready` hears of it too.
        with contextlib.suppress(OSError):
            ticket.channel.socket.send(ticket.octets)

    def drop(self, ticket: Ticket) -> None:
        if ticket.channel.tickets.get(ticket.identifier) is ticket:
            del ticket.channel.tickets[ticket.identifier]

    def ready(self, mask: int, data: Any, now: float) -> Iterator[tuple[Any, Packet, Ticket]]:
        channel: Channel = data
        while True:
            try:
                datagram = channel.socket.recv(_RECEIVE_OCTETS)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                raise Unreachable(error.strerror or str(error)) from error
            found = matched(channel, datagram, self.secret, self._signed, self._counters)
            if found is not None:
                yield found

    def tick(self, now: float) -> None:
        """Leave an address that the server's name does not have any more."""
        known = self._where()
        for channel in list(self._channels):
            if known and channel.address not in known and not channel.tickets:
                self._channels.remove(channel)
                self._let_go(channel)

    def close(self) -> None:
        for channel in self._channels:
            self._let_go(channel)
        self._channels = []

    def _let_go(self, channel: Channel) -> None:
        self._selector.unregister(channel.socket)
        channel.socket.close()

    def _place(self) -> tuple[Channel | None, int | None]:
        known = self._where()
        for channel in self._channels:
            if known and channel.address not in known:
                continue  # only what is under way is waited for there
            identifier = channel.free()
            if identifier is not None:
                return channel, identifier
        if len(self._channels) >= MAXIMUM_CHANNELS:
            return None, None
        made = self._connect()
        if made is None:
            return None, None
        self._channels.append(made)
        return made, made.free()

    def _connect(self) -> Channel | None:
        for family, address in self._where():
            made = socket.socket(family, socket.SOCK_DGRAM)
            try:
                made.connect(address)
            except OSError:
                made.close()
                continue
            made.setblocking(False)
            channel = Channel(made, (family, address))
            self._selector.register(made, selectors.EVENT_READ, (self, channel))
            return channel
        return None


class TlsLink:
    """One RadSec connection, made when it is needed and made again when it breaks."""

    is_stream = True
    secret = RADSEC_SECRET

    def __init__(
        self,
        where: Where,
        name: str,
        contexts: Contexts,
        selector: selectors.BaseSelector,
        counters: Counters,
    ) -> None:
        """Args: name: what must stand in the server's certificate."""
        self._where = where
        self._name = name
        self._contexts = contexts
        self._selector = selector
        self._counters = counters
        self._channel: Channel | None = None
        self._stream: TlsStream | None = None
        self._framer = Framer()
        self._outgoing = bytearray()
        self._began_at = 0.0
        self._next_try = 0.0
        self._failures = 0
        self._waiting: list[Ticket] = []
        """Asked before the handshake was over."""

    def send(self, build: Callable[[int], bytes], what: Any, now: float) -> Ticket | None:
        if self._channel is None and not self._connect(now):
            return None
        assert self._channel is not None
        identifier = self._channel.free()
        if identifier is None:
            return None
        ticket = Ticket(self._channel, identifier, build(identifier), what)
        self._channel.tickets[identifier] = ticket
        assert self._stream is not None
        if self._stream.is_open:
            self._stream.send(ticket.octets)
            self._flush()
        else:
            self._waiting.append(ticket)
        return ticket

    def again(self, ticket: Ticket) -> None:
        """TCP sees to that."""

    def drop(self, ticket: Ticket) -> None:
        if ticket.channel.tickets.get(ticket.identifier) is ticket:
            del ticket.channel.tickets[ticket.identifier]

    def ready(self, mask: int, data: Any, now: float) -> Iterator[tuple[Any, Packet, Ticket]]:
        channel, stream = self._channel, self._stream
        if channel is None or stream is None or data is not channel:
            return
        try:
            if mask & selectors.EVENT_WRITE:
                self._flush()
            packets = self._read(channel, stream) if mask & selectors.EVENT_READ else []
        except (TlsFailure, MalformedPacket) as failure:
            raise Unreachable(str(failure)) from failure
        except OSError as error:
            raise Unreachable(error.strerror or str(error)) from error
        for octets in packets:
            found = matched(channel, octets, self.secret, False, self._counters)
            if found is not None:
                self._failures = 0
                yield found
        if stream.peer_closed:
            raise Unreachable("it closed the connection")

    def tick(self, now: float) -> None:
        is_shaking = self._stream is not None and not self._stream.is_open
        if is_shaking and now - self._began_at > CONNECT_SECONDS:
            raise Unreachable("no connection came about")
        if len(self._outgoing) > _OUTGOING_OCTETS:
            raise Unreachable("it reads too slowly")

    def broken(self, now: float) -> None:
        """Forget the connection; the next comes after a while."""
        self.close()
        last = len(BACK_OFF_SECONDS) - 1
        self._next_try = now + BACK_OFF_SECONDS[min(self._failures, last)]
        self._failures += 1

    def close(self) -> None:
        if self._channel is not None:
            with contextlib.suppress(Exception):
                if self._stream is not None:
                    self._stream.close()
                    self._flush()
            with contextlib.suppress(Exception):
                self._selector.unregister(self._channel.socket)
            self._channel.socket.close()
        self._channel = self._stream = None
        self._framer = Framer()
        self._outgoing.clear()
        self._waiting = []

    def _connect(self, now: float) -> bool:
        if now < self._next_try:
            return False
        self._next_try = now + BACK_OFF_SECONDS[0]
        known = self._where()
        if not known:
            return False
        # After a failure the next of its addresses is tried.
        family, address = known[self._failures % len(known)]
        made = socket.socket(family, socket.SOCK_STREAM)
        prepare(made)
        if made.connect_ex(address) not in (0, errno.EINPROGRESS):
            made.close()
            return False
        self._contexts.refresh()
        self._stream = TlsStream(self._contexts.current, server=False, server_name=self._name)
        self._stream.start()
        self._channel, self._began_at = Channel(made, (family, address)), now
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        self._selector.register(made, both, (self, self._channel))
        return True

    def _read(self, channel: Channel, stream: TlsStream) -> list[bytes]:
        try:
            octets = channel.socket.recv(65536)
        except (BlockingIOError, InterruptedError):
            return []
        if not octets:
            raise Unreachable("it closed the connection")
        was_open = stream.is_open
        clear = stream.receive(octets)
        if stream.is_open and not was_open:
            self._opened(stream)
        self._flush()
        return self._framer.feed(clear)

    def _opened(self, stream: TlsStream) -> None:
        certificate = stream.certificate
        if certificate is None or not identity.matches(certificate, self._name):
            raise Unreachable(f"its certificate is not that of {self._name}")
        for ticket in self._waiting:
            if ticket.channel.tickets.get(ticket.identifier) is ticket:
                stream.send(ticket.octets)
        self._waiting = []

    def _flush(self) -> None:
        assert self._channel is not None and self._stream is not None
        self._outgoing += self._stream.take()
        while self._outgoing:
            try:
                sent = self._channel.socket.send(self._outgoing)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                if error.errno == errno.ENOTCONN:  # TCP is not there yet
                    break
                raise
            del self._outgoing[:sent]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outgoing else 0)
        self._selector.modify(self._channel.socket, wanted, (self, self._channel))


def matched(
    channel: Channel, octets: bytes, secret: bytes, signed: bool, counters: Counters
) -> tuple[Any, Packet, Ticket] | None:
    """(what, reply, ticket) when `octets` prove to answer a request of this channel."""
    ticket = channel.tickets.get(octets[1]) if len(octets) >= 2 else None
    if ticket is None:
        counters.add("proxy_dropped", reason="late")
        return None
    needed = signed and ticket.octets[0] == Code.ACCESS_REQUEST
    try:
        reply = read_reply(octets, ticket.octets, secret, needed)
    except MalformedPacket:
        counters.add("proxy_dropped", reason="malformed")
        return None
    except NotAuthentic as error:
        counters.add("proxy_dropped", reason=error.which)
        channel.complaints.add(error.which)
        return None
    if reply.code not in ANSWERS[Code(ticket.octets[0])]:
        counters.add("proxy_dropped", reason="wrong_code")
        return None
    del channel.tickets[ticket.identifier]
    return ticket.what, reply, ticket
