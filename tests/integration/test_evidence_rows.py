"""Rows that are still in the database: changing them past the triggers is noticed all the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text

from common import clock
from common.clock import unix_nanoseconds, utc_now
from common.errors import ArchiveError
from db.models import AccountingEvent, AuditEvent, AuthEvent
from identity.office import Office
from tests.conftest import Site
from traffic.archive import rows
from traffic.archive.entries import Entry
from traffic.archive.manifest import Manifest
from traffic.archive.rows import LATE_COMMIT, AlteredRowsError, check_rows, note_rows
from traffic.archive.seals import make_seal
from traffic.keeping.moving import Mover
from yuenyan.processes.housekeeper import note_evidence


def fill(office: Office, number: int = 3) -> None:
    at = utc_now() - timedelta(hours=1)
    with office.database.write() as session:
        for count in range(number):
            session.add(AuditEvent(at=at, actor="a", action="b:c", target=f"คน {count}"))
            session.add(
                AuthEvent(at=at, user_name=f"u{count}", method="pap", outcome="reject", reason="x")
            )
            session.add(
                AccountingEvent(
                    received_at=at, nas_client_id=1, source="s", status_type=1, octets=b"\0\xff"
                )
            )


def note(office: Office) -> int:
    archive = office.config.data_dir / "archive"
    return note_rows(office.database, archive, "node", utc_now())


def past_the_triggers(office: Office, statement: str) -> None:
    """What the owner of the database can do."""
    with office.database.engine.begin() as connection:
        unlock(connection)
        connection.exec_driver_sql(statement)


def unlock(connection: Connection) -> None:
    connection.execute(text("UPDATE append_only SET lifted = :yes"), {"yes": True})


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE audit_event SET actor = 'nobody' WHERE target = 'คน 1'", "audit_event"),
        ("UPDATE auth_event SET user_name = 'other' WHERE user_name = 'u2'", "auth_event"),
        ("UPDATE auth_event SET at = at + 1 WHERE user_name = 'u2'", "auth_event"),
        ("DELETE FROM accounting_event", "accounting_event"),
        ("DELETE FROM auth_event WHERE user_name = 'u1'", "auth_event"),
        (
            "UPDATE auth_event SET calling_station_id = 'aa' WHERE user_name = 'u0'",
            "auth_event",
        ),
    ],
)
def test_a_changed_row_is_named(office_on: Office, statement: str, named: str) -> None:
    fill(office_on)
    archive = office_on.config.data_dir / "archive"
    assert note(office_on) >= 9
    assert check_rows(office_on.database, archive).rows >= 9
    past_the_triggers(office_on, statement)
    with pytest.raises(ArchiveError, match=f"{named}:1-.*rows of the database were changed"):
        check_rows(office_on.database, archive)


def test_rows_are_noted_once_and_new_ones_later(office: Office) -> None:
    fill(office)
    first = note(office)
    assert note(office) == 0
    fill(office, 1)
    assert note(office) == 3
    assert check_rows(office.database, office.config.data_dir / "archive").rows == first + 3


def test_the_line_of_digests_that_took_long_says_when_it_was_entered(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(office)
    true_digest, began = rows._digest, unix_nanoseconds() // 1_000_000

    def slow(*terms: Any) -> Any:
        monkeypatch.setattr(clock, "unix_nanoseconds", lambda: (began + 600_000) * 1_000_000)
        return true_digest(*terms)

    monkeypatch.setattr(rows, "_digest", slow)
    assert note(office)
    lines = Manifest(office.config.data_dir / "archive").entries()
    assert {line.written_ms for line in lines} == {began + 600_000}


def test_rows_that_may_be_committed_late_wait_on_postgresql(office_on: Office) -> None:
    with office_on.database.write() as session:
        session.add(AuditEvent(at=utc_now(), actor="now", action="b:c", target="late"))
    archive = office_on.config.data_dir / "archive"
    note(office_on)
    noted = sum(entry.records for entry in Manifest(archive).entries())
    with office_on.database.read() as session:
        there = session.execute(text("SELECT count(*) FROM audit_event")).scalar_one()
    assert (noted == there) is office_on.database.is_sqlite
    later = utc_now() + LATE_COMMIT + timedelta(seconds=1)
    note_rows(office_on.database, archive, "node", later)
    assert sum(entry.records for entry in Manifest(archive).entries()) == there


def test_a_row_slipped_in_between_is_noticed(office: Office) -> None:
    fill(office)
    past_the_triggers(office, "DELETE FROM auth_event WHERE user_name = 'u1'")
    note(office)
    past_the_triggers(
        office,
        "INSERT INTO auth_event (id, at, user_name, method, outcome, reason) "
        "VALUES (2, 1, 'u1', 'pap', 'accept', '')",
    )
    with pytest.raises(ArchiveError, match="3 there now, 2 when"):
        check_rows(office.database, office.config.data_dir / "archive")


def test_many_rows_make_lines_of_a_size_that_can_be_moved(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "ROWS_A_LINE", 4)
    fill(office, 10)
    note(office)
    archive = office.config.data_dir / "archive"
    names = [entry.rows for entry in Manifest(archive).entries()]
    assert [name for name in names if name.startswith("auth")] == [
        "auth_event:1-4",
        "auth_event:5-8",
        "auth_event:9-10",
    ]
    check_rows(office.database, archive)


def test_the_rows_of_years_take_their_turn(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ROWS_A_LINE", 2)
    monkeypatch.setattr(rows, "LINES_A_TABLE", 3)
    fill(office, 10)
    archive = office.config.data_dir / "archive"

    def noted() -> list[str]:
        found = [entry.rows for entry in Manifest(archive).entries()]
        return [name for name in found if name.startswith("auth")]

    note(office)
    assert noted() == ["auth_event:1-2", "auth_event:3-4", "auth_event:5-6"]
    note(office)
    assert noted()[3:] == ["auth_event:7-8", "auth_event:9-10"]


def test_rows_that_were_moved_into_the_archive_are_no_loss(office: Office) -> None:
    fill(office)
    note(office)
    archive = office.config.data_dir / "archive"
    past_the_triggers(office, "DELETE FROM auth_event")
    with pytest.raises(ArchiveError):
        check_rows(office.database, archive)
    manifest = Manifest(archive)
    true = Entry(kind="access", node="n", path="access/a", records=3, origin="auth_event:1-3")
    for forged in (
        replace(true, path="", origin="auth_event:1-999999999"),
        replace(true, kind="lease"),
        replace(true, records=2),
    ):
        with manifest.locked():
            manifest.append([forged])
        if forged.records == 2:
            past_the_triggers(office, "DELETE FROM accounting_event WHERE id = 3")
        with pytest.raises(ArchiveError):
            check_rows(office.database, archive)
    with manifest.locked():
        manifest.append([true, replace(true, kind="session", origin="accounting_event:3-3")])
    assert check_rows(office.database, archive).moved == 2


def test_altered_rows_are_not_moved_until_somebody_says_why(site: Site, office: Office) -> None:
    fill(office)
    note(office)
    archive = office.config.data_dir / "archive"
    past_the_triggers(office, "UPDATE auth_event SET user_name = 'other' WHERE user_name = 'u0'")
    mover = Mover(office.database, archive, "node")
    later = utc_now() + timedelta(days=8)
    with pytest.raises(AlteredRowsError, match="auth_event:1-3"):
        mover.run(later)
    lines = Manifest(archive).entries()
    assert not [line for line in lines if line.origin.startswith("auth_event")]
    assert [line for line in lines if line.origin.startswith("accounting_event")]
    told = site.yuenyan("archive", "seal", "--rows-differ", "restored from a back-up")
    assert told.exit_code == 0, told.stderr
    assert check_rows(office.database, archive).restated == 1
    past_the_triggers(office, "UPDATE auth_event SET user_name = 'third' WHERE user_name = 'u1'")
    assert check_rows(office.database, archive)
    assert note(office) >= 3
    past_the_triggers(office, "UPDATE auth_event SET user_name = 'u1' WHERE user_name = 'third'")
    with pytest.raises(AlteredRowsError):
        check_rows(office.database, archive)
    past_the_triggers(office, "UPDATE auth_event SET user_name = 'third' WHERE user_name = 'u1'")
    assert mover.run(later).rows >= 2
    check_rows(office.database, archive)


def test_verify_asks_the_database_and_the_housekeeper_notes_before_it_seals(
    site: Site, office: Office
) -> None:
    fill(office)
    assert note_evidence(site.config, office.database) >= 9
    archive = site.data_dir / "archive"
    make_seal(archive, site.config.keys_dir, unix_nanoseconds() // 1_000_000)
    told = json.loads(site.yuenyan("archive", "verify", "--json").stdout)
    assert told["ok"]
    assert told["database_rows"] >= 9
    past_the_triggers(office, "UPDATE auth_event SET outcome = 'accept'")
    result = site.yuenyan("archive", "verify", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["path"].startswith("auth_event:1-")


def test_a_manifest_that_cannot_be_written_stops_no_seal(
    site: Site, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError("disk full")

    failing: Callable[..., None] = fail
    monkeypatch.setattr(Manifest, "append", failing)
    fill(office)
    assert note_evidence(site.config, office.database) == 0
