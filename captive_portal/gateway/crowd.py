"""gunicorn's threaded worker for a crowd of caught phones.

Browsers open connections before they know what for, and a phone tries port 80 of whatever its
programs want: a connection waits for its request without a thread, and one device holds few.
"""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import TConn

from captive_portal.web.worker import DeadlineWorker

MOST_OF_AN_ADDRESS = 8
"""A browser uses six; whoever comes beyond is hung up on and tries again."""

SILENT_SECONDS = 10.0
"""For the first octet of a request."""


class CrowdWorker(DeadlineWorker):
    """Has new connections wait in the selector, and counts those of each address."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._held: Counter[str] = Counter()

    def enqueue_req(self, conn: TConn) -> None:
        if conn.initialized or conn.data_ready:
            super().enqueue_req(conn)
            return
        address = str(conn.client[0])
        if self._held[address] >= MOST_OF_AN_ADDRESS:
            self.nr_conns -= 1
            conn.close()
            return
        self._held[address] += 1
        conn.close = partial(self._close, conn, conn.close, address)
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + SILENT_SECONDS
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def _close(self, conn: TConn, close: Any, address: str, graceful: bool = False) -> None:
        """Once for each connection: gunicorn tries again when hanging up fails."""
        conn.close = close
        self._held[address] -= 1
        if not self._held[address]:
            del self._held[address]
        close(graceful)
