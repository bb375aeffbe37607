"""Many phones' HTTP over TCP from one thread: it costs the machine little beside what it measures.

A phone is a generator that yields requests and is sent their answers. Connections stay open from
one request to the next; only heads and lengths are read, as far as a phone needs them.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

Phone = Generator[bytes, "Answer", None]
"""One visit: yields a request, is sent the answer, and ends."""

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: (\d+)")
_CLOSES = re.compile(rb"(?i)\r\nconnection: close")
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and how long it took from the first octet sent."""

    head: bytes
    body: bytes
    seconds: float

    @property
    def status(self) -> int:
        return int(self.head[9:12])

    def header(self, name: bytes) -> str:
        """The value of a header, or the empty text."""
        found = re.search(rb"(?i)\r\n" + re.escape(name) + rb": ([^\r]*)", self.head)
        return found[1].decode("latin-1") if found else ""


@dataclass(slots=True)
class Walks:
    """What a load came to."""

    seconds: float = 0.0
    done: int = 0
    requests: int = 0


@dataclass(slots=True)
class _Line:
    """One connection, and the phone that has it now."""

    phone: Phone | None = None
    connection: socket.socket | None = None
    sent: float = 0.0
    received: bytearray = field(default_factory=bytearray)
    due: float = 0.0


def walk(
    port: int,
    phones: Callable[[int], Phone],
    connections: int,
    *,
    seconds: float = 0.0,
    count: int = 0,
    rate: float = 0.0,
    fresh: bool = False,
) -> Walks:
    """Let phones walk, for `seconds` or `count` of them, on so many connections at a time.

    Args:
        phones: makes the phone with this number.
        rate: walks begun a second; 0 is as many as there is room for.
        fresh: each phone makes a connection of its own, as phones do.
    """
    return _Crowd(port, phones, fresh).run(connections, seconds, count, rate)


class _Crowd:
    def __init__(self, port: int, phones: Callable[[int], Phone], fresh: bool) -> None:
        self._port, self._phones, self._fresh = port, phones, fresh
        self._selector = selectors.DefaultSelector()
        self._walks = Walks()
        self._begun = 0

    def run(self, connections: int, seconds: float, count: int, rate: float) -> Walks:
        began = time.perf_counter()
        gap = connections / rate if rate else 0.0
        lines = [_Line(due=began + gap * place / connections) for place in range(connections)]
        waiting = list(lines)
        while True:
            now = time.perf_counter()
            over = self._begun >= count if count else now - began >= seconds
            for line in [one for one in waiting if over or one.due <= now]:
                waiting.remove(line)
                if not over:
                    line.due += gap
                    self._begin(line)
                    over = bool(count) and self._begun >= count
            if not waiting and not self._selector.get_map():
                break
            until = min((one.due for one in waiting), default=now + _PATIENCE_SECONDS)
            events = self._selector.select(max(0.0, until - now))
            if not events and not waiting:
                raise TimeoutError("the portal does not answer")
            for key, _ in events:
                if self._read(key.data):
                    waiting.append(key.data)
        self._walks.seconds = time.perf_counter() - began
        for line in lines:
            self._hang_up(line)
        self._selector.close()
        return self._walks

    def _begin(self, line: _Line) -> None:
        line.phone = self._phones(self._begun)
        self._begun += 1
        if self._fresh:
            self._hang_up(line)
        self._send(line, next(line.phone))

    def _send(self, line: _Line, request: bytes) -> None:
        line.sent = time.perf_counter()
        if line.connection is None:
            line.connection = socket.create_connection(("127.0.0.1", self._port))
            line.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.connection.sendall(request)
        self._selector.register(line.connection, selectors.EVENT_READ, line)

    def _read(self, line: _Line) -> bool:
        """Take what has come; whether this phone's walk is over."""
        assert line.connection is not None and line.phone is not None
        part = line.connection.recv(1 << 16)
        if not part:
            raise ConnectionError("the portal closed the connection before it had answered")
        line.received += part
        head, ended, body = bytes(line.received).partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not ended or len(body) < (int(length[1]) if length else 0):
            return False
        self._selector.unregister(line.connection)
        line.received.clear()
        self._walks.requests += 1
        if _CLOSES.search(head):
            self._hang_up(line)
        answer = Answer(head, body, time.perf_counter() - line.sent)
        try:
            request = line.phone.send(answer)
        except StopIteration:
            self._walks.done += 1
            line.phone = None
            return True
        self._send(line, request)
        return False

    @staticmethod
    def _hang_up(line: _Line) -> None:
        if line.connection is not None:
            line.connection.close()
            line.connection = None
