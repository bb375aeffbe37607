"""The ledger on SQLite: WAL, synchronous=FULL, one transaction a batch."""

from __future__ import annotations

import sqlite3

from common.errors import BackendUnavailable
from db.ledger.batch import (
    ACCOUNTING_EVENT_COLUMNS,
    AUTH_EVENT_COLUMNS,
    RELAY_COLUMNS,
    Batch,
    UnclearError,
    UnstorableError,
)
from db.ledger.statements import BELONGS, CLOSE_BY_BOOT, UPSERTS, sqlite_joins

BUSY_SECONDS = 5.0
"""How long a batch waits for another writer before the packets in it are left unanswered."""


def _later(column: str, parameter: int) -> str:
    """The assignment of the later of two moments; MAX of two is NULL when either is."""
    return f"{column} = MAX(COALESCE(?{parameter}, {column}), COALESCE({column}, ?{parameter}))"


_SEEN = (
    f"UPDATE nas_client SET {_later('last_seen_at', 1)},"  # noqa: S608 - names of ours
    f" {_later('last_without_message_authenticator_at', 2)},"
    f" {_later('last_with_message_authenticator_at', 3)} WHERE id = ?4"
)


class SqliteLedger:
    """One connection that commits batches."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._auth = _insert("auth_event", AUTH_EVENT_COLUMNS)
        self._accounting = _insert("accounting_event", ACCOUNTING_EVENT_COLUMNS)
        self._relay = _insert("relay_outbox", RELAY_COLUMNS)
        self._session, self._address = (
            _insert(table, columns)
            + f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {sqlite_joins(table, joins)}"
            + "".join(f", {column} = {rule}" for column, rule in extra.items())
            for table, columns, key, joins, extra in UPSERTS
        )
        self._certain_session = f"{self._session} WHERE {BELONGS['network_session']}"
        self._boot = CLOSE_BY_BOOT.format(at=":at", nas=":nas", identity=":identity")

    def commit(self, batch: Batch) -> None:
        """See Ledger.commit."""
        try:
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            try:
                self._write(connection, batch)
            except UnclearError:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self.close()
            raise BackendUnavailable("database", str(error)) from error
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
            self.close()
            raise UnstorableError(str(error)) from error

    def start(self, batch: Batch) -> bool:
        """See Ledger.start; the disk is waited for here, as SQLite does."""
        self.commit(batch)
        return True

    def finished(self) -> bool:
        """See Ledger.finished."""
        return True

    def fileno(self) -> int:
        """See Ledger.fileno."""
        return -1

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = sqlite3.connect(
                self._path,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,  # db.auth_events lets one thread in after the other
            )
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
        return self._connection

    def _write(self, connection: sqlite3.Connection, batch: Batch) -> None:
        connection.executemany(self._auth, batch.auth_events)
        connection.executemany(self._accounting, batch.accounting_events)
        if batch.is_placed:
            connection.executemany(self._session, batch.sessions)
        elif batch.sessions:
            stored = connection.executemany(self._certain_session, batch.sessions).rowcount
            if stored != len(batch.sessions):
                raise UnclearError
        connection.executemany(self._address, batch.addresses)
        if batch.relays:
            connection.executemany(self._relay, batch.relays)
        for nas, identity, at, status_type in batch.boots:
            connection.execute(
                "INSERT INTO nas_boot (nas_client_id, nas_identity, at, status_type)"
                " VALUES (?, ?, ?, ?)",
                (nas, identity, at, status_type),
            )
            connection.execute(self._boot, {"at": at, "nas": nas, "identity": identity})
        connection.executemany(_SEEN, [(*moments, nas) for nas, moments in batch.nas_seen.items()])
        connection.executemany(
            "INSERT INTO unknown_nas (address, first_seen_at, last_seen_at, datagrams)"
            " VALUES (?, ?, ?, ?) ON CONFLICT (address) DO UPDATE SET"
            " last_seen_at = MAX(unknown_nas.last_seen_at, excluded.last_seen_at),"
            " datagrams = unknown_nas.datagrams + excluded.datagrams",
            [(address, *counts) for address, counts in batch.unknown.items()],
        )

    def close(self) -> None:
        """See Ledger.close."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _insert(table: str, columns: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - ours
