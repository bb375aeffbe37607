"""The few statements that reading flows needs, straight to the file of an SQLite database.

And the one statement that puts a reading on record, for every kind of store. Loads next to
nothing: a look at one address must not wait for the database layer.
"""

from __future__ import annotations

import os

from common import plain_json
from common.errors import BackendUnavailable, NoTables
from traffic.moments import to_micros

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
else:
    # Without the adapters of the package, which are not used here and take as long as it.
    import _sqlite3 as sqlite3

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from traffic.lookup.store import Store

_BUSY_SECONDS = 15.0
"""As db.engine: how long to wait for another writer."""

_AUDIT = (
    "INSERT INTO audit_event (at, actor, action, target, detail) "
    "VALUES (:at, :actor, :action, :target, :detail)"
)


_LEFT: list[sqlite3.Connection | None] = []


class SqliteStore:
    """A `Store` on the file of an SQLite database; `close` it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def rows(self, statement: str, **values: Any) -> Sequence[Sequence[Any]]:
        return self._run(statement, values)

    def write(self, statement: str, **values: Any) -> None:
        self._run(statement, values)

    def leave(self) -> None:
        """Have the process end with the file open, as a crash would.

        What was written is on the disk, in the log beside the file. Closing a file that nobody
        else has open folds the log into it: two more waits for the disk, for nothing.
        """
        _LEFT.append(self._connection)
        self._connection = None

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _run(self, statement: str, values: dict[str, Any]) -> Sequence[Sequence[Any]]:
        if not os.path.exists(self._path):  # noqa: PTH110 - pathlib is slow to load
            raise NoTables
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS)
                self._connection.execute("PRAGMA synchronous=FULL")
            with self._connection:
                found: list[tuple[Any, ...]] = self._connection.execute(
                    statement, values
                ).fetchall()
            return found
        except sqlite3.Error as error:
            if "no such table" in str(error):
                raise NoTables from error
            raise BackendUnavailable("database", str(error)) from error


def record_reading(
    store: Store,
    now: datetime,
    actor: str,
    action: str,
    target: str,
    detail: Mapping[str, str | int | bool | None],
) -> None:
    """Add an audit event, as identity.services.audit does inside a transaction of its own."""
    store.write(
        _AUDIT,
        at=to_micros(now),
        actor=actor,
        action=action,
        target=target,
        detail=plain_json.dumps(dict(sorted(detail.items()))),
    )
