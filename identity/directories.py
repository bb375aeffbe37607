"""The directories of this site, in the order in which they are asked; opened when first asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping

from common.config_access import Directory
from common.errors import BackendUnavailable, ConfigError
from identity.domain.directory import Source

ORIGIN = "directory:"
"""Before the name of a directory, what an account's `origin` says."""


def _open_ldap(name: str, settings: Directory) -> Source:
    # A site without a directory, and most commands, need not load ldap3.
    from identity.stores.directory import LdapDirectory

    return LdapDirectory(name, settings)


class Directories:
    """Every `[directory.NAME]`. For many threads; false when there is none."""

    def __init__(
        self,
        settings: Mapping[str, Directory] | None = None,
        open_source: Callable[[str, Directory], Source] | None = None,
    ) -> None:
        self.settings = dict(settings or {})
        self._open = open_source or _open_ldap
        self._lock = threading.Lock()
        self._sources: dict[str, Source] = {}

    def __bool__(self) -> bool:
        return bool(self.settings)

    def __iter__(self) -> Iterator[Source]:
        return (self.get(name) for name in self.settings)

    def check(self) -> None:
        """Open every directory, which connects to none; ConfigError says what is wrong."""
        for name in self.settings:
            self._opened(name)

    def close(self) -> None:
        """Close what is open; the next question opens it again."""
        with self._lock:
            while self._sources:
                self._sources.popitem()[1].close()

    def of(self, origin: str) -> Source | None:
        """The directory that an account's origin names; None when it is configured no more."""
        name = origin.removeprefix(ORIGIN)
        return self.get(name) if name in self.settings else None

    def get(self, name: str) -> Source:
        """The directory `name`, which is configured.

        Raises:
            BackendUnavailable: its files cannot be read now.
        """
        try:
            return self._opened(name)
        except ConfigError as error:
            raise BackendUnavailable(f"{ORIGIN}{name}", str(error)) from error

    def _opened(self, name: str) -> Source:
        with self._lock:
            found = self._sources.get(name)
            if found is None:
                found = self._sources[name] = self._open(name, self.settings[name])
            return found
