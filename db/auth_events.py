"""The login decisions that the threads of one process take, several in one commit.

A commit costs a flush of the disk, and a transaction of the driver's costs four round trips. Who
comes while another one's row is being written waits for that, and then the first of those who
waited writes for all of them.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

from common.errors import BackendUnavailable
from db.ledger.batch import AUTH_EVENT_COLUMNS, Batch, Row, UnstorableError
from db.ledger.open import open_ledger
from db.liveness import is_quiet

CONNECT_SECONDS = 3.0
"""For a new connection, as for those of the pool (db.patience): a visitor can wait so long."""


@dataclass(slots=True, eq=False)
class _Entry:
    """One row on its way, and what came of it."""

    row: Row
    is_stored: bool = False
    error: BackendUnavailable | UnstorableError | None = None
    is_over: bool = False


class AuthEvents:
    """Writes rows of `auth_event`. Safe to use from many threads; connects when first used."""

    def __init__(self, url: str) -> None:
        self._ledger = open_ledger(url, CONNECT_SECONDS)
        self._waiting: deque[_Entry] = deque()
        self._turn = threading.Lock()

    def write(self, **values: Any) -> None:
        """Write one row, and return once it would survive a power cut.

        Args:
            values: by the name of the column, times in microseconds; what is absent is NULL.

        Raises:
            BackendUnavailable: the database did not take it.
            UnstorableError: it refused a value.
        """
        assert values.keys() <= set(AUTH_EVENT_COLUMNS), values.keys()
        entry = _Entry(tuple(values.get(column) for column in AUTH_EVENT_COLUMNS))
        self._waiting.append(entry)
        with self._turn:
            if not entry.is_over:
                entries = [self._waiting.popleft() for _ in range(len(self._waiting))]
                self._commit(entries)
        if not entry.is_stored:
            raise entry.error or BackendUnavailable("database", "the commit did not end")

    def close(self) -> None:
        """Give the connection back; the next row makes another one."""
        with self._turn:
            self._ledger.close()

    def _commit(self, entries: list[_Entry]) -> None:
        descriptor = self._ledger.fileno()
        if descriptor >= 0 and not is_quiet(descriptor):
            self._ledger.close()  # the server was restarted meanwhile
        try:
            self._ledger.commit(Batch(auth_events=[entry.row for entry in entries]))
        except UnstorableError as error:
            if len(entries) == 1:
                entries[0].error = error
            else:
                for entry in entries:  # one odd row must not spoil the others
                    self._commit([entry])
        except BackendUnavailable as error:
            for entry in entries:
                entry.error = BackendUnavailable(error.backend, str(error.__cause__ or error))
        else:
            for entry in entries:
                entry.is_stored = True
        finally:
            for entry in entries:
                entry.is_over = True
