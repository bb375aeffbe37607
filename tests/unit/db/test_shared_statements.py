"""Databases of a test process share the SQL that was made, and nothing else."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

from sqlalchemy import select
from sqlalchemy.sql.compiler import SQLCompiler

from common.clock import utc_now
from db.engine import Database
from db.models import Base, Organisation


def names(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(select(Organisation.name).order_by(Organisation.name)))


def test_each_database_answers_for_itself_with_sql_that_was_made_once(tmp_path: Path) -> None:
    databases = [Database(f"sqlite:///{tmp_path / name}") for name in ("one.db", "two.db")]
    try:
        for number, database in enumerate(databases):
            Base.metadata.create_all(database.engine)
            with database.write() as session:
                name = f"school {number}"
                session.add(Organisation(code=f"S{number}", name=name, created_at=utc_now()))
        assert names(databases[0]) == ["school 0"]
        with patch.object(SQLCompiler, "__init__", side_effect=AssertionError("made anew")):
            assert names(databases[1]) == ["school 1"]
    finally:
        for database in databases:
            database.dispose()
