"""What survives a restart: who is admitted, and what RADIUS is still to be told. SQLite.

A file of its own, because the box may stand where there is no office's database. Every change
is on the disk before it counts.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from captive_portal.gateway.clients import Client, Grant, Held
from common.errors import BackendUnavailable
from radius_server.packet.hiding import Pair

_SCHEMA = """
CREATE TABLE IF NOT EXISTS client (mac TEXT PRIMARY KEY, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS record (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id TEXT NOT NULL,
    replaceable INTEGER NOT NULL,
    pairs TEXT NOT NULL,
    boot TEXT NOT NULL,
    up_seconds REAL NOT NULL,
    at_seconds REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS record_session ON record (session_id);
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One Accounting-Request that is still to be sent."""

    session_id: str
    pairs: Sequence[Pair]
    boot: str
    """Which run of the machine `up_seconds` counts in."""
    up_seconds: float
    at_seconds: float
    """The same moment by the calendar, seconds since 1970."""
    replaceable: bool = False
    """A later one of the session says all that this one says."""
    id: int = 0


class Store:
    """The state file at `path`; it is made when there is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open or make the file; BackendUnavailable when it cannot be."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch(0o600)
            self._connection = sqlite3.connect(
                self._path, timeout=10, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise self._unavailable(error) from error

    def close(self) -> None:
        """Let go of the file."""
        with self._lock, suppress(sqlite3.Error):
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def fact(self, name: str) -> str:
        """What was noted under `name`, or the empty text."""
        rows = self._read("SELECT value FROM fact WHERE name = ?", name)
        return str(rows[0][0]) if rows else ""

    def clients(self) -> list[Client]:
        """Everybody who was admitted when the last change was written."""
        return [_load(str(state)) for (state,) in self._read("SELECT state FROM client")]

    def write(
        self,
        *,
        keep: Iterable[Client] = (),
        drop: Iterable[str] = (),
        records: Iterable[Record] = (),
        facts: Iterable[tuple[str, str]] = (),
    ) -> int:
        """Everything of one change at once; the number of its last record, or 0.

        Raises:
            BackendUnavailable: the disk did not take it; then nothing has changed.
        """
        last = 0
        with self._lock:
            connection = self._opened()
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany("DELETE FROM client WHERE mac = ?", [(m,) for m in drop])
                connection.executemany(
                    "INSERT OR REPLACE INTO client VALUES (?, ?)",
                    [(client.mac, _dump(client)) for client in keep],
                )
                for record in records:
                    last = self._add(connection, record)
                connection.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?)", list(facts))
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise self._unavailable(error) from error
        return last

    def oldest(self) -> Record | None:
        """The record that has waited longest, or None."""
        rows = self._read(
            "SELECT id, session_id, replaceable, pairs, boot, up_seconds, at_seconds"
            " FROM record ORDER BY id LIMIT 1"
        )
        if not rows:
            return None
        number, session_id, replaceable, pairs, boot, up_seconds, at_seconds = rows[0]
        return Record(
            id=number,
            session_id=session_id,
            replaceable=bool(replaceable),
            pairs=[(kind, bytes.fromhex(value)) for kind, value in json.loads(pairs)],
            boot=boot,
            up_seconds=up_seconds,
            at_seconds=at_seconds,
        )

    def is_waiting(self, number: int) -> bool:
        """Whether the record of this number is still to be sent."""
        return bool(self._read("SELECT 1 FROM record WHERE id = ?", number))

    def count_waiting(self) -> int:
        """How many records are still to be sent."""
        return int(self._read("SELECT count(*) FROM record")[0][0])

    def sent(self, number: int) -> None:
        """A server has taken this record."""
        with self._lock:
            try:
                self._opened().execute("DELETE FROM record WHERE id = ?", (number,))
            except sqlite3.Error as error:
                raise self._unavailable(error) from error

    @staticmethod
    def _add(connection: sqlite3.Connection, record: Record) -> int:
        if record.replaceable:
            connection.execute(
                "DELETE FROM record WHERE session_id = ? AND replaceable = 1",
                (record.session_id,),
            )
        pairs = json.dumps([(int(kind), value.hex()) for kind, value in record.pairs])
        added = connection.execute(
            "INSERT INTO record (session_id, replaceable, pairs, boot, up_seconds, at_seconds)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                record.session_id,
                int(record.replaceable),
                pairs,
                record.boot,
                record.up_seconds,
                record.at_seconds,
            ),
        )
        return int(added.lastrowid or 0)

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._opened().execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise self._unavailable(error) from error

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise BackendUnavailable("the gateway's state", "it is closed")
        return self._connection

    def _unavailable(self, error: Exception) -> BackendUnavailable:
        return BackendUnavailable("the gateway's state", f"{self._path}: {error}")


def _dump(client: Client) -> str:
    fields = asdict(client)
    fields["grant"]["class_values"] = [value.hex() for value in client.grant.class_values]
    return json.dumps(fields)


def _load(text: str) -> Client:
    fields = json.loads(text)
    grant = fields.pop("grant")
    grant["class_values"] = tuple(bytes.fromhex(value) for value in grant["class_values"])
    addresses = {one: Held(**held) for one, held in fields.pop("addresses").items()}
    fields |= {name: tuple(fields[name]) for name in ("counted", "admitted")}
    return Client(**fields, grant=Grant(**grant), addresses=addresses)
