"""The few things every identity service needs, put together once per process."""

from __future__ import annotations

from dataclasses import dataclass, field

from common.clock import Clock, utc_now
from common.config import Config
from db.engine import Database
from identity.directories import Directories
from identity.passwords import PasswordVault
from identity.vault import Vault
from identity.verified import VerifiedPasswords


@dataclass(frozen=True, slots=True)
class Office:
    """Database, keys, password costs, clock and directories of this site."""

    config: Config
    database: Database
    vault: Vault
    passwords: PasswordVault
    clock: Clock = utc_now
    directories: Directories = field(default_factory=Directories)
    verified: VerifiedPasswords = field(default_factory=VerifiedPasswords.of_this_process)
    """What this process need not prove again."""

    @classmethod
    def open(cls, config: Config, database: Database | None = None) -> Office:
        """The office of `config`; ConfigError when `yuenyan init` has not been run."""
        return cls(
            config=config,
            database=database or Database(config.database_url),
            vault=Vault.open(config.keys_dir),
            passwords=PasswordVault(config.passwords),
            directories=Directories(config.directory),
        )
