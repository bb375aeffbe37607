"""The ledger on PostgreSQL: one statement, one round trip and one transaction a batch.

Rows travel as one array a column and are unnested by the server, so that the statement's
text is the same for every batch and stays prepared. The array literals are written here:
the driver's own list adaptation costs several times as much as the insert.
"""

from __future__ import annotations

import select
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult
from sqlalchemy.engine import make_url

from common.errors import BackendUnavailable
from db.ledger.batch import (
    ACCOUNTING_EVENT_COLUMNS,
    ADDRESS_COLUMNS,
    AUTH_EVENT_COLUMNS,
    RELAY_COLUMNS,
    SESSION_COLUMNS,
    Batch,
    Row,
    UnclearError,
    UnstorableError,
)
from db.ledger.connecting import WAIT_SECONDS, Connecting, Connection
from db.ledger.statements import BELONGS, CLOSE_BY_BOOT, UPSERTS, postgres_joins
from db.patience import connection_options

_BIG = "bigint"
_BYTEA_OID = 17
_ARRAY_HEAD = struct.Struct("!iiIii")
"""Dimensions, has NULLs, element type, length, lower bound: PostgreSQL's array_recv."""

_TYPES = {
    "stop_seen": "smallint",
    "octets": "bytea",
    **dict.fromkeys(("account_id", "nas_client_id"), _BIG),
    **dict.fromkeys(
        (
            "user_name",
            "method",
            "outcome",
            "reason",
            "calling_station_id",
            "called_station_id",
            "session_ref",
            "trace",
            "source",
            "session_key",
            "framed_address",
            "nas_identity",
            "acct_session_id",
            "nas_port",
            "address",
            "realm",
        ),
        "text",
    ),
}

STATEMENT_MILLISECONDS = 10_000

_OPTIONS = f"-c statement_timeout={STATEMENT_MILLISECONDS} -c plan_cache_mode=force_generic_plan"
"""The plans do not depend on the values, and planning costs as much as some thirty rows."""

PATIENCE_SECONDS = STATEMENT_MILLISECONDS / 1000 + 5.0
"""For the answer to a commit; the server gives a statement up before that."""

_BOOT_COLUMNS = ("nas_client_id", "nas_identity", "at", "status_type")
_SEEN_COLUMNS = (
    "last_seen_at",
    "last_without_message_authenticator_at",
    "last_with_message_authenticator_at",
)
_UNKNOWN_COLUMNS = ("address", "first_seen_at", "last_seen_at", "datagrams")

_UNLESS_ALL = "SELECT 1 / (CASE WHEN (SELECT count(*) FROM c) = %s::bigint THEN 1 ELSE 0 END)"

_GOOD = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)

_ATTEMPTS = 3
"""For a batch that PostgreSQL gives up to end a deadlock; nothing of it was stored."""


class PostgresLedger:
    """One connection that commits batches, and goes on with other things while it does.

    Nothing here waits for the server but `commit`: a batch of several statements travels as a
    pipeline, which is one transaction, and connections are made aside. The statements go
    through libpq itself: the driver's cursor costs a third of the insert.
    """

    def __init__(self, url: str, wait_seconds: float = WAIT_SECONDS) -> None:
        """`wait_seconds`: for a new connection, when there is none."""
        self._options = connection_options(url)
        parsed = make_url(url).set(drivername="postgresql")
        self._conninfo = parsed.render_as_string(hide_password=False)
        self._connection: Connection | None = None
        self._connecting = Connecting(self._connect, wait_seconds)
        self._started: Batch | None = None
        self._deadline = 0.0
        self._attempts = 0
        self._pipeline = False
        """What is under way is several statements, up to a synchronisation point."""
        self._failure: PGresult | None = None
        """The first that went wrong in the pipeline."""
        self._statements = _statements()

    def commit(self, batch: Batch) -> None:
        """See Ledger.commit."""
        if self.start(batch):
            return
        while not self.finished():
            connection = self._connection
            if connection is not None:
                left = max(0.0, self._deadline - time.monotonic())
                select.select([connection], [], [], left)

    def start(self, batch: Batch) -> bool:
        """See Ledger.start."""
        self._attempts = 0
        with self._translated():
            if not self._send(batch):
                return True
        self._started = batch
        return False

    def finished(self) -> bool:
        """See Ledger.finished."""
        batch = self._started
        if batch is None:
            return True
        try:
            with self._translated():
                connection = self._connection
                if connection is None:
                    raise psycopg.OperationalError("the connection was closed")
                connection.pgconn.consume_input()
                try:
                    if not self._collect(connection):
                        if time.monotonic() < self._deadline:
                            return False
                        raise psycopg.OperationalError("no answer to a commit; connection given up")
                except psycopg.errors.DeadlockDetected:
                    # An Accounting-On and the housekeeper lock sessions in no particular order.
                    self._attempts += 1
                    if self._attempts >= _ATTEMPTS:
                        raise
                    self._send(batch)
                    return False
        except (BackendUnavailable, UnclearError, UnstorableError):
            self._started = None
            raise
        self._started = None
        return True

    def fileno(self) -> int:
        """See Ledger.fileno."""
        connection = self._connection
        return -1 if connection is None or connection.closed else connection.fileno()

    def close(self) -> None:
        """See Ledger.close."""
        self._connecting.forget()
        self._pipeline, self._failure = False, None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """The driver's errors as the ledger's; a connection that failed is given up."""
        try:
            yield
        except psycopg.errors.DivisionByZero:
            raise UnclearError from None
        except (psycopg.DataError, psycopg.IntegrityError, UnicodeEncodeError) as error:
            self.close()
            raise UnstorableError(str(error).strip()) from error
        except psycopg.Error as error:
            # Also what is no OperationalError: after a fail-over this may be a standby.
            if self._connection is not None:
                self.close()
            raise BackendUnavailable("database", str(error).strip()) from error

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._pipeline, self._failure = False, None
            self._connection = None
            self._connection = self._connecting.take()
        return self._connection

    def _connect(self) -> Connection:
        """A connection with every statement prepared; in a thread of its own."""
        connection = psycopg.connect(
            self._conninfo, autocommit=True, options=_OPTIONS, **self._options
        )
        try:
            for name, statement in self._statements.items():
                _checked(connection.pgconn.prepare(name, statement), connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _send(self, batch: Batch) -> bool:
        """Send the batch on its way; False when there is nothing in it."""
        parts = [*_rows(batch), *_rare(batch)]
        if not parts:
            return False
        connection = self._connected()
        pgconn = connection.pgconn
        self._pipeline, self._failure = len(parts) > 1, None
        if self._pipeline:
            pgconn.enter_pipeline_mode()
        for name, literals in parts:
            pgconn.send_query_prepared(
                name,
                [item if type(item) is bytes else item.encode() for item in literals],
                [1 if type(item) is bytes else 0 for item in literals],
            )
        if self._pipeline:
            pgconn.pipeline_sync()
        self._deadline = time.monotonic() + PATIENCE_SECONDS
        while pgconn.flush():
            readable, _, _ = select.select([connection], [connection], [], 1.0)
            if readable:
                pgconn.consume_input()
            if time.monotonic() > self._deadline:
                raise psycopg.OperationalError("the database takes nothing; connection given up")
        return True

    def _collect(self, connection: Connection) -> bool:
        """Take the results that have come; whether it was the last. Raises what went wrong."""
        pgconn = connection.pgconn
        if not self._pipeline:
            if pgconn.is_busy():
                return False
            _result(connection)
            return True
        while not pgconn.is_busy():
            result = pgconn.get_result()
            if result is None:
                continue  # one statement's results are over
            if result.status == ExecStatus.PIPELINE_SYNC:
                pgconn.exit_pipeline_mode()
                self._pipeline = False
                if self._failure is not None:
                    _checked(self._failure, connection)
                return True
            if result.status not in _GOOD and self._failure is None:
                self._failure = result  # those behind it say only that they were left out
        return False


def _statements() -> dict[bytes, bytes]:
    """Name -> statement, as they are prepared on every connection."""
    auth, accounting, sessions, addresses = (
        _insert("auth_event", AUTH_EVENT_COLUMNS),
        _insert("accounting_event", ACCOUNTING_EVENT_COLUMNS),
        *(
            _insert(table, columns)
            + f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {postgres_joins(table, joins)}"
            + "".join(f", {column} = {rule}" for column, rule in extra.items())
            for table, columns, key, joins, extra in UPSERTS
        ),
    )
    placed = f"b AS ({accounting}), c AS ({sessions}) {addresses}"
    # A division by zero undoes the statement when a session was left out.
    belonging = f"{sessions} WHERE {BELONGS['network_session']} RETURNING 1"
    certain = f"b AS ({accounting}), c AS ({belonging}), d AS ({addresses}) {_UNLESS_ALL}"
    close = CLOSE_BY_BOOT.format(at="$1::bigint", nas="$2::bigint", identity="$3::text")
    later = ", ".join(f"{column} = GREATEST(n.{column}, v.{column})" for column in _SEEN_COLUMNS)
    seen = (
        f"UPDATE nas_client AS n SET {later}"  # noqa: S608 - names of ours
        f" FROM unnest({', '.join(['%s::bigint[]'] * 4)}) AS v (id, {', '.join(_SEEN_COLUMNS)})"
        " WHERE n.id = v.id"
    )
    unknown = (
        _insert("unknown_nas", _UNKNOWN_COLUMNS).replace("unknown_nas", "unknown_nas AS u", 1)
        + " ON CONFLICT (address) DO UPDATE SET"
        " last_seen_at = GREATEST(u.last_seen_at, excluded.last_seen_at),"
        " datagrams = u.datagrams + excluded.datagrams"
    )
    return {
        b"auth": _numbered(auth),
        b"accounting": _numbered(f"WITH {certain}"),
        b"all": _numbered(f"WITH a AS ({auth}), {certain}"),
        b"placed accounting": _numbered(f"WITH {placed}"),
        b"placed all": _numbered(f"WITH a AS ({auth}), {placed}"),
        b"relay": _numbered(_insert("relay_outbox", RELAY_COLUMNS)),
        b"boot": _numbered(_insert("nas_boot", _BOOT_COLUMNS)),
        b"close": close.encode(),
        b"seen": _numbered(seen),
        b"unknown": _numbered(unknown),
    }


def _rows(batch: Batch) -> Iterator[tuple[bytes, list[Any]]]:
    """(statement, its arrays) of decisions and accounting: at most one."""
    if batch.accounting_events:
        name = b"all" if batch.auth_events else b"accounting"
        literals = [
            *_literals(batch.accounting_events, ACCOUNTING_EVENT_COLUMNS),
            # In key order, so that two workers lock rows in the same order.
            *_literals(sorted(batch.sessions, key=_key), SESSION_COLUMNS),
            *_literals(sorted(batch.addresses, key=_key), ADDRESS_COLUMNS),
        ]
        if batch.auth_events:
            literals = _literals(batch.auth_events, AUTH_EVENT_COLUMNS) + literals
        if batch.is_placed:
            name = b"placed " + name
        else:
            literals.append(str(len(batch.sessions)))
        yield name, literals
    elif batch.auth_events:
        yield b"auth", _literals(batch.auth_events, AUTH_EVENT_COLUMNS)


def _rare(batch: Batch) -> Iterator[tuple[bytes, list[Any]]]:
    """(statement, its values) of what only some batches have."""
    if batch.relays:
        yield b"relay", _literals(batch.relays, RELAY_COLUMNS)
    for row in batch.boots:
        nas, identity, at, _ = row
        yield b"boot", _literals([row], _BOOT_COLUMNS)
        yield b"close", [str(at), str(nas), identity]
    if batch.nas_seen:
        seen = sorted((nas, *moments) for nas, moments in batch.nas_seen.items())
        yield b"seen", [_numbers(column) for column in zip(*seen, strict=True)]
    if batch.unknown:
        strangers = sorted((address, *counts) for address, counts in batch.unknown.items())
        yield b"unknown", _literals(strangers, _UNKNOWN_COLUMNS)


def _result(connection: Connection) -> None:
    """Take the result of what was sent; raises what the server says went wrong."""
    result = connection.pgconn.get_result()
    while (following := connection.pgconn.get_result()) is not None:
        result = following
    _checked(result, connection)


def _checked(result: PGresult | None, connection: Connection) -> None:
    if result is None:
        raise psycopg.OperationalError("the connection to the database is lost")
    if result.status not in _GOOD:
        raise psycopg.errors.error_from_result(result, connection.info.encoding)


def _numbered(statement: str) -> bytes:
    """`%s` as `$1`, `$2`, … , which is what libpq takes."""
    parts = statement.split("%s")
    numbered = "".join(f"{part}${number}" for number, part in enumerate(parts[:-1], 1))
    return (numbered + parts[-1]).encode()


def _key(row: Row) -> Any:
    return row[:2]


def _insert(table: str, columns: tuple[str, ...]) -> str:
    # Side by side in the list, not one `FROM unnest(...)`: that would store each array in
    # between, row by row, and costs a tenth of the whole insert.
    values = ", ".join(f"unnest(%s::{_TYPES.get(column, _BIG)}[])" for column in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values}"


def _literals(rows: Sequence[Row], columns: tuple[str, ...]) -> list[Any]:
    """One array a column: as text, or as octets when it is in binary form."""
    if not rows:
        return ["{}"] * len(columns)
    return [
        _LITERALS[_TYPES.get(column, _BIG)](values)
        for column, values in zip(columns, zip(*rows, strict=True), strict=True)
    ]


def _numbers(values: tuple[Any, ...]) -> str:
    text = ",".join(map(str, values))
    return f"{{{text.replace('None', 'NULL')}}}"


def _texts(values: tuple[Any, ...]) -> str:
    """The values as an array literal; the usual column has nothing to escape."""
    if None not in values:
        text = '","'.join(values)
        if "\\" not in text and text.count('"') == 2 * len(values) - 2:
            return f'{{"{text}"}}'
    return "{" + ",".join(["NULL" if value is None else _quote(value) for value in values]) + "}"


def _octets(values: tuple[Any, ...]) -> bytes:
    """The values as an array in binary form, which spares both sides the hex digits."""
    parts = [_ARRAY_HEAD.pack(1, 0, _BYTEA_OID, len(values), 1)]
    for value in values:
        parts += (len(value).to_bytes(4, "big"), value)
    return b"".join(parts)


def _quote(text: str) -> str:
    """A text as an element of an array literal."""
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


_LITERALS: dict[str, Callable[[tuple[Any, ...]], str | bytes]] = {
    _BIG: _numbers,
    "smallint": _numbers,
    "text": _texts,
    "bytea": _octets,
}
