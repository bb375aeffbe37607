"""The few statements that reading flows needs from the database, on either kind of it.

A look at one address must not wait for the whole database layer to load: on SQLite these
statements go straight to the file, in half the time the command took otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from common.config import Config
from traffic.lookup.sqlite import SqliteStore
from traffic.lookup.sqlite import record_reading as record_reading

if TYPE_CHECKING:
    from db.engine import Database


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


@contextmanager
def open_store(config: Config) -> Iterator[Store]:
    """The store of the configured database; its connections are closed at the end."""
    url = config.database_url
    if url.startswith("sqlite:///"):
        file = SqliteStore(url.removeprefix("sqlite:///"))
        try:
            yield file
        finally:
            file.close()
        return
    from db.engine import Database

    database = Database(url)
    try:
        yield DatabaseStore(database)
    finally:
        database.dispose()
