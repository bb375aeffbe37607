"""A bounded RADIUS load for loopback: many sockets, packets made beforehand.

While the clock runs it only sends and receives, in a closed loop (`run`) or at a steady rate
(`run_steadily`). Response Authenticators are checked afterwards, on a sample.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import select
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

SAMPLE_EVERY = 16
AGAIN_SECONDS = 1.5
LATE_SECONDS = 10.0
"""How long to wait for the last answers when nothing more is sent."""

_IDENTIFIERS = 256


@dataclass(slots=True)
class Measured:
    """What one run came to; latencies in seconds, sorted."""

    answered: int
    seconds: float
    wrong: int
    checked: int
    again: int
    lost: int
    latencies: list[float] = field(repr=False)

    @property
    def rate(self) -> float:
        return self.answered / self.seconds

    def percentile(self, part: float) -> float:
        """The latency that `part` of the answers did not exceed."""
        if not self.latencies:
            return 0.0
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * part))]


class _Source:
    """One socket, its packets in order, and those under way by identifier."""

    __slots__ = ("next", "packets", "under_way", "wire")

    def __init__(self, port: int, packets: Sequence[bytes], address: str = "") -> None:
        self.wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if address:
            self.wire.bind((address, 0))
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.wire.connect(("127.0.0.1", port))
        self.wire.setblocking(False)
        self.packets = packets
        self.next = 0
        self.under_way: dict[int, tuple[int, float, float]] = {}
        """identifier → (which packet, first sent, last sent)."""


def run(
    port: int,
    sources: Sequence[Sequence[bytes]],
    secret: bytes,
    expected_code: int,
    window: int,
    seconds: float,
    addresses: Sequence[str] = (),
) -> Measured:
    """Send each source's packets in order, `window` under way in all, for at most `seconds`.

    A source's identifiers must count 0, 1, … 255, 0, … in the order of its packets.

    Args:
        addresses: of loopback, one a source, that it sends from.
    """
    share = max(1, window // len(sources))
    assert share <= _IDENTIFIERS // 2
    opened = _open(port, sources, addresses)
    by_handle = {source.wire.fileno(): source for source in opened}
    poller = select.epoll()
    for handle in by_handle:
        poller.register(handle, select.EPOLLIN)
    sample: list[tuple[bytes, bytes]] = []
    latencies: list[float] = []
    wrong = again = 0
    began = clock = time.perf_counter()
    deadline = began + seconds
    last_answer = looked = began
    for source in opened:
        for _ in range(share):
            _send_next(source, clock)
    waiting = sum(len(source.under_way) for source in opened)
    while waiting:
        events = poller.poll(0.1)
        clock = time.perf_counter()
        more = clock < deadline
        for handle, _ in events:
            source = by_handle[handle]
            receive = source.wire.recv
            while True:
                try:
                    reply = receive(4096)
                except BlockingIOError:
                    break
                known = source.under_way.pop(reply[1], None)
                if known is None:
                    continue  # the second answer to a packet that was sent twice
                waiting -= 1
                latencies.append(clock - known[1])
                if reply[0] != expected_code:
                    wrong += 1
                if len(latencies) % SAMPLE_EVERY == 0:
                    sample.append((source.packets[known[0]], reply))
                if more and _send_next(source, clock):
                    waiting += 1
        if events:
            last_answer = clock
        if clock - looked > 0.25:
            looked = clock
            again += sum(_send_again(source, clock) for source in opened)
        if clock - last_answer > LATE_SECONDS:
            break
    poller.close()
    for source in opened:
        source.wire.close()
    wrong += sum(not _fits(request, reply, secret) for request, reply in sample)
    return Measured(
        answered=len(latencies),
        seconds=last_answer - began,
        wrong=wrong,
        checked=len(sample),
        again=again,
        lost=waiting,
        latencies=sorted(latencies),
    )


def run_steadily(
    port: int,
    sources: Sequence[Sequence[bytes]],
    secret: bytes,
    expected_code: int,
    rate: float,
    seconds: float,
    addresses: Sequence[str] = (),
) -> Measured:
    """Send `rate` packets a second, the sources in turn, whatever is answered when.

    Latencies count from when a packet was due, so that a late sender flatters nobody.
    """
    opened = _open(port, sources, addresses)
    by_handle = {source.wire.fileno(): source for source in opened}
    poller = select.epoll()
    for handle in by_handle:
        poller.register(handle, select.EPOLLIN)
    turns = itertools.cycle(opened)
    answers: list[tuple[bytes, bytes]] = []
    latencies: list[float] = []
    wrong = again = sent = waiting = 0
    began = clock = last_answer = looked = time.perf_counter()
    while clock < began + seconds or (waiting and clock < last_answer + LATE_SECONDS):
        while sent < (min(clock, began + seconds) - began) * rate:
            waiting += _send_next(next(turns), began + sent / rate)
            sent += 1
        for handle, _ in poller.poll(0.001):
            clock = last_answer = time.perf_counter()
            for request, reply, due in _answers(by_handle[handle]):
                waiting -= 1
                latencies.append(clock - due)
                wrong += reply[0] != expected_code
                if len(latencies) % SAMPLE_EVERY == 0:
                    answers.append((request, reply))
        clock = time.perf_counter()
        if clock - looked > 0.25:
            looked = clock
            again += sum(_send_again(source, clock) for source in opened)
    poller.close()
    for source in opened:
        source.wire.close()
    wrong += sum(not _fits(request, reply, secret) for request, reply in answers)
    return Measured(
        answered=len(latencies),
        seconds=last_answer - began,
        wrong=wrong,
        checked=len(answers),
        again=again,
        lost=waiting,
        latencies=sorted(latencies),
    )


def _open(port: int, sources: Sequence[Sequence[bytes]], addresses: Sequence[str]) -> list[_Source]:
    given = addresses or [""] * len(sources)
    return [_Source(port, *both) for both in zip(sources, given, strict=True)]


def _answers(source: _Source) -> Iterator[tuple[bytes, bytes, float]]:
    """What has come for a source: request, reply, when the request was due."""
    while True:
        try:
            reply = source.wire.recv(4096)
        except BlockingIOError:
            return
        known = source.under_way.pop(reply[1], None)
        if known is not None:
            yield source.packets[known[0]], reply, known[1]


def _send_next(source: _Source, clock: float) -> bool:
    """Send the next packet of a source, when there is one and its identifier is free."""
    number = source.next
    if number >= len(source.packets):
        return False
    packet = source.packets[number]
    if packet[1] in source.under_way:
        return False
    source.next = number + 1
    source.under_way[packet[1]] = (number, clock, clock)
    source.wire.send(packet)
    return True


def _send_again(source: _Source, clock: float) -> int:
    """Send what was not answered for long once more, unchanged; how many."""
    late = [
        (identifier, known)
        for identifier, known in source.under_way.items()
        if clock - known[2] > AGAIN_SECONDS
    ]
    for identifier, (number, first, _) in late:
        source.under_way[identifier] = (number, first, clock)
        source.wire.send(source.packets[number])
    return len(late)


def _fits(request: bytes, reply: bytes, secret: bytes) -> bool:
    """Whether the Response Authenticator is right, RFC 2865 section 3."""
    digest = hashlib.md5(reply[:4] + request[4:20] + reply[20:] + secret).digest()
    return reply[1] == request[1] and hmac.compare_digest(digest, reply[4:20])
