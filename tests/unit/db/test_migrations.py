"""The migrations against the models, on both databases, and how a database is opened."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select, text

from common.errors import BackendUnavailable, ConfigError
from db.engine import Database, newest_tables
from db.migrate import migration_config, upgrade
from db.models import Base, Organisation, Revision, Role
from tests.conftest import PostgresqlServer


def test_upgrading_an_empty_database_gives_exactly_the_models(database_url: str) -> None:
    database = Database(database_url)
    upgrade(database)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, Base.metadata)
    database.dispose()
    assert differences == []


def test_upgrading_twice_changes_nothing(database_url: str) -> None:
    database = Database(database_url)
    upgrade(database)
    with database.write() as session:
        session.add(Role(name="staff"))
    upgrade(database)
    with database.read() as session:
        assert session.scalars(select(Role.name)).all() == ["staff"]
    database.dispose()


def test_a_database_without_tables_says_to_run_init(database_url: str) -> None:
    database = Database(database_url)
    with pytest.raises(ConfigError, match="yuenyan init"):
        database.require_schema()
    database.dispose()


@pytest.mark.parametrize(
    ("found", "says"),
    [("0012", "are at 0012, this release needs 00.*yuenyan init"), ("9999", "at 9999.*or a newer")],
)
def test_tables_of_another_release_are_told_before_anything_fails(
    database_url: str, found: str, says: str
) -> None:
    assert newest_tables() == ScriptDirectory.from_config(migration_config("")).get_current_head()
    database = Database(database_url)
    upgrade(database)
    database.require_schema()
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :found"), {"found": found})
    with pytest.raises(ConfigError, match=says):
        database.require_schema()
    database.dispose()


def test_the_revision_rises_with_what_radius_keeps_in_memory(database_url: str) -> None:
    database = Database(database_url)
    upgrade(database)

    def revision() -> int:
        with database.read() as session:
            return session.scalars(select(Revision.number)).one()

    before = revision()
    with database.write() as session:
        session.add(Role(name="staff"))
    assert revision() == before + 1
    database.dispose()


@pytest.mark.parametrize("table", ["address_interval", "granted_session", "coa_request"])
def test_what_is_joined_with_a_session_is_found_by_its_index(
    postgresql: PostgresqlServer, table: str
) -> None:
    database = Database(postgresql.create_database("migrated"))
    question = (
        f"EXPLAIN SELECT 1 FROM network_session JOIN {table} other"
        " ON other.session_key = network_session.session_key"
        " WHERE network_session.session_key = 'a'"
    )
    with database.read() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = session.scalars(text(question)).all()
    database.dispose()
    assert sum("Index Cond: (session_key = " in line for line in plan) == 2, plan


def test_a_write_that_raises_leaves_nothing(database_url: str) -> None:
    database = Database(database_url)
    upgrade(database)
    with pytest.raises(ZeroDivisionError), database.write() as session:
        session.add(Role(name="staff"))
        session.flush()
        raise ZeroDivisionError
    with database.read() as session:
        assert session.scalars(select(Role.name)).all() == []
        assert session.scalars(select(Organisation.code)).all() == []
    database.dispose()


def test_sqlite_keeps_what_it_has_committed(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    database.dispose()


def test_an_unreachable_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "x.db").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    with pytest.raises(BackendUnavailable), database.read() as session:
        session.scalars(select(Role.name)).all()
    database.dispose()
