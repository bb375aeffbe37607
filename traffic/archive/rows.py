"""Digests of rows that still lie in the database, noted in the manifest before each seal.

Rows become segments when they are a week old. Until then their digest is sealed and shown to
witnesses like everything else, so that changing them is noticed although they are no file.
Does not move rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from sqlalchemy import Column, Table, func, select
from sqlalchemy.orm import Session

from common.clock import unix_milliseconds
from common.errors import ArchiveError
from db.engine import Database
from db.models import AccountingEvent, AuditEvent, AuthEvent
from traffic.archive.entries import Entry, canonical, decode_entry
from traffic.archive.manifest import Manifest
from traffic.moments import to_micros, to_milliseconds

KIND = "rows"
ROWS_A_LINE = 100_000
"""Whoever moves rows moves whole lines of them, so lines must not be too large."""

LINES_A_TABLE = 50
"""In one round: after an upgrade the rows of years take their turn without a long stop."""

LATE_COMMIT = timedelta(minutes=15)
"""PostgreSQL hands out numbers before rows are committed: an import may take so long."""

_PIECE = 5_000


@dataclass(frozen=True, slots=True)
class _Noted:
    table: Table
    at: Column[datetime]


def _noted(model: type, at: str) -> _Noted:
    table: Table = model.__table__  # type: ignore[attr-defined]
    return _Noted(table, table.c[at])


_TABLES = {
    "audit_event": _noted(AuditEvent, "at"),
    "auth_event": _noted(AuthEvent, "at"),
    "accounting_event": _noted(AccountingEvent, "received_at"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsChecked:
    """What a look at the database came to."""

    rows: int
    """Rows that are as they were when their digest was sealed."""
    moved: int
    """Lines whose rows have gone into the archive since."""


def note_rows(database: Database, archive: Path, node: str, now: datetime) -> int:
    """Enter the digests of rows that have none yet; how many rows there were.

    Raises:
        BackendUnavailable: the database or the archive does not answer.
        ArchiveError: the manifest is damaged.
    """
    manifest = Manifest(archive)
    reached = _reached(manifest)
    cutoff = now - (timedelta() if database.is_sqlite else LATE_COMMIT)
    entries: list[Entry] = []
    with database.read() as session:
        for name, noted in _TABLES.items():
            ranges = _ranges(session, noted, reached.get(name, 0), cutoff)
            for first, last in islice(ranges, LINES_A_TABLE):
                digest, rows, times = _digest(session, noted, first, last)
                entries.append(
                    Entry(
                        kind=KIND,
                        node=node,
                        sha256=digest,
                        records=rows,
                        received_min_ms=times[0],
                        received_max_ms=times[1],
                        rows=f"{name}:{first}-{last}",
                    )
                )
    if not entries:
        return 0
    with manifest.locked():
        manifest.recover()
        if _reached(manifest) != reached:
            return 0  # another housekeeper was faster
        # Not before: digests of many rows take minutes, and seals are made meanwhile.
        written_ms = unix_milliseconds()
        manifest.append([replace(entry, written_ms=written_ms) for entry in entries])
    return sum(entry.records for entry in entries)


def check_rows(database: Database, archive: Path, *, since_ms: int = 0) -> RowsChecked:
    """Compare the rows that are still in the database with their digests.

    Args:
        since_ms: leave out what was noted before.

    Raises:
        ArchiveError: naming the first rows that were changed, taken away or slipped in.
        BackendUnavailable: the database does not answer.
    """
    entries = Manifest(archive).entries()
    moved = _moved(entries)
    checked = passed = 0
    for entry in entries:
        if not entry.rows or entry.written_ms < since_ms:
            continue
        name, first, last = _split(entry.rows)
        if _meets(moved, name, first, last):
            passed += 1
            continue
        with database.read() as session:
            digest, rows, _ = _digest(session, _TABLES[name], first, last)
        if (digest, rows) != (entry.sha256, entry.records):
            if _meets(_moved(Manifest(archive).entries()), name, first, last):
                passed += 1  # moved while we looked
                continue
            raise ArchiveError(
                f"{name}:{first}-{last}",
                f"rows of the database were changed: {rows} there now, {entry.records} when "
                f"line {entry.seq} of the manifest noted them, or not the same",
            )
        checked += rows
    return RowsChecked(rows=checked, moved=passed)


def _moved(entries: Sequence[Entry]) -> list[tuple[str, int, int]]:
    return [_split(entry.origin) for entry in entries if ":" in entry.origin]


def _meets(ranges: Sequence[tuple[str, int, int]], name: str, first: int, last: int) -> bool:
    return any(table == name and low <= last and first <= high for table, low, high in ranges)


def _reached(manifest: Manifest) -> dict[str, int]:
    """Table -> the last row that is noted. Decodes no other line: there are many."""
    reached: dict[str, int] = {}
    for number, line in enumerate(manifest.lines(), 1):
        if b'"rows":"' in line:
            name, _, last = _split(decode_entry(line, number).rows)
            reached[name] = last
    return reached


def _ranges(
    session: Session, noted: _Noted, reached: int, cutoff: datetime
) -> Iterator[tuple[int, int]]:
    """(first, last) number of each line's rows, from `reached` to those older than `cutoff`."""
    number = noted.table.c.id
    newest = session.scalar(select(func.max(number)).where(number > reached, noted.at <= cutoff))
    while newest and reached < newest:
        beyond = session.scalar(
            select(number).where(number > reached).order_by(number).offset(ROWS_A_LINE - 1).limit(1)
        )
        last = min(newest, beyond or newest)
        yield reached + 1, last
        reached = last


def _digest(
    session: Session, noted: _Noted, first: int, last: int
) -> tuple[str, int, tuple[int, int]]:
    """(SHA-256 of the rows, how many, time of the earliest and the latest).

    A row is its columns that are not NULL: a nullable column that is added later changes none.
    """
    number = noted.table.c.id
    query = select(noted.table).where(number.between(first, last)).order_by(number)
    digest, rows, times = hashlib.sha256(), 0, (0, 0)
    for row in session.execute(query, execution_options={"yield_per": _PIECE}).mappings():
        values = {name: _plain(value) for name, value in row.items() if value is not None}
        digest.update(canonical(values) + b"\n")
        at = to_milliseconds(row[noted.at.name])
        times = (min(times[0], at), max(times[1], at)) if rows else (at, at)
        rows += 1
    return digest.hexdigest(), rows, times


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return to_micros(value)
    if isinstance(value, bytes):
        return value.hex()
    return value


def _split(text: str) -> tuple[str, int, int]:
    name, _, numbers = text.partition(":")
    first, _, last = numbers.partition("-")
    try:
        return name, int(first), int(last or first)
    except ValueError:
        return name, 0, -1
