"""Engines and session scope for SQLite and PostgreSQL.

SQLite runs in WAL mode with synchronous=FULL: a commit that returned survives a power cut.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Engine,
    Executable,
    Row,
    create_engine,
    event,
    inspect,
    text,
)
from sqlalchemy.exc import DatabaseError, InternalError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from common.errors import BackendUnavailable, ConfigError, NoTables
from common.owners import other_owner
from db.liveness import replace_closed_connections
from db.patience import connection_options

if TYPE_CHECKING:
    from db.auth_events import AuthEvents

BUSY_SECONDS = 15.0
"""How long a writer waits for another one on SQLite; a RADIUS batch holds the lock for ms."""

_LEAST_OCTETS = 1 << 20
"""What is left of a disk on which SQLite can do nothing any more."""

OPERATOR = "operator"
"""In `Session.info`: what the operating system knows of who is at the console."""

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
    engine = create_engine(url, pool_size=5, max_overflow=10, connect_args=connection_options(url))
    replace_closed_connections(engine)
    return engine


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_immediate(connection: Any) -> None:
    options = connection.get_execution_options()
    if options.get("alone"):
        return
    mode = "DEFERRED" if options.get("read_only") else "IMMEDIATE"
    connection.exec_driver_sql(f"BEGIN {mode}")


_CACHED_BY_RADIUS = frozenset(
    {
        *("account", "credential", "role", "nas_client", "organisation"),
        *("voucher", "voucher_batch", "guardian_consent"),
    }
)


def _raise_revision(session: Session, _context: Any) -> None:
    """Raise the revision when something changed that RADIUS workers keep in memory."""
    touched = {*session.new, *session.dirty, *session.deleted}
    if any(row.__tablename__ in _CACHED_BY_RADIUS for row in touched):
        session.connection().exec_driver_sql("UPDATE revision SET number = number + 1")


class Database:
    """One engine and the way to open sessions on it."""

    def __init__(self, url: str, info: dict[Any, Any] | None = None) -> None:
        """Connect to nothing yet.

        Args:
            info: what each session that writes carries along (`Session.info`).
        """
        self.url = url
        self.engine = open_engine(url)
        self._writer = sessionmaker(self.engine, expire_on_commit=False, info=info)
        event.listen(self._writer, "after_flush", _raise_revision)
        options: dict[str, Any] = {} if self.is_sqlite else {"postgresql_readonly": True}
        # Read-only, so ended by a commit: after a roll-back the driver would forget every statement
        # it has prepared, and the next reader plan them anew.
        reader = self.engine.execution_options(read_only=True, **options)
        self._reader = sessionmaker(reader, expire_on_commit=False)
        # pysqlite's own AUTOCOMMIT costs two pragmas, and leaves the connection in another mode.
        alone = {"alone": True} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._asked = self.engine.execution_options(**alone)
        self._auth_events: AuthEvents | None = None
        self._making = threading.Lock()

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @property
    def auth_events(self) -> AuthEvents:
        """Where decisions on logins outside RADIUS are written."""
        # Imported when it is needed: most commands write none, and the driver takes a while.
        from db.auth_events import AuthEvents

        with self._making:
            if self._auth_events is None:
                self._auth_events = AuthEvents(self.url)
            return self._auth_events

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that commits when the block ends and rolls back when it raises.

        Raises:
            BackendUnavailable: the database does not answer.
        """
        try:
            with self._writer.begin() as session:
                yield session
        except DatabaseError as error:
            self._raise_away(error)
            raise

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading; it takes no write lock and is never committed.

        Raises:
            BackendUnavailable: the database does not answer.
        """
        try:
            with self._reader() as session:
                yield session
                if not self.is_sqlite:
                    session.expunge_all()
                    session.commit()  # see __init__
        except DatabaseError as error:
            self._raise_away(error)
            raise

    def ask(self, statement: Executable, values: Mapping[str, Any]) -> Sequence[Row[Any]]:
        """The rows of one statement that reads, without a session and a transaction around it.

        For what every login asks, and what is asked every second: on PostgreSQL one round trip
        instead of four, on SQLite a third of what a session costs.

        Raises:
            BackendUnavailable: the database does not answer.
        """
        try:
            with self._asked.connect() as connection:
                return connection.execute(statement, values).all()
        except DatabaseError as error:
            self._raise_away(error)
            raise

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
        except DatabaseError as error:
            if not self.is_sqlite and isinstance(error, _AWAY):
                # There is nobody to ask again; SQLite says of a missing table the same.
                raise self._unavailable(error) from error
            try:
                if not inspect(self.engine).has_table("alembic_version"):
                    return None
            except DatabaseError as again:
                raise self._unavailable(again) from again
            raise self._unavailable(error) from error

    @contextmanager
    def answering(self) -> Iterator[None]:
        """What is done in the block with connections of the engine itself.

        Raises:
            BackendUnavailable: the database does not answer.
        """
        try:
            yield
        except DatabaseError as error:
            self._raise_away(error)
            raise

    def _raise_away(self, error: DatabaseError) -> None:
        """Raise BackendUnavailable if the database is away or broken, as `error` tells it."""
        if isinstance(error, _AWAY) or self._is_broken(error):
            raise self._unavailable(error) from error

    def _is_broken(self, error: DatabaseError) -> bool:
        # SQLite says nothing more exact of a file that is damaged, or is no database.
        return self.is_sqlite and type(error) is DatabaseError

    def _unavailable(self, error: DatabaseError) -> BackendUnavailable:
        said = " ".join(str(error.orig).split())
        if not self.is_sqlite:
            return BackendUnavailable("database", said, "start it, or correct [database] url")
        path = self.engine.url.database or ""
        advice = ""
        if self._is_broken(error):
            advice = "restore the backup of the database"
        elif not os.access(path, os.R_OK | os.W_OK) and (owner := other_owner(path)):
            advice = f"run it as {owner}"
        elif self._is_cramped(Path(path).parent):
            advice = "the disk is full: make room"
        return BackendUnavailable("database", f"{path}: {said}", advice)

    @staticmethod
    def _is_cramped(folder: Path) -> bool:
        """Whether SQLite has no room for its own files, of which it says "disk I/O error" alone."""
        from common.disk import room_of  # not at the top: it loads the log

        room = room_of(folder)
        return room is not None and room.free_octets < _LEAST_OCTETS

    def _is_there(self) -> bool:
        path = self.engine.url.database if self.is_sqlite else None
        return path in (None, "", ":memory:") or Path(str(path)).exists()

    def dispose(self) -> None:
        if self._auth_events is not None:
            self._auth_events.close()
        self.engine.dispose()
