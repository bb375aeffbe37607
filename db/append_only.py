"""Rows of evidence are only ever added: the database itself refuses UPDATE and DELETE of them.

Only who moves rows into the archive, or anonymises what is over its time, lifts that, inside
its own transaction: nobody else ever sees it lifted. INSERT meets no trigger.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from db.models.append_only import AppendOnly

TABLES = ("audit_event", "accounting_event", "auth_event")

_EVERY_CHANGE = 2 | 8 | 16 | 32
"""pg_trigger.tgtype: before DELETE, UPDATE or TRUNCATE, once for the statement."""

_FUNCTION = """
CREATE OR REPLACE FUNCTION append_only_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM append_only WHERE lifted) THEN
    RAISE EXCEPTION USING
      MESSAGE = TG_TABLE_NAME || ' is append-only: rows are neither changed nor deleted',
      ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $$
"""


def install(connection: Connection) -> None:
    """Make the triggers; called by a migration, and by one that rebuilds such a table."""
    for statement in _statements(connection.dialect.name):
        connection.exec_driver_sql(statement)


def missing(connection: Connection) -> list[str]:
    """What of the protection is not in force: a trigger is gone, or does something else now."""
    dialect = connection.dialect.name
    found = _sqlite_triggers if dialect == "sqlite" else _postgresql_triggers
    there = found(connection)
    wrong = [name for name in _names(dialect) if name not in there]
    if connection.execute(text("SELECT count(*) FROM append_only WHERE lifted")).scalar_one():
        wrong.append("append_only.lifted")
    return wrong


def _sqlite_triggers(connection: Connection) -> set[str]:
    """Those that say what they said when they were made."""
    rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
    made = {_plain(statement) for statement in _statements("sqlite")}
    return {str(name) for name, sql in rows if _plain(sql) in made}


def _postgresql_triggers(connection: Connection) -> set[str]:
    """Those that fire, for every change, a function that says what it said when it was made."""
    rows = connection.execute(
        text(
            "SELECT tgname, prosrc FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
            " JOIN pg_proc ON pg_proc.oid = tgfoid"
            " WHERE tgenabled IN ('O', 'A') AND relnamespace = current_schema()::regnamespace"
            " AND tgtype = :every AND tgattr = '' AND tgqual IS NULL"
        ),
        {"every": _EVERY_CHANGE},
    )
    body = _plain(_FUNCTION.split("$$")[1])
    return {str(name) for name, source in rows if _plain(source) == body}


def _plain(statement: str) -> str:
    """Without the quotes and blanks that a database adds when a table gets another name."""
    return "".join(statement.replace('"', "").split())


@contextmanager
def lifted(session: Session) -> Iterator[None]:
    """Rows of evidence may be changed in this block, which must lie within one transaction.

    For who moves rows into the archive, and for who anonymises. Others wait or are refused.
    """
    session.execute(update(AppendOnly).values(lifted=True))
    try:
        yield
        session.flush()
    finally:
        # After an error PostgreSQL takes no more statements; the rollback undoes it as well.
        with suppress(SQLAlchemyError):
            session.execute(update(AppendOnly).values(lifted=False))


def _statements(dialect: str) -> Iterator[str]:
    if dialect != "sqlite":
        yield _FUNCTION
        for table in TABLES:
            yield (
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE "
                f"ON {table} FOR EACH STATEMENT EXECUTE FUNCTION append_only_refuse()"
            )
        return
    for table in TABLES:
        for verb in ("UPDATE", "DELETE"):
            yield (
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "  # noqa: S608
                "WHEN NOT EXISTS (SELECT 1 FROM append_only WHERE lifted) BEGIN "
                f"SELECT RAISE(ABORT, '{table} is append-only: rows are neither changed nor "
                "deleted'); END"
            )


def _names(dialect: str) -> list[str]:
    if dialect != "sqlite":
        return [f"{table}_append_only" for table in TABLES]
    return [f"{table}_no_{verb}" for table in TABLES for verb in ("update", "delete")]
