"""A connection to PostgreSQL that is made in a thread: nobody stands still for one that hangs.

A server that is stopped takes a connection and says nothing; the worker that waited for it
would answer nobody meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg

Connection = psycopg.Connection[Any]

WAIT_SECONDS = 0.5
"""For a new connection, once an attempt; a healthy server needs some milliseconds."""


class Connecting:
    """At most one attempt at a time; `take` gives what the last one brought."""

    def __init__(
        self, connect: Callable[[], Connection], wait_seconds: float = WAIT_SECONDS
    ) -> None:
        """`connect` makes a connection ready for use, or raises psycopg.Error."""
        self._connect = connect
        self._wait_seconds = wait_seconds
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._made: Connection | None = None
        self._error: psycopg.Error | None = None
        self._wanted = 0
        """The number of the attempt whose connection is wanted."""

    def take(self) -> Connection:
        """The new connection.

        Raises:
            psycopg.Error: there is none (yet); the next call tries again, or finds it.
        """
        thread = self._thread
        if thread is None:
            thread = threading.Thread(
                target=self._run, args=(self._wanted,), name="connecting", daemon=True
            )
            self._thread = thread
            thread.start()
            thread.join(self._wait_seconds)
        if thread.is_alive():
            raise psycopg.OperationalError("the database does not answer")
        self._thread = None
        with self._lock:
            made, self._made = self._made, None
            error, self._error = self._error, None
        if made is not None:
            return made
        raise error or psycopg.OperationalError("the database does not answer")

    def forget(self) -> None:
        """What an attempt under way brings is not wanted any more."""
        with self._lock:
            self._wanted += 1
            made, self._made = self._made, None
        self._thread = None
        if made is not None:
            made.close()

    def _run(self, number: int) -> None:
        made = error = None
        try:
            made = self._connect()
        except psycopg.Error as why:
            error = why
        with self._lock:
            if number == self._wanted:
                self._made, self._error = made, error
                return
        if made is not None:
            made.close()
