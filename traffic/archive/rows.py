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
from traffic.archive.entries import Entry, canonical
from traffic.archive.lines import ORIGIN, ROWS
from traffic.archive.manifest import Manifest
from traffic.archive.moves import RESTATED, Moves, split_range, standing_notes
from traffic.moments import to_micros, to_milliseconds

KIND = "rows"
ROWS_A_LINE = 100_000
"""Whoever moves rows moves whole lines of them, so lines must not be too large."""

LINES_A_TABLE = 50
"""In one round: after an upgrade the rows of years take their turn without a long stop."""

LATE_COMMIT = timedelta(minutes=15)
"""PostgreSQL hands out numbers before rows are committed: an import may take so long."""

_PIECE = 5_000


class AlteredRowsError(ArchiveError):
    """Rows of the database are not what a line of the manifest noted."""


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
    restated: int = 0
    """Times that the operator said why the database contradicts what was noted."""


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
    entries = _about_rows(Manifest(archive))
    moves = Moves(entries)
    checked = passed = 0
    for entry in standing_notes(entries):
        if entry.written_ms < since_ms:
            continue
        if _is_moved(database, moves, entry):
            passed += 1
            continue
        complaint, rows = _compare(database, entry)
        if complaint is not None:
            later = _about_rows(Manifest(archive))
            if entry not in standing_notes(later) or _is_moved(database, Moves(later), entry):
                passed += 1  # moved while we looked
                continue
            raise complaint
        checked += rows
    restated = sum(entry.kind == RESTATED for entry in entries)
    return RowsChecked(rows=checked, moved=passed, restated=restated)


def check_before_move(
    database: Database, entries: Sequence[Entry], table: str, first: int, last: int, seen: set[int]
) -> None:
    """Compare the notes that meet these rows, before anything under them leaves the database.

    Args:
        entries: the lines from before this turn of the mover.
        seen: lines that were compared in this turn; those compared now are added.

    Raises:
        AlteredRowsError: the rows are not what was noted.
    """
    moves: Moves | None = None
    for entry in standing_notes(entries):
        name, low, high = split_range(entry.rows)
        if name != table or entry.seq in seen or low > last or high < first:
            continue
        moves = moves or Moves(entries)
        if not _is_moved(database, moves, entry):
            complaint, _ = _compare(database, entry)
            if complaint is not None:
                raise complaint
        seen.add(entry.seq)


def restate_rows(database: Database, archive: Path, node: str) -> list[str]:
    """Enter that notes which the database contradicts no longer count; the ranges of rows.

    From the first such note of a table on: what is there now is noted anew before the next seal.

    Raises:
        ArchiveError: the manifest is damaged.
        BackendUnavailable: the database or the archive does not answer.
    """
    manifest = Manifest(archive)
    entries = _about_rows(manifest)
    moves = Moves(entries)
    wrong: dict[str, tuple[int, int]] = {}
    for entry in standing_notes(entries):
        name, first, last = split_range(entry.rows)
        if name in wrong:
            wrong[name] = (wrong[name][0], max(last, wrong[name][1]))
        elif not _is_moved(database, moves, entry) and _compare(database, entry)[0] is not None:
            wrong[name] = (first, last)
    ranges = [f"{name}:{first}-{last}" for name, (first, last) in wrong.items()]
    if ranges:
        with manifest.locked():
            manifest.recover()
            now_ms = unix_milliseconds()
            manifest.append(
                [Entry(kind=RESTATED, node=node, rows=one, written_ms=now_ms) for one in ranges]
            )
    return ranges


def _is_moved(database: Database, moves: Moves, entry: Entry) -> bool:
    """Whether segments hold at least as many records as rows of this note are gone."""
    name, first, last = split_range(entry.rows)
    stored = moves.records(name, first, last)
    if not stored or stored >= entry.records:
        return stored > 0
    number = _TABLES[name].table.c.id
    with database.read() as session:
        there = session.scalar(select(func.count()).where(number.between(first, last))) or 0
    return entry.records - there <= stored


def _compare(database: Database, entry: Entry) -> tuple[AlteredRowsError | None, int]:
    """(what is wrong with the rows of this note, how many there are)."""
    name, first, last = split_range(entry.rows)
    with database.read() as session:
        digest, rows, _ = _digest(session, _TABLES[name], first, last)
    if (digest, rows) == (entry.sha256, entry.records):
        return None, rows
    return (
        AlteredRowsError(
            f"{name}:{first}-{last}",
            f"rows of the database were changed: {rows} there now, {entry.records} when "
            f"line {entry.seq} of the manifest noted them, or not the same. If the database was "
            "restored from a back-up, or another node on it moved them, say so: "
            "yuenyan archive seal --rows-differ REASON",
        ),
        rows,
    )


def _reached(manifest: Manifest) -> dict[str, int]:
    """Table -> the last row that is noted."""
    reached: dict[str, int] = {}
    for entry in manifest.committed().having(ROWS):
        name, first, last = split_range(entry.rows)
        reached[name] = first - 1 if entry.kind == RESTATED else last
    return reached


def _about_rows(manifest: Manifest) -> list[Entry]:
    """The lines that note rows of the database or hold them; no other is decoded."""
    return list(manifest.committed().having(ROWS, ORIGIN))


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
