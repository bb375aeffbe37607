"""A DuckDB connection for reading, without the parts of its package that are never used here.

`import duckdb` takes three times as long as the library itself, for wrappers of things like
data frames; a look at one address is over in less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb


def library() -> Any:
    """The module that has `connect` and `Error`."""
    try:
        import _duckdb
    except ImportError:  # a release that calls it otherwise
        import duckdb

        return duckdb
    return _duckdb


def connect() -> duckdb.DuckDBPyConnection:
    """A connection in memory that installs nothing by itself."""
    connection: duckdb.DuckDBPyConnection = library().connect(":memory:")
    connection.execute("SET autoinstall_known_extensions = false")
    return connection
