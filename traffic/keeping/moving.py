"""Moves rows of the database that are older than a week into the archive.

The manifest line is the commit and names the rows it was made of (`audit_event:1-5000`); only
then are they deleted. Rows that stand in both places after a crash, or after an old database
was restored, are recognised by number and time and deleted without being stored again.
"""

from __future__ import annotations

import secrets
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.append_only import lifted
from db.engine import Database
from db.models import AddressInterval, ArchiveMove, NetworkSession
from traffic.archive.entries import Entry
from traffic.archive.lines import ORIGIN, ROWS
from traffic.archive.manifest import Manifest
from traffic.archive.rows import AlteredRowsError, check_before_move
from traffic.archive.tables import Row, TableArchive
from traffic.keeping.sources import ACCOUNTING, SOURCES, Source, Values, address_row, session_row
from traffic.moments import to_milliseconds

KEPT_IN_DATABASE = timedelta(days=7)
"""What lists and pages show at once; a week is what officers ask about without a case."""

PAGE = 10_000
"""Rows a commit; some megabytes of packets."""

PAGES_A_TURN = 50
"""Half a million rows an hour, more than a district makes: one turn ends in a minute."""

_KEYS_A_QUERY = 400
_ID_FILE = ".archive-id"


@dataclass(slots=True)
class Moved:
    """What one turn did."""

    rows: int = 0
    """Rows that left the database."""
    stored: int = 0
    """Rows new in the archive, copies of sessions included."""
    waiting: tuple[str, ...] = ()
    """Tables that another archive is taking over."""
    orphans: int = 0
    """Segments without a line that were set aside."""


class Mover:
    """Moves the rows of one database into one archive."""

    def __init__(self, database: Database, archive: Path, node: str) -> None:
        self._database = database
        self._archive = archive
        self._tables = TableArchive(archive, node)
        self._entries: list[Entry] = []
        """Lines that tell of rows of the database, as they were when the turn began: its own
        pages never overlap."""
        self._gone: Container[str] = ()
        """Segments that a purge has taken away."""
        self._compared: set[int] = set()
        """Lines of noted rows that were found as noted in this turn."""

    def run(self, now: datetime) -> Moved:
        """Move what is due, a bounded number of rows.

        Raises:
            BackendUnavailable: the database does not answer; what was moved stays moved.
            ArchiveError: the disk refused, nothing of the page is deleted; or rows are not what
                the manifest noted, and stay, after every other table had its turn.
        """
        moved = Moved()
        lines = Manifest(self._archive).committed()
        self._entries, self._gone = list(lines.having(ORIGIN, ROWS)), lines.purged()
        # Whole hours: one segment for each hour of receipt instead of one for each turn.
        before = (now - KEPT_IN_DATABASE).replace(minute=0, second=0, microsecond=0)
        self._compared.clear()
        altered: list[AlteredRowsError] = []
        for source in SOURCES:
            try:
                self._turn(source, before, now, moved)
            except AlteredRowsError as error:
                altered.append(error)
        if altered:
            raise altered[0]
        return moved

    def _turn(self, source: Source, before: datetime, now: datetime, moved: Moved) -> None:
        for number, page in enumerate(self._pages(source, before, now)):
            if not self._take(source, page, before, now, moved):
                moved.waiting = (*moved.waiting, source.name)
                break
            if number + 1 >= PAGES_A_TURN:
                break

    def _pages(self, source: Source, before: datetime, now: datetime) -> Iterator[Sequence[Values]]:
        """Rows that are due, in the order of their numbers.

        Numbers grow with time, so a page without an old row is the last one to look at,
        unless a clock that was ahead has stamped it. The newest row stays: on SQLite its
        number would be given again.
        """
        number = source.table.c.id
        after = -1
        while True:
            with self._database.read() as session:
                newest = session.scalar(select(func.max(number)))
                rows: list[Values] = [
                    dict(row)
                    for row in session.execute(
                        select(source.table).where(number > after).order_by(number).limit(PAGE)
                    ).mappings()
                ]
            if not rows:
                return
            after = rows[-1]["id"]
            name = source.stamp.key
            due = [
                row for row in rows if row[name] < before and (source.stays or row["id"] != newest)
            ]
            if due:
                yield due
            elif not any(row[name] > now for row in rows):
                return

    def _take(
        self,
        source: Source,
        page: Sequence[Values],
        before: datetime,
        now: datetime,
        moved: Moved,
    ) -> bool:
        """Store and delete one page; False when another archive is at this table."""
        first, last = page[0]["id"], page[-1]["id"]
        # Before anything is stored: a segment of altered rows would be as good as a true one.
        check_before_move(self._database, self._entries, source.name, first, last, self._compared)
        origin = f"{source.name}:{first}-{last}"
        if not source.stays and not self._claim(source, origin, now):
            return False
        known = self._known(source, page)
        stamp = source.stamp.key
        fresh = [row for row in page if (row["id"], to_milliseconds(row[stamp])) not in known]
        rows: list[Row] = [source.to_row(row) for row in fresh]
        if source is ACCOUNTING:
            rows += self._sessions(fresh, before)
        moved.stored += len(rows)
        self._tables.append(source.kind, rows, origin)
        if not source.stays:
            self._delete(source, [row["id"] for row in page])
            moved.rows += len(page)
        return True

    def _claim(self, source: Source, origin: str, now: datetime) -> bool:
        mine = archive_id(self._archive)
        try:
            with self._database.write() as session:
                claim = session.get(ArchiveMove, source.name)
                if claim is None:
                    claim = ArchiveMove(source=source.name, archive=mine, origin="", begun_at=now)
                    session.add(claim)
                if claim.archive != mine:
                    return False
                claim.origin = origin
        except IntegrityError:
            return False
        return True

    def _known(self, source: Source, page: Sequence[Values]) -> set[tuple[int, int]]:
        """(number, milliseconds) of those rows of `page` that were moved before."""
        first, last = page[0]["id"], page[-1]["id"]
        before = [
            entry for entry in self._entries if _overlaps(entry.origin, source.name, first, last)
        ]
        if not before:
            return set()
        gone = [entry for entry in before if entry.path in self._gone]
        stamp = source.stamp.key
        stamps = {row["id"]: to_milliseconds(row[stamp]) for row in page}
        known = {
            (number, at_ms)
            for number, at_ms in stamps.items()
            if any(
                entry.received_min_ms <= at_ms <= entry.received_max_ms
                and _overlaps(entry.origin, source.name, number, number)
                for entry in gone
            )
        }
        where = "row BETWEEN ? AND ?" + (" AND record = ?" if source.record else "")
        parameters: list[Any] = [first, last, *([source.record] if source.record else [])]
        found = self._tables.read(
            source.kind,
            where,
            parameters,
            from_ms=min(stamps.values()),
            to_ms=max(stamps.values()),
            limit=4 * PAGE,
        )
        return known | {(one.values["row"], one.values["received_at"]) for one in found}

    def _sessions(self, events: Sequence[Values], before: datetime) -> list[Row]:
        """Sessions and addresses whose last packet is among `events`."""
        last: dict[str, datetime] = {}
        for event in events:
            key = event["session_key"]
            if key is not None:
                last[key] = max(event["received_at"], last.get(key, event["received_at"]))
        rows: list[Row] = []
        for keys in _pieces(sorted(last), _KEYS_A_QUERY):
            with self._database.read() as session:
                found = {
                    row.session_key: row
                    for row in session.scalars(
                        select(NetworkSession).where(NetworkSession.session_key.in_(keys))
                    )
                    if row.last_heard_at <= last[row.session_key] and row.last_heard_at < before
                }
                rows += [session_row(row) for row in found.values()]
                rows += [
                    address_row(interval, found[interval.session_key])
                    for interval in session.scalars(
                        select(AddressInterval).where(AddressInterval.session_key.in_(list(found)))
                    )
                ]
        return rows

    def _delete(self, source: Source, numbers: Sequence[int]) -> None:
        pieces = list(_pieces(numbers, _KEYS_A_QUERY))
        for place, some in enumerate(pieces):
            with self._database.write() as session, lifted(session):
                session.execute(delete(source.table).where(source.table.c.id.in_(some)))
                if place == len(pieces) - 1:
                    _release(session, source.name)


def _release(session: Session, name: str) -> None:
    session.execute(delete(ArchiveMove).where(ArchiveMove.source == name))


def archive_id(archive: Path) -> str:
    """What tells this archive from another one's; made when it is asked for first."""
    path = archive / _ID_FILE
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        archive.mkdir(mode=0o750, parents=True, exist_ok=True)
        aside = path.with_suffix(".aside")
        aside.write_text(secrets.token_hex(8) + "\n", encoding="ascii")
        aside.rename(path)
        return path.read_text(encoding="ascii").strip()


def _overlaps(origin: str, table: str, first: int, last: int) -> bool:
    name, _colon, span = origin.partition(":")
    begin, _dash, end = span.partition("-")
    return (
        name == table
        and begin.isdigit()
        and end.isdigit()
        and (int(begin) <= last and int(end) >= first)
    )


def _pieces(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
