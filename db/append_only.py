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
    """What of the protection is not in force, such as a trigger that somebody dropped."""
    if connection.dialect.name == "sqlite":
        found = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
    else:
        found = connection.execute(
            text(
                "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
                "WHERE tgenabled <> 'D' AND relnamespace = current_schema()::regnamespace"
            )
        )
    there = {str(name) for (name,) in found}
    wrong = [name for name in _names(connection.dialect.name) if name not in there]
    if connection.execute(text("SELECT count(*) FROM append_only WHERE lifted")).scalar_one():
        wrong.append("append_only.lifted")
    return wrong


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
