"""Bring a database to the newest schema; called by `yuenyan init` alone."""

from __future__ import annotations

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
