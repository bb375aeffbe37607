"""The few statements that reading flows needs from the database, on either kind of it.

A look at one address must not wait for the whole database layer to load: on SQLite these
statements go straight to the file, in half the time the command took otherwise.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from common.config import Config
from common.errors import BackendUnavailable, NoTables
from traffic.moments import to_micros

if TYPE_CHECKING:
    from db.engine import Database

_BUSY_SECONDS = 15.0
"""As db.engine: how long to wait for another writer."""

_AUDIT = (
    "INSERT INTO audit_event (at, actor, action, target, detail) "
    "VALUES (:at, :actor, :action, :target, :detail)"
)


class Store(Protocol):
    """Runs one statement with named parameters (`:name`)."""

    def rows(self, statement: str, **values: Any) -> Sequence[Sequence[Any]]:
        """What a SELECT finds."""
        ...

    def write(self, statement: str, **values: Any) -> None:
        """Change something; on the disk when this returns."""
        ...


class DatabaseStore:
    """A `Store` on an open Database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self, statement: str, **values: Any) -> Sequence[Sequence[Any]]:
        from sqlalchemy import text

        with self._database.read() as session:
            return [tuple(row) for row in session.execute(text(statement), values)]

    def write(self, statement: str, **values: Any) -> None:
        from sqlalchemy import text

        with self._database.write() as session:
            session.execute(text(statement), values)


class SqliteStore:
    """A `Store` on the file of an SQLite database."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self, statement: str, **values: Any) -> Sequence[Sequence[Any]]:
        return self._run(statement, values)

    def write(self, statement: str, **values: Any) -> None:
        self._run(statement, values)

    def _run(self, statement: str, values: dict[str, Any]) -> Sequence[Sequence[Any]]:
        if not self._path.exists():
            raise NoTables
        try:
            with closing(sqlite3.connect(self._path, timeout=_BUSY_SECONDS)) as connection:
                connection.execute("PRAGMA synchronous=FULL")
                with connection:
                    found: list[tuple[Any, ...]] = connection.execute(statement, values).fetchall()
                return found
        except sqlite3.Error as error:
            if "no such table" in str(error):
                raise NoTables from error
            raise BackendUnavailable("database", str(error)) from error


@contextmanager
def open_store(config: Config) -> Iterator[Store]:
    """The store of the configured database; its connections are closed at the end."""
    url = config.database_url
    if url.startswith("sqlite:///"):
        yield SqliteStore(Path(url.removeprefix("sqlite:///")))
        return
    from db.engine import Database

    database = Database(url)
    try:
        yield DatabaseStore(database)
    finally:
        database.dispose()


def record_reading(
    store: Store,
    now: datetime,
    actor: str,
    action: str,
    target: str,
    detail: dict[str, str | int | bool | None],
) -> None:
    """Add an audit event, as identity.services.audit does inside a transaction of its own."""
    store.write(
        _AUDIT,
        at=to_micros(now),
        actor=actor,
        action=action,
        target=target,
        detail=json.dumps(detail, ensure_ascii=False, sort_keys=True),
    )
