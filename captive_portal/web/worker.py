"""gunicorn's threaded worker, with an end to waiting for a client that sends too slowly.

A thread reads a request with no time-out of its own: a handful of connections that send one
octet and fall silent would hold every thread for ever.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

HEADER_SECONDS = 5.0
"""For the request line and the headers, which fit in one or two packets."""

REQUEST_SECONDS = 45.0
"""For the whole request with its body; what is being answered goes on being answered."""

ANSWER_SECONDS = 120.0
"""After which a client that does not take its answer is cut off."""


class DeadlineWorker(ThreadWorker):  # type: ignore[misc]
    """Stops reading from, and at last closes, connections that hold a thread too long."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._busy: dict[TConn, float] = {}
        """When each connection in a thread got it."""
        self._answering: set[TConn] = set()
        self._busy_lock = threading.Lock()

    def handle(self, conn: TConn) -> Any:
        with self._busy_lock:
            self._busy[conn] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            with self._busy_lock:
                self._busy.pop(conn, None)
                self._answering.discard(conn)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        with self._busy_lock:
            self._answering.add(conn)
        return super().handle_request(req, conn)

    def notify(self) -> None:
        super().notify()
        self._end_waiting()

    def _end_waiting(self) -> None:
        now = time.monotonic()
        with self._busy_lock:
            for conn, began in self._busy.items():
                limit = REQUEST_SECONDS if conn in self._answering else HEADER_SECONDS
                if now - began > ANSWER_SECONDS:
                    _shut(conn, socket.SHUT_RDWR)
                elif now - began > limit:
                    _shut(conn, socket.SHUT_RD)


def _shut(conn: TConn, how: int) -> None:
    """The thread that reads sees the end of the stream and gives the connection up."""
    with contextlib.suppress(OSError):
        conn.sock.shutdown(how)
