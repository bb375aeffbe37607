"""SQL that SQLAlchemy has made of a statement, kept for all databases of a test process.

Each test has a database, so an engine, and an engine keeps its own: without this every test has
each of its statements made anew, which is a fifth of what the pure tests compute.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.util import LRUCache

STATEMENTS = 4000
"""More than there are of both kinds of database."""


class SharedStatements:
    """Takes the place of the cache of an engine.

    A key begins with the engine's dialect, an object of its own; here the kind of database stands
    for it, as all of a kind are of one version and set up alike.
    """

    def __init__(self) -> None:
        self._kept: LRUCache[Any, Any] = LRUCache(STATEMENTS)

    def get(self, key: tuple[Any, ...]) -> Any:
        return self._kept.get(_of_kind(key))

    def __setitem__(self, key: tuple[Any, ...], made: Any) -> None:
        self._kept[_of_kind(key)] = made

    def open_engine(self, *arguments: Any, **options: Any) -> Engine:
        """As sqlalchemy.create_engine."""
        made = create_engine(*arguments, **options)
        made._compiled_cache = self  # type: ignore[assignment]
        return made


def _of_kind(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect = key[0]
    return (dialect.name, dialect.driver, *key[1:])
