"""Watches the database's revision number from a thread of its own.

The number rises whenever an account, a role or a NAS changes. Asked for on the worker's own
thread, a busy database would hold up every packet that arrives meanwhile.
"""

from __future__ import annotations

import threading
import time

from common.errors import BackendUnavailable
from identity.stores.sql import SqlStore

POLL_SECONDS = 0.4
"""Half of the second within which a change must be seen."""

RETRY_SECONDS = 1.0
BLIND_SECONDS = 2.0
"""Without an answer for so long the database counts as gone."""


class RevisionWatch:
    """The newest revision number; `look` never waits."""

    def __init__(self, store: SqlStore) -> None:
        """`store` belongs to the watch from now on."""
        self._store = store
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: tuple[int | None, float, str] = (None, 0.0, "")

    @property
    def is_running(self) -> bool:
        """Whether `start` was called."""
        return self._thread is not None

    def start(self) -> None:
        """Begin to watch."""
        self._seen = (None, time.monotonic(), "")
        self._thread = threading.Thread(target=self._run, name="revision", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; a question that hangs in a frozen database is left behind."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(RETRY_SECONDS)
            if not self._thread.is_alive():
                self._store.close()

    def look(self, now: float) -> int | None:
        """The newest number, or None when there is none yet.

        Raises:
            BackendUnavailable: the database refused, or has been silent for too long.
        """
        number, at, error = self._seen
        if error:
            raise BackendUnavailable("database", error)
        if now - at > BLIND_SECONDS:
            raise BackendUnavailable("database", "no answer")
        return number

    def _run(self) -> None:
        while True:
            pause = POLL_SECONDS
            try:
                number = self._store.revision()
                self._seen = (number, time.monotonic(), "")
            except BackendUnavailable as error:
                self._seen = (None, time.monotonic(), str(error))
                pause = RETRY_SECONDS
            if self._stopping.wait(pause):
                return
