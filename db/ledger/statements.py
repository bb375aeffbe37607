"""The joins of identity.domain.sessions, once more, as SQL for both databases.

A row that meets an existing one keeps the least or the greatest of both, so the order of
batches cannot matter. tests/contracts holds this against the Python joins.
"""

from __future__ import annotations

from enum import Enum

from db.ledger.batch import ADDRESS_COLUMNS, SESSION_COLUMNS


class Join(Enum):
    """How two values of one column become one."""

    LEAST = "least"
    MOST = "most"
    MOST_TEXT = "most text"
    OWNER = "owner"
    """The account that goes with the greater session_ref, none being least."""


# first_heard_at is not among them: the first row to come keeps its own.
SESSION_JOINS = {
    "account_id": Join.OWNER,
    "session_ref": Join.MOST_TEXT,
    "called_station_id": Join.MOST_TEXT,
    "nas_port": Join.MOST_TEXT,
    "started_at": Join.LEAST,
    "last_heard_at": Join.MOST,
    "session_seconds": Join.MOST,
    "stop_seen": Join.MOST,
    "stop_at": Join.LEAST,
    "terminate_cause": Join.MOST,
    "input_octets": Join.MOST,
    "output_octets": Join.MOST,
}
ADDRESS_JOINS = {
    "from_at": Join.LEAST,
    "to_at": Join.MOST,
    "first_offset_seconds": Join.LEAST,
    "last_offset_seconds": Join.MOST,
}

REOPEN = {
    column: (
        "CASE WHEN excluded.last_heard_at > network_session.closed_at"
        f" THEN NULL ELSE network_session.{column} END"
    )
    for column in ("closed_at", "close_cause")
}
"""A session we had given up and that speaks again is open again."""

BELONGS = {
    "network_session": (
        "network_session.stop_seen = 0 AND network_session.closed_at IS NULL"
        " OR excluded.started_at <= network_session.started_at"
        " OR network_session.stop_seen = 0"
        " AND excluded.started_at <= network_session.closed_at"
        " OR network_session.stop_seen = 1"
        " AND excluded.started_at <="
        " COALESCE(network_session.stop_at, network_session.last_heard_at)"
        " AND excluded.started_at <="
        " network_session.started_at + network_session.session_seconds * 1000000"
    )
}
"""What certainly is the session that has its key: one that is open, or began before it ended.

The end is that of identity.domain.sessions.ended_at or earlier, so that nothing is taken for
certain which identity.domain.reused_ids would place elsewhere."""

CLOSE_BY_BOOT = (
    "UPDATE network_session SET closed_at = {at}, close_cause = 'nas_restarted'"
    " WHERE nas_client_id = {nas} AND nas_identity = {identity}"
    " AND stop_seen = 0 AND closed_at IS NULL AND started_at < {at} AND last_heard_at <= {at}"
)


def postgres_joins(table: str, joins: dict[str, Join]) -> str:
    """The SET list for PostgreSQL, whose LEAST and GREATEST pass over NULL."""
    parts = []
    for column, join in joins.items():
        if join is Join.OWNER:
            parts.append(_owner(table, column, ' COLLATE "C"', "GREATEST({old}, {new})"))
            continue
        function = "LEAST" if join is Join.LEAST else "GREATEST"
        collation = ' COLLATE "C"' if join is Join.MOST_TEXT else ""
        parts.append(
            f"{column} = {function}({table}.{column}{collation}, excluded.{column}{collation})"
        )
    return ", ".join(parts)


def sqlite_joins(table: str, joins: dict[str, Join]) -> str:
    """The SET list for SQLite, whose two-argument MIN and MAX give NULL for a NULL."""
    parts = []
    for column, join in joins.items():
        if join is Join.OWNER:
            most = "MAX(COALESCE({old}, {new}), COALESCE({new}, {old}))"
            parts.append(_owner(table, column, "", most))
            continue
        function = "MIN" if join is Join.LEAST else "MAX"
        old, new = f"{table}.{column}", f"excluded.{column}"
        parts.append(f"{column} = {function}(COALESCE({old}, {new}), COALESCE({new}, {old}))")
    return ", ".join(parts)


def _owner(table: str, column: str, collation: str, most: str) -> str:
    old = f"COALESCE({table}.session_ref, ''){collation}"
    new = f"COALESCE(excluded.session_ref, ''){collation}"
    either = most.format(old=f"{table}.{column}", new=f"excluded.{column}")
    return (
        f"{column} = CASE WHEN {old} > {new} THEN {table}.{column}"
        f" WHEN {old} < {new} THEN excluded.{column} ELSE {either} END"
    )


SESSION_KEY = ("session_key",)
ADDRESS_KEY = ("session_key", "address", "source")
UPSERTS: tuple[
    tuple[str, tuple[str, ...], tuple[str, ...], dict[str, Join], dict[str, str]], ...
] = (
    ("network_session", SESSION_COLUMNS, SESSION_KEY, SESSION_JOINS, REOPEN),
    ("address_interval", ADDRESS_COLUMNS, ADDRESS_KEY, ADDRESS_JOINS, {}),
)
