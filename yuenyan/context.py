"""What every command gets: the configuration, and the database and office opened on demand."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from common.errors import ConfigError, NoTables

if TYPE_CHECKING:
    from common.config import Config
    from db.engine import Database
    from identity.office import Office


NO_SITE = (
    "change to the folder of your site or give its configuration with --config FILE;"
    " for a new site run 'yuenyan init'"
)


class Context:
    """Passed to each command by click; opens nothing until it is asked."""

    actor = "command-line"
    """`identity.services.audit.CONSOLE`, which loads too much to be named here."""

    def __init__(self, config: Config, *, needs_site: bool = False) -> None:
        """Take the configuration.

        Args:
            needs_site: refuse a data directory that is not there, so that nothing is looked
                for, and made, in a folder where somebody only happens to be.
        """
        self._config = config
        self._needs_site = needs_site

    @property
    def config(self) -> Config:
        """The configuration; ConfigError when there is no site and the command needs one."""
        if self._needs_site and not self._config.data_dir.is_dir():
            raise ConfigError(f"there is no site in {self._config.data_dir}: {NO_SITE}")
        return self._config

    @cached_property
    def database(self) -> Database:
        """The site's database; ConfigError when `yuenyan init` has not been run."""
        from db.engine import OPERATOR, Database
        from yuenyan.commands.console import operator

        database = Database(self.config.database_url, {OPERATOR: operator().noted})
        database.require_schema()
        return database

    def explain(self, error: NoTables) -> ConfigError:
        """`error`, or what is true of a site that has an archive and lost its database."""
        from yuenyan.lost import RESTORE, describe_loss

        loss = describe_loss(self._config)
        return error if loss is None else ConfigError(f"{loss}: {RESTORE}")

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
