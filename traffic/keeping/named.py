"""Which accounts the records of the archive name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from common.errors import ArchiveError
from traffic.archive.entries import Entry
from traffic.archive.lines import Lines

_FILES_A_QUERY = 500
_KINDS = ("access", "session")


def naming_accounts(lines: Lines) -> list[Entry]:
    """The segments that are still there and may name an account: far fewer than those of flows."""
    return [entry for kind in _KINDS for entry in lines.present(kind)]


def accounts_named(archive: Path, entries: Sequence[Entry], among: Collection[int]) -> set[int]:
    """Those of `among` that a row of these segments, all still there, names.

    Raises:
        ArchiveError: a segment is missing or damaged: then nobody can be forgotten.
    """
    import duckdb

    found: set[int] = set()
    paths = [str(archive / one.path) for one in entries if one.kind in _KINDS]
    if not among or not paths:
        return found
    connection = duckdb.connect(":memory:")
    try:
        connection.execute("SET autoinstall_known_extensions = false")
        for some in _pieces(paths):
            rows = connection.execute(
                "SELECT DISTINCT account_id FROM read_parquet(?) "
                "WHERE list_contains(?, account_id)",
                [list(some), sorted(among)],
            ).fetchall()
            found.update(int(row[0]) for row in rows)
    except duckdb.Error as error:
        raise ArchiveError("archive", f"cannot be read: {str(error).splitlines()[0]}") from error
    finally:
        connection.close()
    return found


def _pieces(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(paths), _FILES_A_QUERY):
        yield paths[start : start + _FILES_A_QUERY]
