"""Dynamic authorization over a connection that a NAS has opened, in the shape of a UDP socket.

RFC 6614 section 2.5 lets these packets travel on the one connection; that a server may send them
to whom it serves is draft-ietf-radext-reverse-coa. `radius_server.coa_sender` sends and hears
here as on a socket; addresses are (RadSec identity, 0). The other end is the RadSec server.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections import OrderedDict, deque
from collections.abc import Callable, Collection

from common.errors import MalformedPacket
from radius_server.packet.forming import classic_reply_of, modern_request_of
from radius_server.radsec.connection import Connection

_WAITING = 256
"""Requests of one connection whose answer may still come; over UDP an identifier lasts as long."""

Place = tuple[str, int]


class ReverseChannel:
    """Handed to a CoaSender as its socket for RadSec; the two ends are in different threads."""

    family = socket.AF_UNIX

    def __init__(self) -> None:
        self._ask: Callable[[bytes, str], None] = lambda _octets, _identity: None
        self._present: Callable[[], Collection[int]] = tuple
        self._came: deque[tuple[bytes, Place]] = deque()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)

    def connect(
        self, ask: Callable[[bytes, str], None], present: Callable[[], Collection[int]]
    ) -> None:
        """Args: ask: sends a packet to a NAS; present: the numbers of those connected here."""
        self._ask, self._present = ask, present

    def present(self) -> Collection[int]:
        """The nas_client_id of every NAS that has a connection to this worker."""
        return self._present()

    def take(self, datagram: bytes, identity: str) -> None:
        """An answer has come; from the server's thread."""
        self._came.append((datagram, (identity, 0)))
        with contextlib.suppress(OSError):  # full: a wake is waiting already; closed: at the end
            self._wake_in.send(b"\0")

    # What a CoaSender calls.

    def fileno(self) -> int:
        """What becomes readable when there is an answer."""
        return self._wake_out.fileno()

    def setblocking(self, _flag: bool) -> None:
        """It never blocks."""

    def sendto(self, octets: bytes, place: Place) -> None:
        """Send a request to a NAS, if it is still there."""
        self._ask(octets, place[0])

    def recvfrom(self, _octets: int) -> tuple[bytes, Place]:
        """An answer and whose it is; raises BlockingIOError when there is none."""
        with contextlib.suppress(BlockingIOError):
            while self._wake_out.recv(4096):
                pass
        try:
            return self._came.popleft()
        except IndexError:
            raise BlockingIOError from None

    def close(self) -> None:
        """Let go of what `fileno` gave."""
        self._wake_in.close()
        self._wake_out.close()


class Asked:
    """What one connection has been asked, so that its answers can be told apart.

    RADIUS/1.0 has Identifiers for that, in each direction its own; RADIUS/1.1 has Tokens
    (RFC 9765 section 4.2), and its packets are turned into those of RADIUS/1.0 and back.
    """

    def __init__(self) -> None:
        self._by_token: OrderedDict[bytes, bytes] = OrderedDict()
        self._next = secrets.randbits(32)

    def outgoing(self, connection: Connection, octets: bytes) -> bytes:
        """A request as this connection takes it."""
        if not connection.is_modern:
            return octets
        self._next = (self._next + 1) & 0xFFFFFFFF
        token = self._next.to_bytes(4, "big")
        self._by_token[token] = octets
        if len(self._by_token) > _WAITING:
            self._by_token.popitem(last=False)
        return modern_request_of(octets, token)

    def incoming(self, connection: Connection, octets: bytes, secret: bytes) -> bytes:
        """An answer as RADIUS/1.0 says it.

        Raises:
            MalformedPacket: broken structure, or an answer to nothing.
        """
        if not connection.is_modern:
            return octets
        request = self._by_token.pop(octets[4:8], None)
        if request is None:
            raise MalformedPacket("an answer to nothing that was asked")
        return classic_reply_of(octets, request, secret)
