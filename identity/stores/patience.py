"""A limit on how long a question to the database may hang.

A server that is stopped, or whose disk is, keeps its connections: nothing fails, and no
setting of the connection ends the wait. Here a thread cuts it, and the question fails.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time

PATIENCE_SECONDS = 5.0
"""The questions of a worker look a few rows up; a healthy database takes milliseconds."""

_LOOK_SECONDS = 0.5
_CUT = -2


class Patience:
    """Watches one connection at a time; `begin` and `end` stand around each question."""

    def __init__(self, seconds: float = PATIENCE_SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._descriptor = -1
        self._since = 0.0

    def begin(self, descriptor: int) -> None:
        """A question goes out over the socket `descriptor`."""
        with self._lock:
            self._descriptor, self._since = descriptor, time.monotonic()
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="patience", daemon=True)
            self._thread.start()

    def end(self) -> bool:
        """It was answered, or has failed. True when it was cut for taking too long."""
        with self._lock:
            was_cut, self._descriptor = self._descriptor == _CUT, -1
        return was_cut

    def stop(self) -> None:
        """Watch no more."""
        self._stopping.set()

    def _watch(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            with self._lock:
                is_late = self._descriptor >= 0 and time.monotonic() > self._since + self._seconds
                if is_late:
                    _cut(self._descriptor)
                    self._descriptor = _CUT


def _cut(descriptor: int) -> None:
    """End both directions; the descriptor itself stays its owner's."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as copy:
        copy.shutdown(socket.SHUT_RDWR)
