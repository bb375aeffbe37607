"""A NAS that takes Disconnect- and CoA-Requests, built from RFC 5176 alone, on loopback.

It keeps what it received, octet for octet, and answers what a test tells it to.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.conftest import wait_until
from tests.integration.radius_site import SECRET

ACK, NAK = 1, 2
"""What is added to the code of a request."""

Answer = Callable[[int], tuple[int, int | None] | None]
"""The number of requests so far → (ACK or NAK, Error-Cause or None), or None for silence."""


def acknowledge(_number: int) -> tuple[int, int | None]:
    return ACK, None


def refuse(cause: int | None) -> Answer:
    """A NAS that says no."""
    return lambda _number: (NAK, cause)


def stay_silent(_number: int) -> None:
    return None


@dataclass
class DasPeer:
    """What has been received, and how to answer."""

    port: int
    answer: Answer = acknowledge
    secret: bytes = SECRET.encode()
    received: list[bytes] = field(default_factory=list)
    sources: list[tuple[str, int]] = field(default_factory=list)

    def wait(self, count: int = 1, seconds: float = 10.0) -> list[bytes]:
        """The datagrams, once there are `count` of them."""
        wait_until(
            lambda: len(self.received) >= count, seconds, f"{len(self.received)} requests came"
        )
        return self.received

    def values(self, number: int = 0) -> dict[int, bytes]:
        """The attributes of a received request, one value each."""
        datagram, at = self.received[number], 20
        found = {}
        while at < len(datagram):
            found[datagram[at]] = datagram[at + 2 : at + datagram[at + 1]]
            at += datagram[at + 1]
        return found

    def is_authentic(self, number: int = 0) -> bool:
        """Whether Request Authenticator and Message-Authenticator are right, RFC 5176 2.3, 3."""
        octets = self.received[number]
        digest = hashlib.md5(octets[:4] + bytes(16) + octets[20:] + self.secret).digest()
        at = octets.index(b"\x50\x12", 20) + 2
        zeroed = octets[:4] + bytes(16) + octets[20:at] + bytes(16) + octets[at + 16 :]
        return digest == octets[4:20] and octets[at : at + 16] == hmac.digest(
            self.secret, zeroed, "md5"
        )

    def reply(self, datagram: bytes, kind: int, cause: int | None) -> bytes:
        """An ACK or NAK with a Response Authenticator."""
        body = b"" if cause is None else bytes((101, 6)) + cause.to_bytes(4, "big")
        head = struct.pack("!BBH", datagram[0] + kind, datagram[1], 20 + len(body))
        return head + hashlib.md5(head + datagram[4:20] + body + self.secret).digest() + body


@contextmanager
def das_peer(answer: Answer = acknowledge, secret: str = SECRET) -> Iterator[DasPeer]:
    """A peer on a free port of loopback while the block runs."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))
        channel.settimeout(0.1)
        peer = DasPeer(channel.getsockname()[1], answer, secret.encode())
        stopping = threading.Event()

        def serve() -> None:
            while not stopping.is_set():
                try:
                    datagram, source = channel.recvfrom(4096)
                except TimeoutError:
                    continue
                peer.received.append(datagram)
                peer.sources.append(source)
                said = peer.answer(len(peer.received))
                if said is not None:
                    channel.sendto(peer.reply(datagram, *said), source)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield peer
        finally:
            stopping.set()
            thread.join(5)
