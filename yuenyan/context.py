"""What every command gets: the configuration, and the database and office opened on demand."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from common.config import Config

if TYPE_CHECKING:
    from db.engine import Database
    from identity.office import Office


class Context:
    """Passed to each command by click; opens nothing until it is asked."""

    actor = "command-line"

    def __init__(self, config: Config) -> None:
        self.config = config

    @cached_property
    def database(self) -> Database:
        """The site's database; ConfigError when `yuenyan init` has not been run."""
        from db.engine import Database

        database = Database(self.config.database_url)
        database.require_schema()
        return database

    def close(self) -> None:
        """Let go of the database and the directories, if they were opened."""
        if "office" in self.__dict__:
            self.office.directories.close()
        if "database" in self.__dict__:
            self.database.dispose()

    @cached_property
    def office(self) -> Office:
        """Database, keys and password costs together."""
        from identity.office import Office

        return Office.open(self.config, self.database)
