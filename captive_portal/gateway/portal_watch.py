"""Whether the portal can be reached from here: a phone that is sent to a dead one sees nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from common.logging import get_logger

EVERY_SECONDS = 3.0
_PATIENCE_SECONDS = 3.0
_TIMES = 2
"""One lost packet is no outage."""


def takes_connections(url: str) -> bool:
    """Whether the server of `url` takes a TCP connection; what it would answer is not asked."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), _PATIENCE_SECONDS).close()
    except OSError:
        return False
    return True


class PortalWatch:
    """Looks every few seconds; `is_away` is asked by every thread."""

    def __init__(self, url: str, answers: Callable[[str], bool] = takes_connections) -> None:
        self._url = url
        self._answers = answers
        self._failed = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="portal-watch", daemon=True)
        self._log = get_logger(__name__)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End; a look that is under way is not waited for longer than it may take."""
        self._stopping.set()
        self._thread.join(_PATIENCE_SECONDS + 1)

    def is_away(self) -> bool:
        """Whether it has failed several times in a row."""
        return self._failed >= _TIMES

    def look(self) -> None:
        """Try once."""
        was_away = self.is_away()
        self._failed = 0 if self._answers(self._url) else self._failed + 1
        if self.is_away() != was_away:
            if was_away:
                self._log.info("portal_is_back", url=self._url)
            else:
                self._log.error("portal_is_away", url=self._url)

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_SECONDS):
            self.look()
