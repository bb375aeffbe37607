"""Engines and session scope for SQLite and PostgreSQL.

SQLite runs in WAL mode with synchronous=FULL: a commit that returned survives a power cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InternalError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session, sessionmaker

from common.errors import BackendUnavailable, ConfigError, NoTables

BUSY_SECONDS = 15.0
"""How long a writer waits for another one on SQLite; a RADIUS batch holds the lock for ms."""

_PATIENCE = {
    "connect_timeout": 3,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
}
"""Seconds, but tcp_user_timeout, which is milliseconds."""

_AWAY = (OperationalError, InternalError)
"""The second is what a standby says to a writer after a fail-over."""


@cache
def newest_tables() -> str:
    """The newest migration of this release, by its file: Alembic takes a while to be imported."""
    return max(path.name[:4] for path in (Path(__file__).parent / "migrations/versions").glob("0*"))


def open_engine(url: str) -> Engine:
    """An engine for `url`; nothing is connected yet.

    SQLite transactions begin IMMEDIATE, so that two writers queue instead of deadlocking.
    """
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        if path and path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_immediate)
        return engine
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=10,
        connect_args=connection_options(url),
    )


def connection_options(url: str) -> dict[str, Any]:
    """What libpq is told so that a PostgreSQL whose machine is gone is noticed in seconds.

    Left alone it waits two minutes for a connection and a quarter of an hour for an answer.
    What `url` itself says comes first.
    """
    chosen = make_url(url).query
    return {name: value for name, value in _PATIENCE.items() if name not in chosen}


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_immediate(connection: Any) -> None:
    mode = "DEFERRED" if connection.get_execution_options().get("read_only") else "IMMEDIATE"
    connection.exec_driver_sql(f"BEGIN {mode}")


_CACHED_BY_RADIUS = frozenset(
    {"account", "credential", "role", "nas_client", "organisation", "voucher", "voucher_batch"}
)


def _raise_revision(session: Session, _context: Any) -> None:
    """Raise the revision when something changed that RADIUS workers keep in memory."""
    touched = {*session.new, *session.dirty, *session.deleted}
    if any(row.__tablename__ in _CACHED_BY_RADIUS for row in touched):
        session.connection().exec_driver_sql("UPDATE revision SET number = number + 1")


class Database:
    """One engine and the way to open sessions on it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = open_engine(url)
        self._writer = sessionmaker(self.engine, expire_on_commit=False)
        event.listen(self._writer, "after_flush", _raise_revision)
        self._reader = sessionmaker(
            self.engine.execution_options(read_only=True), expire_on_commit=False
        )

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that commits when the block ends and rolls back when it raises.

        Raises:
            BackendUnavailable: the database does not answer.
        """
        try:
            with self._writer.begin() as session:
                yield session
        except _AWAY as error:
            raise BackendUnavailable("database", str(error.orig)) from error

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading; it takes no write lock and is never committed.

        Raises:
            BackendUnavailable: the database does not answer.
        """
        try:
            with self._reader() as session:
                yield session
        except _AWAY as error:
            raise BackendUnavailable("database", str(error.orig)) from error

    def require_schema(self) -> None:
        """Raise ConfigError unless the tables are those of this release; one query.

        Otherwise the first statement on a table of another release would look like a database
        that is away. An SQLite file that is not there is not made by asking.
        """
        found = self._found()
        newest = newest_tables()
        if found is None:
            raise NoTables
        if found > newest:
            raise ConfigError(
                f"the tables are at {found}, this release knows them to {newest}:"
                " run the release that made them, or a newer one"
            )
        if found < newest:
            raise ConfigError(
                f"the tables are at {found}, this release needs {newest}:"
                " stop the service and run 'yuenyan init'"
            )

    def has_tables(self) -> bool:
        """Whether `yuenyan init` has ever made tables here; raises BackendUnavailable."""
        return self._found() is not None

    def _found(self) -> str | None:
        return self._tables() if self._is_there() else None

    def _tables(self) -> str | None:
        """The migration the database is at; None when it has seen none."""
        try:
            with self._reader() as session:
                found: str | None = session.scalar(text("SELECT version_num FROM alembic_version"))
                return found
        except (ProgrammingError, *_AWAY) as error:
            try:
                if not inspect(self.engine).has_table("alembic_version"):
                    return None
            except _AWAY as again:
                raise BackendUnavailable("database", str(again.orig)) from again
            raise BackendUnavailable("database", str(error.orig)) from error

    def _is_there(self) -> bool:
        path = self.engine.url.database if self.is_sqlite else None
        return path in (None, "", ":memory:") or Path(str(path)).exists()

    def dispose(self) -> None:
        self.engine.dispose()
