"""Where RadSec clients come in: who is taken, who has to go for them, and when nobody is.

Owned by the server's thread. What becomes of a connection afterwards is the server's.
"""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from common.logging import get_logger
from common.metrics import Counters
from radius_server.radsec.connection import Connection
from radius_server.radsec.crowd import Crowd
from radius_server.radsec.listening import out_of_the_way, prepare

HOLD_SECONDS = 0.5
"""Without descriptors nobody is taken for so long: the listener would say "ready" for ever."""

WARN_SECONDS = 10.0
_ACCEPT_AT_ONCE = 64
_LEAVE_SECONDS = 1.0
_LEAVING_LIMIT = 200
_NOTHING_LEFT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

Welcome = Callable[[socket.socket, tuple[Any, ...], float], None]


class Door:
    """The listeners of one server, and the connections that are on their way out."""

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        selector: selectors.BaseSelector,
        crowd: Crowd,
        counters: Counters,
        welcome: Welcome,
        make_way: Callable[[Connection], None],
    ) -> None:
        """Args: welcome: takes whoever may come in; make_way: ends or proves a stranger."""
        self._listeners = listeners
        self._selector = selector
        self._crowd = crowd
        self._counters = counters
        self._welcome = welcome
        self._make_way = make_way
        self._leaving: deque[tuple[float, socket.socket]] = deque()
        self._is_open = False
        self._held_until = 0.0
        self._next_warning = 0.0
        self._log = get_logger("radius.radsec")

    def open(self, now: float) -> None:
        """Listen, unless that is so, or there are no descriptors."""
        if not self._is_open and now >= self._held_until:
            self._is_open = True
            for listener in self._listeners:
                self._selector.register(listener, selectors.EVENT_READ)

    def close(self) -> None:
        """Listen no more, for good."""
        self._hold()
        for listener in self._listeners:
            listener.close()
        self._listeners = ()

    def accept(self, listener: Any, now: float) -> None:
        """Take in who waits."""
        for _ in range(min(_ACCEPT_AT_ONCE, self._crowd.strangers_limit)):
            try:
                connected, address = listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _NOTHING_LEFT:
                    self._hold_off(error, now)
                    return
                continue  # that client is gone already
            while (stranger := self._crowd.in_the_way(address[0])) is not None:
                self._counters.add("radsec_strangers_ended")
                self._make_way(stranger)
            refusal = self._crowd.refusal(address[0])
            if refusal:
                self._counters.add("radsec_refused", reason=refusal)
                connected.close()
                continue
            connected = out_of_the_way(connected)
            try:
                prepare(connected)
            except OSError:  # it is gone already
                connected.close()
                continue
            self._welcome(connected, address, now)

    def see_out(self, connection: Connection) -> None:
        """Close the socket of a connection that has ended, once its last octets are through."""
        if not connection.has_spoken:
            connection.socket.close()
            return
        # Closed at once, octets that were not read would reset it, and the alert were lost.
        self._leaving.append((time.monotonic() + _LEAVE_SECONDS, connection.socket))
        if len(self._leaving) > _LEAVING_LIMIT:
            self._leaving.popleft()[1].close()

    def sweep(self, now: float) -> None:
        """Close those that have had their time to leave."""
        while self._leaving and self._leaving[0][0] <= now:
            self._leaving.popleft()[1].close()

    def _hold(self) -> None:
        if self._is_open:
            for listener in self._listeners:
                self._selector.unregister(listener)
        self._is_open = False

    def _hold_off(self, error: OSError, now: float) -> None:
        """No descriptor or no memory is left: what can go goes, and nobody comes for a while."""
        self._counters.add("radsec_held_off", reason=errno.errorcode[error.errno or 0])
        for stranger in self._crowd.strangers():
            self._make_way(stranger)
        self.sweep(float("inf"))
        self._held_until = now + HOLD_SECONDS
        self._hold()
        if now >= self._next_warning:
            self._next_warning = now + WARN_SECONDS
            self._log.warning(
                "radsec_accept_failed",
                error=error.strerror,
                connections=len(self._crowd),
                hint="raise LimitNOFILE of the service, or lower [radsec] connections",
            )
