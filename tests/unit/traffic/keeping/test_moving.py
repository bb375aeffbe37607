"""Old rows are in the database or in the archive: never in neither, never twice to a reader."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from db.append_only import lifted
from db.engine import Database
from db.models import (
    AccountingEvent,
    AddressInterval,
    ArchiveMove,
    AuditEvent,
    AuthEvent,
    Base,
    Gap,
    NetworkSession,
)
from identity.office import Office
from tests.unit.traffic.keeping.ledger import add, audit, boot, gap, login, packet, session
from traffic.archive.entries import Entry
from traffic.archive.kinds import ACCESS, ADMIN, GAP, SESSION, Kind
from traffic.archive.manifest import Manifest
from traffic.archive.tables import Found, TableArchive
from traffic.keeping.moving import Moved, Mover

NOW = datetime(2026, 11, 27, 12, 30, tzinfo=UTC)
OLD = NOW - timedelta(days=8)


def move(office: Office, now: datetime = NOW) -> Moved:
    return Mover(office.database, office.config.data_dir / "archive", "node").run(now)


def archived(office: Office, kind: Kind, where: str = "true") -> list[Found]:
    return TableArchive(office.config.data_dir / "archive", "node").read(kind, where)


def count(database: Database, model: type[Base]) -> int:
    with database.read() as reading:
        return reading.scalar(select(func.count()).select_from(model)) or 0


def test_rows_older_than_a_week_move_and_younger_ones_stay(office_on: Office) -> None:
    young = NOW - timedelta(days=6)
    add(office_on.database, login(OLD), login(OLD, user_name="ครู"), login(young), login(NOW))
    assert move(office_on).rows >= 2
    rows = archived(office_on, ACCESS)
    assert [row.values["user_name"] for row in rows] == ["somchai", "ครู"]
    assert rows[0].values["detail"] == "tls:version=1.3"
    assert rows[0].values["account_id"] == 1
    assert count(office_on.database, AuthEvent) == 2


def test_every_table_comes_back_with_its_octets_and_numbers(office: Office) -> None:
    add(office.database, packet(OLD, "k"), packet(NOW), boot(OLD), boot(NOW), gap(OLD))
    add(office.database, audit(OLD, "หนึ่ง"), audit(NOW))
    move(office)
    sessions = archived(office, SESSION, "record = 'accounting'")
    assert sessions[0].values["raw"] == b"\x04\x01\xff\x00" + OLD.isoformat().encode()
    assert json.loads(sessions[0].values["data"])["source"] == "127.0.0.1#4000"
    assert len(archived(office, SESSION, "record = 'boot'")) == 1
    assert "หนึ่ง" in {row.values["target"] for row in archived(office, ADMIN)}
    assert archived(office, GAP)[0].values["lost"] == 3
    origins = {entry.origin for entry in Manifest(office.config.data_dir / "archive").entries()}
    assert "accounting_event:1-1" in origins


def test_a_session_is_copied_with_its_last_packet_and_stays_for_look_ups(office: Office) -> None:
    end = OLD + timedelta(hours=2)
    add(office.database, *session("k", OLD, end))
    add(office.database, packet(OLD, "k", 1), packet(end, "k", 2), packet(NOW))
    move(office)
    copied = archived(office, SESSION, "record = 'session'")
    assert [row.values["session_key"] for row in copied] == ["k"]
    assert json.loads(copied[0].values["data"])["input_octets"] == 10
    addresses = archived(office, SESSION, "record = 'address'")
    assert [row.values["address"] for row in addresses] == ["10.0.0.9"]
    assert count(office.database, NetworkSession) == 1
    assert count(office.database, AddressInterval) == 1
    assert count(office.database, AccountingEvent) == 1


def test_a_session_that_goes_on_is_not_copied_yet(office: Office) -> None:
    add(office.database, *session("k", OLD, NOW), packet(OLD, "k"), packet(NOW, "k"))
    move(office)
    assert archived(office, SESSION, "record = 'session'") == []


def test_gaps_are_copied_once_and_stay_for_look_ups(office: Office) -> None:
    add(office.database, gap(OLD), gap(OLD + timedelta(hours=1)), gap(NOW))
    move(office)
    move(office, NOW + timedelta(hours=1))
    assert len(archived(office, GAP)) == 2
    assert count(office.database, Gap) == 3


def test_the_newest_row_stays_so_that_its_number_is_not_given_again(office_on: Office) -> None:
    add(office_on.database, login(OLD), login(OLD))
    move(office_on)
    assert count(office_on.database, AuthEvent) == 1
    add(office_on.database, login(OLD))
    move(office_on)
    rows = archived(office_on, ACCESS)
    assert len({row.values["row"] for row in rows}) == 2


def test_a_turn_moves_a_bounded_number_and_the_next_goes_on(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traffic.keeping.moving.PAGE", 3)
    monkeypatch.setattr("traffic.keeping.moving.PAGES_A_TURN", 2)
    add(office.database, *(login(OLD + timedelta(minutes=n)) for n in range(10)), login(NOW))
    move(office)
    assert count(office.database, AuthEvent) == 5
    move(office)
    assert count(office.database, AuthEvent) == 1
    assert len(archived(office, ACCESS)) == 10


def test_rows_of_a_clock_that_was_ahead_hold_up_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traffic.keeping.moving.PAGE", 2)
    ahead = NOW + timedelta(days=400)
    add(office.database, *(login(ahead) for _ in range(5)), login(OLD), login(NOW))
    move(office)
    assert len(archived(office, ACCESS)) == 1
    assert count(office.database, AuthEvent) == 6


class CrashedError(Exception):
    """Where the process died."""


def test_a_crash_between_line_and_deletion_neither_loses_nor_doubles(
    office_on: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(office_on.database, *(login(OLD + timedelta(seconds=n)) for n in range(9)), login(NOW))

    def die(self: Mover, source: object, numbers: object) -> None:
        raise CrashedError

    with monkeypatch.context() as broken:
        broken.setattr(Mover, "_delete", die)
        with pytest.raises(CrashedError):
            move(office_on)
    assert count(office_on.database, AuthEvent) == 10
    assert len(archived(office_on, ACCESS)) == 9
    # Three more have become a week old before somebody started it again.
    add(office_on.database, *(login(OLD + timedelta(minutes=n)) for n in range(3)), login(NOW))
    move(office_on, NOW + timedelta(hours=2))
    rows = archived(office_on, ACCESS)
    assert len(rows) == 12
    assert len({row.values["row"] for row in rows}) == 12
    assert count(office_on.database, AuthEvent) == 2
    assert count(office_on.database, ArchiveMove) == 0


def test_an_old_database_that_was_restored_doubles_nothing(office: Office, tmp_path: Path) -> None:
    path = office.config.data_dir / "yuenyan.db"
    add(office.database, *(login(OLD + timedelta(seconds=n)) for n in range(5)), login(NOW))
    office.database.dispose()
    shutil.copy(path, tmp_path / "backup.db")
    move(office)
    office.database.dispose()
    shutil.copy(tmp_path / "backup.db", path)
    for tail in ("-wal", "-shm"):
        path.with_name(path.name + tail).unlink(missing_ok=True)
    assert count(office.database, AuthEvent) == 6
    move(office)
    assert len(archived(office, ACCESS)) == 5
    assert count(office.database, AuthEvent) == 1


def test_a_restored_row_with_a_number_that_was_given_again_is_stored(office: Office) -> None:
    add(office.database, login(OLD), login(NOW))
    move(office)
    with office.database.write() as writing, lifted(writing):
        writing.add(login(OLD + timedelta(hours=5), user_name="other"))
        writing.flush()
        newest = writing.scalars(select(AuthEvent).order_by(AuthEvent.id.desc())).first()
        assert newest is not None
        newest.id = 1
    move(office)
    assert {row.values["user_name"] for row in archived(office, ACCESS)} == {"somchai", "other"}


def test_rows_that_a_purge_took_away_do_not_come_back_with_an_old_database(
    office: Office,
) -> None:
    archive = office.config.data_dir / "archive"
    add(office.database, login(OLD), login(NOW))
    move(office)
    entry = next(one for one in Manifest(archive).entries() if one.kind == "access")
    with Manifest(archive).locked():
        Manifest(archive).append([Entry(kind="purge", node="node", removed=(entry.path,))])
    (archive / entry.path).unlink()
    with office.database.write() as writing:
        row = login(OLD)
        row.id = 1
        writing.add(row)
    move(office)
    assert archived(office, ACCESS) == []
    assert count(office.database, AuthEvent) == 1


def test_another_archive_waits_until_the_first_has_finished(
    office_on: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(office_on.database, login(OLD), login(NOW))

    def die(self: Mover, source: object, numbers: object) -> None:
        raise CrashedError

    with monkeypatch.context() as broken:
        broken.setattr(Mover, "_delete", die)
        with pytest.raises(CrashedError):
            move(office_on)
    other = Mover(office_on.database, tmp_path / "other", "node2").run(NOW)
    assert other.waiting == ("auth_event",)
    with office_on.database.read() as reading:
        assert reading.scalars(select(ArchiveMove.begun_at)).all() == [NOW]
    assert TableArchive(tmp_path / "other", "node2").read(ACCESS) == []
    assert move(office_on).waiting == ()
    assert count(office_on.database, AuthEvent) == 1


def test_a_full_disk_deletes_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    add(office.database, login(OLD), login(NOW))

    def full(self: TableArchive, *_arguments: object) -> list[Entry]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TableArchive, "append", full)
    with pytest.raises(OSError, match="No space"):
        move(office)
    assert count(office.database, AuthEvent) == 2
    assert count(office.database, AuditEvent) >= 0
