"""A thread that turns around a selector until it is told to stop, and that others can wake.

The RadSec server and the proxy are each one of these beside their worker. What a turn does is
theirs; this is how it begins, is woken, survives a fault, and ends.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable

from common.logging import get_logger
from common.metrics import Counters

_REST_SECONDS = 0.05
"""After a fault: one that comes with every turn must not take the processor."""


class TurningThread:
    """Calls `turn` again and again from `start` to `stop`, then `finish` once.

    The selector belongs to the thread once it runs. `turn` must use `select` here, look at what
    others have left for it after that, and return soon.
    """

    def __init__(
        self,
        name: str,
        turn: Callable[[], None],
        finish: Callable[[], None],
        counters: Counters,
    ) -> None:
        self.selector = selectors.DefaultSelector()
        self._name = name
        self._turn = turn
        self._finish = finish
        self._counters = counters
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._is_woken = False
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._log = get_logger(f"radius.{name}")

    def start(self) -> None:
        """Begin to turn."""
        self.selector.register(self._wake_out, selectors.EVENT_READ)
        self._thread.start()

    def wake(self) -> None:
        """Let the next turn begin now; safe from any thread and from a signal handler."""
        if not self._is_woken:
            self._is_woken = True
            with contextlib.suppress(OSError):  # closed: at the end
                self._wake_in.send(b"\0")

    def stop(self, patience_seconds: float) -> None:
        """End after the present turn, and wait for that."""
        self._is_stopping = True
        self._is_woken = False
        self.wake()
        if self._thread.ident is not None:
            self._thread.join(patience_seconds)
        else:
            self._close()

    def select(self, timeout: float) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready, within `timeout` seconds or until somebody wakes the thread."""
        ready = []
        for key, mask in self.selector.select(timeout):
            if key.fileobj is self._wake_out:
                self._swallow()
            else:
                ready.append((key, mask))
        return ready

    def _swallow(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._wake_out.recv(4096):
                pass
        # Only now: before, a wake between the two lines would be swallowed and still be noted.
        self._is_woken = False

    def _run(self) -> None:
        while not self._is_stopping:
            try:
                self._turn()
            except Exception:
                self._log.exception(f"{self._name}_turn_failed")
                self._counters.add("radius_internal_errors")
                time.sleep(_REST_SECONDS)
        with contextlib.suppress(Exception):
            self._finish()
        self._close()

    def _close(self) -> None:
        self.selector.close()
        self._wake_in.close()
        self._wake_out.close()
