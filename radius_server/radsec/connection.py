"""One RadSec client on one TCP connection: its TLS, its packets, who it is, what waits for it."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import sys
import termios
from datetime import datetime
from typing import Any

from radius_server.packet.codes import Code
from radius_server.packet.forming import classic_of, token_of
from radius_server.packet.hiding import Hop
from radius_server.packet.packet import decode
from radius_server.radsec.contexts import MODERN
from radius_server.radsec.framing import Framer
from radius_server.radsec.stream import TlsStream
from radius_server.worker.clients import RADSEC_SECRET

OUTGOING_OCTETS = 256 << 10
"""Some two thousand replies; who reads no faster is let go."""

_READ_OCTETS = 64 << 10
_REQUESTS = frozenset({Code.ACCESS_REQUEST, Code.ACCOUNTING_REQUEST, Code.STATUS_SERVER})


class Lost(Exception):  # noqa: N818 - reads as what happened
    """The connection ended or must end; empty when there is nothing to tell about it."""


class Connection:
    """A client. `source` is (host, port, serial); `heard_at` is in monotonic seconds."""

    def __init__(
        self,
        connected: socket.socket,
        address: tuple[object, ...],
        serial: int,
        stream: TlsStream,
        now: float,
    ) -> None:
        self.socket = connected
        self.source = (str(address[0]), address[1], serial)
        self.serial = serial
        self.stream = stream
        self.began_at = self.heard_at = now
        self.identity = ""
        """As the NAS is registered; empty until that is known."""
        self.has_spoken = False
        """Something has come from it."""
        self.names: tuple[str, ...] = ()
        self.not_after: datetime | None = None
        self.key_of = ""
        """The identity whose pre-shared key the handshake asked for."""
        self.key: bytes | None = None
        """The key that proved it; None: a certificate did."""
        self.is_modern = False
        """RADIUS/1.1 is spoken."""
        self.asked: Any = None
        """What the server has asked it, once it has (radius_server.radsec.reverse)."""
        self._framer = Framer()
        self._outgoing = bytearray()

    def read(self, now: float) -> list[bytes]:
        """The packets that have come.

        Raises:
            Lost: the peer has gone.
            TlsFailure: TLS broke.
            MalformedPacket: what came is no RADIUS.
        """
        try:
            octets = self.socket.recv(_READ_OCTETS)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError as error:
            raise Lost(error.strerror) from error
        if not octets:
            raise Lost
        was_open = self.stream.is_open
        clear = self.stream.receive(octets)
        if self.stream.is_open and not was_open:
            self.is_modern = self.stream.application == MODERN.decode()
        packets = self._framer.feed(clear) if clear else []
        if packets:
            self.heard_at = now
        if self.stream.peer_closed and not packets:
            raise Lost
        return packets

    def request(self, octets: bytes, authenticator: bytes) -> tuple[bytes, tuple[object, ...]]:
        """(datagram, source) as a worker takes one request.

        Args:
            authenticator: 16 random octets, for what RADIUS/1.1 does without.

        Raises:
            MalformedPacket: broken structure; the connection must end (RFC 6613 2.6.4).
        """
        if not self.is_modern:
            decode(octets)
            return octets, self.source
        hop = Hop(RADSEC_SECRET, authenticator)
        return classic_of(octets, hop), (*self.source, token_of(octets), authenticator)

    def send(self, packets: bytes) -> None:
        """Encrypt packets and send as much as goes.

        Raises:
            Lost: the client reads too slowly.
            TlsFailure: TLS broke.
        """
        self.stream.send(packets)
        self.flush()

    def flush(self) -> None:
        """Send what waits, as much as goes; raises as `send`."""
        self._outgoing += self.stream.take()
        while self._outgoing:
            try:
                sent = self.socket.send(self._outgoing)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                raise Lost(error.strerror) from error
            del self._outgoing[:sent]
        if len(self._outgoing) > OUTGOING_OCTETS:
            raise Lost("reads too slowly")

    def is_over(self) -> bool:
        """Whether, at the end, everything was sent and the client has closed as well.

        Closing a socket with unread octets resets the connection, and what the client has not
        read yet would be lost with it.
        """
        try:
            self.flush()
            if self.waits_to_write:
                return False
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
            while self.socket.recv(65536):
                pass
        except (BlockingIOError, InterruptedError):
            return False
        except (OSError, Lost):
            return True
        return True

    @property
    def reads_owed(self) -> int:
        """How many times `read` must be called to have all that has come by now."""
        try:
            octets = fcntl.ioctl(self.socket, termios.FIONREAD, bytes(4))
        except OSError:
            return 0  # it has gone
        return -(-int.from_bytes(octets, sys.byteorder) // _READ_OCTETS)

    @property
    def waits_to_write(self) -> bool:
        """Whether something could not be sent yet."""
        return bool(self._outgoing)


def is_request(code: int) -> bool:
    """Whether a RadSec server answers packets of this code."""
    return code in _REQUESTS
