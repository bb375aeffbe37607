"""The log of translations: what the kernel tells of connections goes to the collector by IPFIX.

Netlink itself, no program in between that could die. What cannot be sent waits, bounded; what is
lost, on either side, is missing from the sequence numbers, so that the collector writes a gap.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice

from captive_portal.gateway import conntrack
from captive_portal.gateway.nat_records import Record, fitting, message, record_of
from common.clock import unix_milliseconds
from common.config_gateway import GatewayKernel
from common.errors import BackendUnavailable, ConfigError, MalformedPacket
from common.logging import get_logger
from common.net import parse_listen

MOST_WAITING = 100_000
"""Records while the collector's network is away: ten megabytes, some minutes of a school."""
FLUSH_SECONDS = 0.5
_RETRY_SECONDS = 2.0
_NETLINK_NETFILTER = 12
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_SO_RCVBUFFORCE = 33
_KERNEL_BUFFER = 8 << 20
"""Some ten thousand events: a school's bell."""
_LARGEST_READ = 1 << 17
_DUMP_SECONDS = 5.0
_DOMAIN = 1
_MOST_IN_A_MESSAGE = 64
"""More than fit."""


class Teller:
    """Sends records to the collector, in order, as far as memory allows.

    Args:
        now_ms: wall-clock milliseconds.
        most: records that may wait.
    """

    def __init__(
        self,
        collector: tuple[str, int],
        now_ms: Callable[[], int] = unix_milliseconds,
        most: int = MOST_WAITING,
    ) -> None:
        self._collector = collector
        self._now_ms = now_ms
        self._most = most
        self._waiting: deque[Record] = deque()
        self._sequence = 0
        """Of the first that waits."""
        self._last: list[Record] = []
        """Sent, and refused if the next one hears so: nobody had the port open."""
        self._wire: socket.socket | None = None
        self._is_away = False
        self._log = get_logger(__name__)

    def start(self) -> None:
        """Make the socket."""
        family = socket.AF_INET6 if ":" in self._collector[0] else socket.AF_INET
        self._wire = socket.socket(family, socket.SOCK_DGRAM)
        self._wire.setblocking(False)

    def stop(self) -> None:
        """Send what waits, once, and close."""
        self.flush()
        if self._wire is not None:
            self._wire.close()

    def tell(self, record: Record) -> None:
        """Take one record; the oldest goes when there are too many."""
        self._waiting.append(record)
        if len(self._waiting) > self._most:
            self._waiting.popleft()
            self._sequence += 1

    def lose(self) -> None:
        """Something is missing here that nobody can count: one number stands for it."""
        self.flush()
        self._sequence += 1

    @property
    def waiting(self) -> int:
        """Records that are not sent yet."""
        return len(self._waiting)

    def flush(self) -> bool:
        """Send what waits; False when some could not be sent."""
        while self._waiting:
            part = list(islice(self._waiting, _MOST_IN_A_MESSAGE))
            part = part[: fitting(part)]
            octets = message(part, self._sequence, _DOMAIN, self._now_ms() // 1000)
            if not self._send(octets):
                return False
            for _ in part:
                self._waiting.popleft()
            self._sequence += len(part)
            self._last = part
        return True

    def _send(self, octets: bytes) -> bool:
        assert self._wire is not None, "it was started"
        try:
            # Connected, so that a closed port is heard of; anew, because its address may have
            # been out of reach before.
            self._wire.connect(self._collector)
            self._wire.send(octets)
        except OSError as error:
            if not self._is_away:
                self._log.warning("collector_unreachable", error=str(error))
            self._is_away = True
            if isinstance(error, ConnectionRefusedError):
                self._waiting.extendleft(reversed(self._last))
                self._sequence -= len(self._last)
                self._last = []
            return False
        if self._is_away:
            self._log.info("collector_reachable", waiting=len(self._waiting))
        self._is_away = False
        return True


class NatLog:
    """Reads the kernel's events until stopped, and has `teller` tell of them."""

    def __init__(self, settings: GatewayKernel, teller: Teller) -> None:
        self._inside = settings.prefixes
        self._own: frozenset[object] = frozenset(own.ip for own in settings.own)
        self._teller = teller
        self._events: socket.socket | None = None
        self._stopping = False
        self._log = get_logger(__name__)

    def start(self) -> None:
        """Listen to the kernel; ConfigError without CAP_NET_ADMIN."""
        self._teller.start()
        self._events = _netlink()
        try:
            for group in conntrack.GROUPS:
                self._events.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
        except PermissionError as error:
            raise ConfigError("the log of translations needs CAP_NET_ADMIN") from error
        with suppress(OSError):
            self._events.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _KERNEL_BUFFER)
        self._events.setblocking(False)

    def stop(self) -> None:
        """Let `run` end."""
        self._stopping = True

    def run(self, wakes: int | None = None) -> None:
        """Tell of what there is, then of what comes; `wakes` is readable when it is to look."""
        assert self._events is not None, "it was started"
        selector = selectors.DefaultSelector()
        selector.register(self._events, selectors.EVENT_READ)
        if wakes is not None:
            selector.register(wakes, selectors.EVENT_READ)
        self._log.info("natlog_started")
        self._tell_all()
        due = 0.0
        while not self._stopping:
            for key, _ in selector.select(FLUSH_SECONDS):
                if key.fd == wakes:
                    os.read(key.fd, 4096)
                else:
                    self._hear()
            if time.monotonic() >= due:
                sent = self._teller.flush()
                due = time.monotonic() + (FLUSH_SECONDS if sent else _RETRY_SECONDS)
        self._teller.stop()
        selector.close()
        self._events.close()
        self._log.info("natlog_stopped", untold=self._teller.waiting)

    def _hear(self) -> None:
        """Everything that the kernel has to say now, but not for ever."""
        assert self._events is not None, "it was started"
        for _ in range(256):
            try:
                octets = self._events.recv(_LARGEST_READ)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise BackendUnavailable("netlink", str(error)) from error
                self._log.error("events_lost")
                self._teller.lose()
                self._tell_all()
                return
            self._take(octets)

    def _tell_all(self) -> None:
        """Tell of what is under way: it began while nobody listened, or was lost."""
        for octets in _dump():
            self._take(octets)

    def _take(self, octets: bytes) -> None:
        now_ms = unix_milliseconds()
        try:
            found = conntrack.decode(octets)
        except MalformedPacket as error:
            self._log.error("event_not_understood", error=str(error))
            self._teller.lose()
            return
        for connection in found:
            record = record_of(connection, self._inside, self._own, now_ms)
            if record is not None:
                self._teller.tell(record)


def collector_of(settings: GatewayKernel) -> tuple[str, int]:
    """Where to send to; ConfigError when nobody is named."""
    if settings.collector is None:
        raise ConfigError(
            "name the collector's address and IPFIX port, such as 192.0.2.1:4739",
            "gateway.kernel.collector",
        )
    return parse_listen(settings.collector)


def _netlink() -> socket.socket:
    wire = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
    wire.bind((0, 0))
    return wire


def _dump() -> Iterator[bytes]:
    """The answer to a question for all connections, part by part."""
    with _netlink() as wire:
        wire.settimeout(_DUMP_SECONDS)
        wire.send(conntrack.dump_request())
        while True:
            try:
                octets = wire.recv(_LARGEST_READ)
            except OSError as error:
                raise BackendUnavailable("netlink", str(error)) from error
            yield octets
            if conntrack.is_over(octets):
                return
