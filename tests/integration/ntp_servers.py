"""NTP servers on loopback that tell what a test wants; each ends with its `with` block."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Reply = Callable[[bytes], list[bytes]]
"""The question -> the datagrams that answer it."""


def ntp_time(unix_ns: int) -> bytes:
    seconds, rest = divmod(unix_ns, 1_000_000_000)
    return struct.pack("!II", (seconds + 2_208_988_800) % (1 << 32), (rest << 32) // 1_000_000_000)


def telling(
    *,
    wrong_ms: int = 0,
    stratum: int = 1,
    reference: bytes = b"GNSS",
    leap: int = 0,
    forge_first: bool = False,
) -> Reply:
    """A server whose clock is `wrong_ms` ahead."""

    def reply(question: bytes) -> list[bytes]:
        now = ntp_time(time.time_ns() + wrong_ms * 1_000_000)
        head = struct.pack("!BBbbII4s", leap << 6 | 0x24, stratum, 6, -20, 0, 0, reference) + now
        true = head + question[40:48] + now + now
        forged = head + b"guessed!" + ntp_time(0) + ntp_time(1)
        return [forged, true] if forge_first else [true]

    return reply


def silent(_question: bytes) -> list[bytes]:
    return []


@contextmanager
def ntp_server(reply: Reply) -> Iterator[str]:
    """`host:port` of a server that answers by `reply`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(0.1)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    question, asker = listening.recvfrom(1024)
                except TimeoutError:
                    continue
                for datagram in reply(question):
                    listening.sendto(datagram, asker)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            thread.join()
