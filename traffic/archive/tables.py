"""Writes and reads segments of rows: every kind but `flow`.

A segment is written aside, synced, renamed, and only then entered in the manifest. Does not
know what the rows mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import clock
from common.errors import ArchiveError
from traffic.archive import duck
from traffic.archive.durable import digest_and_sync, sync_directory
from traffic.archive.entries import ClockNote, Entry
from traffic.archive.index import ManifestIndex
from traffic.archive.kinds import CLOCK, KINDS, NAT, THIS_MACHINE, TIME, Kind
from traffic.archive.manifest import Manifest

if TYPE_CHECKING:
    import duckdb

    from traffic.archive.about import About

Row = Mapping[str, Any]
"""Column name -> value; times in milliseconds since 1970 UTC, absent columns are NULL."""

_HOUR_MS = 3_600_000
_EVER = 1 << 62
_COPY = "FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION V2, ROW_GROUP_SIZE 122880"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One row as it stands in the archive."""

    record: str
    """kind:path#row, the id that answers cite."""
    values: dict[str, Any]
    """Column name -> value; times in milliseconds since 1970 UTC."""


class TableArchive:
    """Segments of rows below one archive directory; any number of processes may append."""

    def __init__(self, archive: Path, node: str) -> None:
        self.archive = archive
        self.node = node
        self._manifest = Manifest(archive)
        self._connection: duckdb.DuckDBPyConnection | None = None

    def append(self, kind: Kind, rows: Sequence[Row], origin: str = "") -> list[Entry]:
        """Store `rows` as one commit, a segment for each hour of receipt; its manifest lines.

        Nothing is written, and nothing counts, until the lines are in the manifest.

        Raises:
            ArchiveError: the disk or DuckDB refused, or a row does not fit its kind.
            BackendUnavailable: the archive directory cannot be locked.
        """
        if not rows:
            return []
        written: list[Path] = []
        try:
            with self._manifest.locked():
                self._manifest.recover()
                last = self._manifest.last()
                name = f"{self.node}-t{last.seq + 1 if last else 1:012d}"
                return self._manifest.append(self._segments(kind, rows, name, origin, written))
        except OSError as error:
            raise ArchiveError(kind.name, f"cannot be written: {error.strerror}") from error
        except ArchiveError:
            for path in written:
                with suppress(OSError):
                    path.unlink()
            raise

    def write(self, kind: Kind, rows: Sequence[Row], name: str) -> list[Entry]:
        """Write `rows` as segments called `name`, and return the lines that would list them.

        For a caller who holds the archive's lock and commits them together with others: what
        is never listed does not count, and that caller cleans it up.

        Raises:
            ArchiveError: the disk or DuckDB refused, or a row does not fit its kind.
        """
        try:
            return self._segments(kind, rows, name, "", [])
        except OSError as error:
            raise ArchiveError(kind.name, f"cannot be written: {error.strerror}") from error

    def entries(self, kind: Kind) -> list[Entry]:
        """The manifest lines of `kind` whose segments have not been purged, oldest first."""
        return list(self._manifest.committed().present(kind.name))

    def read(
        self,
        kind: Kind,
        where: str = "true",
        parameters: Sequence[Any] = (),
        *,
        from_ms: int | None = None,
        to_ms: int | None = None,
        limit: int = 10_000,
        among: ManifestIndex | None = None,
        about: About | None = None,
    ) -> list[Found]:
        """Rows of `kind` received in the span for which the SQL condition `where` holds.

        `where` is DuckDB SQL over the kind's columns with `?` for `parameters`; it comes from
        our own code, never from a question. Ordered by time of receipt; at most `limit`.
        `among`: for a caller who has the index of the manifest already. `about`: what `where`
        cannot find without, so that segments may be left out.

        Raises:
            ArchiveError: a segment is missing or damaged.
        """
        index = ManifestIndex(self.archive) if among is None else among
        first = -_EVER if from_ms is None else from_ms
        last = _EVER if to_ms is None else to_ms
        entries = index.segments(kind.name, first, last, about=about)
        paths = [str(self.archive / entry.path) for entry in entries]
        if not paths:
            return []
        spans, limits = "", []
        for bound, sign in ((from_ms, ">="), (to_ms, "<=")):
            if bound is not None:
                spans += f" AND epoch_ms(received_at) {sign} ?"
                limits.append(bound)
        shown = ", ".join(
            f"epoch_ms({name}) AS {name}" if type_ == TIME else name
            for name, type_ in kind.columns.items()
        )
        query = (
            f"SELECT filename, file_row_number, {shown} FROM read_parquet(?, filename = true, "  # noqa: S608
            f"file_row_number = true) WHERE ({where}){spans} "
            "ORDER BY epoch_ms(received_at), filename, file_row_number LIMIT ?"
        )
        try:
            rows = (
                self._duck()
                .execute(query, [paths, *parameters, *limits, max(0, int(limit))])
                .fetchall()
            )
        except duck.library().Error as error:
            raise ArchiveError(kind.name, f"cannot be read: {error}") from error
        names = list(kind.columns)
        return [
            Found(
                record=f"{kind.name}:{Path(path).relative_to(self.archive)}#{number}",
                values=dict(zip(names, values, strict=True)),
            )
            for path, number, *values in rows
        ]

    def _segments(
        self, kind: Kind, rows: Sequence[Row], name: str, origin: str, written: list[Path]
    ) -> list[Entry]:
        """A segment for each hour of receipt; `written` tells which, whatever happens."""
        return [
            self._segment(kind, part, begin, name, origin, written)
            for begin, part in _by_hour(rows)
        ]

    def _segment(
        self,
        kind: Kind,
        rows: Sequence[Row],
        begin: datetime,
        name: str,
        origin: str,
        written: list[Path],
    ) -> Entry:
        relative = f"{kind.name}/date={begin:%Y-%m-%d}/hour={begin:%H}/{name}.parquet"
        final = self.archive / relative
        aside = final.with_suffix(".aside")
        final.parent.mkdir(parents=True, exist_ok=True)
        self._copy(kind, rows, aside)
        mentions = _mention(aside, rows) if kind is NAT else ""
        sha256, octets = digest_and_sync(aside)
        aside.rename(final)
        written.append(final)
        for directory in (final.parent, *final.parent.parents[:3]):
            sync_directory(directory)
        received = [int(row["received_at"]) for row in rows]
        return Entry(
            kind=kind.name,
            node=self.node,
            path=relative,
            sha256=sha256,
            records=len(rows),
            octets=octets,
            received_min_ms=min(received),
            received_max_ms=max(received),
            active_min_ms=min(received),
            active_max_ms=max(received),
            origin=origin,
            clock=_own_clock(rows) if kind is CLOCK else (),
            mentions=mentions,
            written_ms=clock.unix_nanoseconds() // 1_000_000,
        )

    def _copy(self, kind: Kind, rows: Sequence[Row], aside: Path) -> None:
        import numpy as np  # to write with; who only reads does not wait for it

        strange = {name for row in rows for name in row} - set(kind.columns)
        if strange:
            raise ArchiveError(kind.name, f"has no column {sorted(strange)[0]}")
        table = {}
        for name in kind.columns:
            column = np.empty(len(rows), dtype=object)
            column[:] = [row.get(name) for row in rows]
            table[name] = column
        terms = ", ".join(f"{_cast(name, type_)} AS {name}" for name, type_ in kind.columns.items())
        order = ", ".join(kind.sorted_by)
        target = str(aside).replace("'", "''")
        connection = self._duck()
        try:
            connection.register("fresh", table)
            connection.execute(
                f"COPY (SELECT {terms} FROM fresh ORDER BY {order}) TO '{target}' ({_COPY})"  # noqa: S608
            )
        except duck.library().Error as error:
            raise ArchiveError(kind.name, f"cannot be written: {error}") from error
        finally:
            connection.unregister("fresh")

    def _duck(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            self._connection = duck.connect()
        return self._connection


def kind_named(name: str) -> Kind:
    """The kind of that name.

    Raises:
        ArchiveError: there is none with rows.
    """
    try:
        return KINDS[name]
    except KeyError:
        raise ArchiveError(name, "is no kind of record") from None


def _cast(name: str, type_: str) -> str:
    if type_ == TIME:
        return f"make_timestamp_ms({name}::BIGINT)::TIMESTAMP_MS"
    return f"{name}::{type_}"


def _mention(segment: Path, rows: Sequence[Row]) -> str:
    from traffic.archive.mentioning import mention, of_rows  # with numpy, as in `_copy`

    return mention(segment, of_rows(rows))


def _own_clock(rows: Sequence[Row]) -> tuple[ClockNote, ...]:
    """What rows of the kind `clock` say of this machine, oldest first."""
    return tuple(
        ClockNote(
            at_ms=int(row["received_at"]),
            state=str(row["state"]),
            offset_us=row.get("offset_us"),
            error_us=row.get("error_us"),
        )
        for row in sorted(rows, key=lambda row: int(row["received_at"]))
        if row["source"] == THIS_MACHINE
    )


def _by_hour(rows: Sequence[Row]) -> Iterator[tuple[datetime, list[Row]]]:
    """(begin of the hour, its rows), oldest first."""
    hours: dict[int, list[Row]] = {}
    for row in rows:
        hours.setdefault(int(row["received_at"]) // _HOUR_MS, []).append(row)
    for hour in sorted(hours):
        yield datetime.fromtimestamp(hour * 3600, UTC), hours[hour]
