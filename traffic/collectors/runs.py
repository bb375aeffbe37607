"""Tells the database that the collector is receiving, and copies the gaps it found.

Runs in a thread of its own: a database that is down or slow never stops receiving. The
manifest is the record of gaps; the rows are a copy for those who read the database.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from sqlalchemy import Select, select
from sqlalchemy.exc import SQLAlchemyError

from common.errors import ArchiveError, ConfigError, NetAccessError
from common.logging import get_logger
from db.engine import Database
from db.models import Gap
from db.service_run import Heartbeat
from traffic.archive.entries import GapNote, decode_entry
from traffic.archive.manifest import Manifest
from traffic.collectors.gap_kinds import gap_kind
from traffic.collectors.senders import EquipmentNote
from traffic.moments import from_milliseconds

PROCESS = "collector"
BEAT_SECONDS = 5.0
_PATIENCE_SECONDS = 30.0
_POSITION = "gaps-copied.json"

log = get_logger(__name__)


class Chronicler:
    """Keeps the `service_run` row alive and the gaps copied; `start` and `stop` bracket it.

    Args:
        alive_at: when the receive loop last came round, so that a loop that hangs is not
            said to receive.
    """

    def __init__(
        self,
        database: Database,
        node: str,
        alive_at: Callable[[], datetime],
        copier: GapCopier,
        equipment: EquipmentNote,
    ) -> None:
        self._database = database
        self._copier = copier
        self._equipment = equipment
        self._unnoted = False
        """Told already that the database could not be asked."""
        self._heartbeat = Heartbeat(database, PROCESS, node, clock=alive_at)
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="chronicler", daemon=True)

    def start(self) -> None:
        """Begin; the row is written as soon as the database answers."""
        self._thread.start()

    def stop(self) -> None:
        """Write the end of the run; gives up when the database does not answer."""
        self._wake.set()
        self._thread.join(timeout=_PATIENCE_SECONDS)
        self._copy()
        self._heartbeat.stop()

    def _loop(self) -> None:
        self._tell_other_tables()
        while True:
            self._heartbeat.beat()
            self._copy()
            self._note_equipment()
            if self._wake.wait(BEAT_SECONDS):
                return

    def _tell_other_tables(self) -> None:
        """Say once that the rows cannot be written; what is received is archived all the same."""
        try:
            self._database.require_schema()
        except ConfigError as error:
            log.error("database_not_ready", error=str(error), detail="flows are archived meanwhile")
        except (NetAccessError, SQLAlchemyError):
            return  # the heartbeat tells of a database that is away

    def _copy(self) -> None:
        try:
            self._copier.copy(self._database)
        except (NetAccessError, SQLAlchemyError, OSError) as error:
            log.warning("gaps_not_copied", error=str(error))

    def _note_equipment(self) -> None:
        try:
            self._equipment.write(self._database)
        except (NetAccessError, SQLAlchemyError, OSError) as error:
            if not self._unnoted:
                log.warning("equipment_not_noted", error=str(error))
            self._unnoted = True
        else:
            self._unnoted = False


class GapCopier:
    """Copies the gaps of new manifest lines into the table `gap`, each once."""

    def __init__(self, archive: Path, state: Path) -> None:
        self._manifest = Manifest(archive)
        self._position_file = state / _POSITION

    def copy(self, database: Database) -> int:
        """Copy what is new; returns the number of gaps."""
        position = self._position()
        gaps, reached = self._read(position)
        if reached == position:
            return 0
        if gaps:
            with database.write() as session:
                for note in gaps:
                    row = _row(note)
                    if not session.execute(_same(row)).first():
                        session.add(row)
        aside = self._position_file.with_suffix(".aside")
        aside.write_text(json.dumps({"octets": reached}), encoding="ascii")
        aside.rename(self._position_file)
        return len(gaps)

    def _position(self) -> int:
        try:
            return int(json.loads(self._position_file.read_text(encoding="ascii"))["octets"])
        except (OSError, ValueError, KeyError):
            return 0

    def _read(self, position: int) -> tuple[list[GapNote], int]:
        """(gaps of the finished lines from octet `position` on, octet after the last)."""
        try:
            with self._manifest.path.open("rb") as stream:
                stream.seek(position)
                octets = stream.read()
        except FileNotFoundError:
            return [], position
        end = octets.rfind(b"\n") + 1
        gaps: list[GapNote] = []
        for line in octets[:end].split(b"\n")[:-1]:
            try:
                gaps.extend(decode_entry(line, -1).gaps)
            except ArchiveError as error:
                log.error("manifest_line_not_read", error=str(error))
        return gaps, position + end


def _row(note: GapNote) -> Gap:
    return Gap(
        kind=gap_kind(note),
        source=note.source,
        from_at=from_milliseconds(note.from_ms),
        to_at=from_milliseconds(note.to_ms),
        lost=note.lost,
        reason=note.reason,
    )


def _same(row: Gap) -> Select[int]:
    return select(Gap.id).where(
        Gap.kind == row.kind,
        Gap.source == row.source,
        Gap.from_at == row.from_at,
        Gap.to_at == row.to_at,
        Gap.reason == row.reason,
    )
