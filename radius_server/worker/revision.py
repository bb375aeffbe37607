"""Watches the database's revision number, and reads the NAS table, from a thread of its own.

The number rises whenever an account, a role or a NAS changes. Asked for on the worker's own
thread, a busy database would hold up every packet that arrives meanwhile, and one that hangs
would hold them up until it is back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from common.errors import BackendUnavailable
from identity.stores.sql import NasFacts, SqlStore

POLL_SECONDS = 0.4
"""Half of the second within which a change must be seen."""

RETRY_SECONDS = 1.0
BLIND_SECONDS = 2.0
"""Without an answer for so long the database counts as gone."""


class Revision(NamedTuple):
    """A number, and the NAS table as it was then or a moment later."""

    number: int
    nas: Sequence[NasFacts]


class RevisionWatch:
    """The newest revision; `look` never waits."""

    def __init__(self, store: SqlStore) -> None:
        """`store` belongs to the watch from now on."""
        self._store = store
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: tuple[Revision | None, float, str] = (None, 0.0, "")

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

    def look(self, now: float) -> Revision | None:
        """The newest revision, or None when there is none yet.

        Raises:
            BackendUnavailable: the database refused, or has been silent for too long.
        """
        revision, at, error = self._seen
        if error:
            raise BackendUnavailable("database", error)
        if now - at > BLIND_SECONDS:
            raise BackendUnavailable("database", "no answer")
        return revision

    def _run(self) -> None:
        last: Revision | None = None
        while True:
            pause = POLL_SECONDS
            try:
                number = self._store.revision()
                if last is None or number != last.number:
                    last = Revision(number, self._store.nas_clients())
                self._seen = (last, time.monotonic(), "")
            except BackendUnavailable as error:
                self._seen = (None, time.monotonic(), str(error))
                pause = RETRY_SECONDS
            if self._stopping.wait(pause):
                return
