"""The ledger on PostgreSQL: every statement of a batch in one pipelined round trip.

Rows travel as one array a column and are unnested by the server, so that a statement's
text is the same for every batch and stays prepared.
"""

from __future__ import annotations

from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from common.errors import BackendUnavailable
from db.ledger.batch import (
    ACCOUNTING_EVENT_COLUMNS,
    AUTH_EVENT_COLUMNS,
    Batch,
    Row,
    UnstorableError,
)
from db.ledger.statements import CLOSE_BY_BOOT, UPSERTS, postgres_joins

_BIG = "bigint"
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
            "source",
            "session_key",
            "framed_address",
            "nas_identity",
            "acct_session_id",
            "nas_port",
            "address",
        ),
        "text",
    ),
}

CONNECT_SECONDS = 3
"""A database that does not answer within this is down; the NAS asks again meanwhile."""

STATEMENT_MILLISECONDS = 10_000


class PostgresLedger:
    """One connection that commits batches."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url).set(drivername="postgresql")
        self._conninfo = parsed.render_as_string(hide_password=False)
        self._connection: psycopg.Connection[Any] | None = None
        self._auth = _insert("auth_event", AUTH_EVENT_COLUMNS)
        self._accounting = _insert("accounting_event", ACCOUNTING_EVENT_COLUMNS)
        self._session, self._address = (
            _insert(table, columns)
            + f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {postgres_joins(table, joins)}"
            + "".join(f", {column} = {rule}" for column, rule in extra.items())
            for table, columns, key, joins, extra in UPSERTS
        )
        self._boot = CLOSE_BY_BOOT.format(at="%(at)s", nas="%(nas)s", identity="%(identity)s")

    def commit(self, batch: Batch) -> None:
        """See Ledger.commit."""
        try:
            connection = self._connected()
            with connection.pipeline(), connection.transaction(), connection.cursor() as cursor:
                self._write(cursor, batch)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self.close()
            raise BackendUnavailable("database", str(error).strip()) from error
        except psycopg.Error as error:
            self.close()
            raise UnstorableError(str(error).strip()) from error

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._conninfo,
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                prepare_threshold=2,
                options=f"-c statement_timeout={STATEMENT_MILLISECONDS}",
            )
        return self._connection

    def _write(self, cursor: psycopg.Cursor[Any], batch: Batch) -> None:
        for statement, rows in (
            (self._auth, batch.auth_events),
            (self._accounting, batch.accounting_events),
            # Rows in key order, so that two workers lock them in the same order.
            (self._session, sorted(batch.sessions, key=_first)),
            (self._address, sorted(batch.addresses, key=_first)),
        ):
            if rows:
                cursor.execute(statement, [list(column) for column in zip(*rows, strict=True)])
        for nas, identity, at, status_type in batch.boots:
            cursor.execute(
                "INSERT INTO nas_boot (nas_client_id, nas_identity, at, status_type)"
                " VALUES (%s, %s, %s, %s)",
                (nas, identity, at, status_type),
            )
            cursor.execute(self._boot, {"at": at, "nas": nas, "identity": identity})
        for nas, (seen, without) in sorted(batch.nas_seen.items()):
            cursor.execute(
                "UPDATE nas_client SET last_seen_at = GREATEST(last_seen_at, %s::bigint),"
                " last_without_message_authenticator_at ="
                " GREATEST(last_without_message_authenticator_at, %s::bigint) WHERE id = %s",
                (seen, without, nas),
            )
        for address, (first, last, datagrams) in sorted(batch.unknown.items()):
            cursor.execute(
                "INSERT INTO unknown_nas AS u (address, first_seen_at, last_seen_at, datagrams)"
                " VALUES (%s, %s, %s, %s) ON CONFLICT (address) DO UPDATE SET"
                " last_seen_at = GREATEST(u.last_seen_at, excluded.last_seen_at),"
                " datagrams = u.datagrams + excluded.datagrams",
                (address, first, last, datagrams),
            )

    def close(self) -> None:
        """See Ledger.close."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _first(row: Row) -> Any:
    return row[:2]


def _insert(table: str, columns: tuple[str, ...]) -> str:
    arrays = ", ".join(f"%s::{_TYPES.get(column, _BIG)}[]" for column in columns)
    names = ", ".join(columns)
    return f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays})"  # noqa: S608 - ours
