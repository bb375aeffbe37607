"""Bring a database to the newest schema; called by `yuenyan init` alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig

from db.engine import Database


def migration_config(url: str) -> AlembicConfig:
    """Alembic's configuration, made in memory so that no ini file can disagree with ours."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


_NUMBER = 0x79756E
"""Of the lock: whoever else locks numbers in this database takes another."""


@contextmanager
def alone(database: Database) -> Iterator[None]:
    """Let no other `init` do anything to this PostgreSQL while the block runs.

    Two that begin together would both make the tables, and one of them fail on the other's. SQLite
    has its one writer, and the data directory.

    Raises:
        BackendUnavailable: the database does not answer.
    """
    if database.is_sqlite:
        yield
        return
    with database.answering(), database.engine.begin() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_NUMBER})")
        yield


def upgrade(database: Database) -> None:
    """Run every migration that `database` has not seen.

    Raises:
        BackendUnavailable: it does not answer, or its disk is full.
    """
    config = migration_config(database.url)
    with database.answering(), database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
