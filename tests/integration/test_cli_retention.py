"""Retention by the command line: the floor from every side, moves, purges, holds, rows."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from common.clock import utc_now
from db.append_only import lifted
from db.engine import Database
from db.models import Account, AuditEvent, AuthEvent, Hold
from tests.conftest import Site
from tests.integration.radius_site import command
from tests.programs import require
from tests.unit.traffic.keeping.chain import write_at
from tests.unit.traffic.keeping.ledger import add, audit, login
from traffic.archive.entries import Entry, present
from traffic.archive.kinds import LEASE
from traffic.archive.manifest import Manifest
from traffic.moments import to_milliseconds

NOW = utc_now()


@pytest.fixture
def database(site: Site) -> Any:
    opened = Database(site.config.database_url)
    yield opened
    opened.dispose()


def told(site: Site, *arguments: str) -> Any:
    result = site.yuenyan(*arguments, "--json")
    assert result.exit_code == 0, result
    return json.loads(result.stdout)


def write_history(site: Site, days: int, every: int = 10) -> list[Entry]:
    """A segment every few days and a line a day, until today; oldest first."""
    archive, made = site.data_dir / "archive", []
    for day in range(days, -1, -1):
        at_ms = to_milliseconds(NOW - timedelta(days=day, minutes=1))
        if day % every == 0:
            made.append(write_at(archive, at_ms, LEASE))
        else:
            with Manifest(archive).locked():
                Manifest(archive).append([Entry(kind="flow", node="n", written_ms=at_ms)])
    return made


def configure(site: Site, *lines: str) -> None:
    text = site.config_file.read_text(encoding="utf-8")
    site.config_file.write_text("\n".join([text, "[archive]", *lines]) + "\n", encoding="utf-8")


@pytest.mark.parametrize("days", ["89", "0", "-1", "731", '"89"', "89.9"])
def test_a_configuration_outside_the_law_stops_every_command(site: Site, days: str) -> None:
    configure(site, f"retention_days = {days}")
    for words in (("archive", "purge"), ("archive", "status"), ("housekeeper",)):
        result = site.yuenyan(*words)
        assert result.exit_code == 2, result
        assert "archive.retention_days" in result.stderr


def test_no_variable_of_the_environment_lowers_the_floor(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = write_history(site, 100)
    for name in ("RETENTION_DAYS", "ARCHIVE_RETENTION_DAYS", "ARCHIVE__RETENTION_DAYS"):
        monkeypatch.setenv(f"YUENYAN_{name}", "1")
        monkeypatch.setenv(name, "1")
    assert told(site, "archive", "purge")["segments"] == 0
    assert all((site.data_dir / "archive" / entry.path).exists() for entry in history)
    low = tmp_path / "low.toml"
    low.write_text("[archive]\nretention_days = 89\n", encoding="utf-8")
    monkeypatch.setenv("YUENYAN_CONFIG", str(low))
    process = subprocess.run(
        [*command(site)[:3], "archive", "purge"],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert process.returncode == 2
    assert "archive.retention_days" in process.stderr


def test_nothing_in_the_database_lowers_the_floor(site: Site, database: Database) -> None:
    history = write_history(site, 100)
    with database.write() as session, lifted(session):
        long_ago = NOW - timedelta(days=4000)
        session.execute(update(Account).values(created_at=long_ago, ended_at=long_ago))
        with lifted(session):
            session.execute(update(AuditEvent).values(at=long_ago))
    assert told(site, "archive", "purge")["segments"] == 0
    assert all((site.data_dir / "archive" / entry.path).exists() for entry in history)


def test_the_admin_portal_has_no_form_that_sets_retention() -> None:
    pages = Path("captive_portal/admin").rglob("*")
    texts = [page.read_text(encoding="utf-8") for page in pages if page.suffix in (".html", ".py")]
    assert texts and not any("retention_days" in text for text in texts)


def test_a_purge_says_what_goes_lets_it_go_and_is_in_the_audit_trail(
    site: Site, database: Database
) -> None:
    history = write_history(site, 150)
    said = told(site, "archive", "purge", "--dry-run")
    assert said["dry_run"] and said["segments"] == 4 and said["kinds"] == {"lease": 4}
    assert len(present(Manifest(site.data_dir / "archive").entries())) == len(history)
    done = told(site, "archive", "purge")
    assert done["segments"] == 4
    assert not (site.data_dir / "archive" / history[0].path).exists()
    assert told(site, "archive", "purge")["segments"] == 0
    assert told(site, "archive", "status")["purged_segments"] == 4
    assert site.yuenyan("archive", "seal").exit_code == 0
    assert site.yuenyan("archive", "verify").exit_code == 0
    with database.read() as session:
        event = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "archive:purged")
        ).one()
    assert json.loads(event.detail)["segments"] == 4


def test_a_real_process_with_its_clock_a_year_ahead_purges_nothing(site: Site) -> None:
    require("faketime", "faketime")
    history = write_history(site, 60)
    process = subprocess.run(
        ["faketime", "+400 days", *command(site, "archive", "purge", "--json")],
        capture_output=True,
        text=True,
        check=False,
    )
    # With a kernel that is kept right it may look, without it may not; it lets nothing go.
    assert process.returncode in (0, 1), process.stderr
    if process.returncode == 0:
        assert json.loads(process.stdout)["segments"] == 0
    else:
        assert "nothing keeps it right" in process.stderr
    assert all((site.data_dir / "archive" / entry.path).exists() for entry in history)


HOLD = (
    *("hold", "add", "--authority", "สภ.เมืองชัยภูมิ", "--document", "ตช 0031/99"),
    *("--reason", "คดีอาญาที่ 12/2570", "--approved-by", "head"),
)


def day(number: int) -> str:
    return (NOW + timedelta(days=number)).isoformat()


def test_a_hold_is_made_listed_kept_to_and_ended(site: Site, database: Database) -> None:
    write_history(site, 150)
    made = told(site, *HOLD, "--from", day(-142), "--to", day(-135), "--until", day(90), "--all")
    assert made["state"] == "in force"
    said = told(site, "archive", "purge")
    assert (said["segments"], said["held_segments"], said["holds"]) == (3, 1, 1)
    listed = told(site, "hold", "list")
    assert [(one["hold"], one["document"]) for one in listed] == [(made["hold"], "ตช 0031/99")]
    assert "everybody" in site.yuenyan("hold", "list").stdout
    number = str(made["hold"])
    assert site.yuenyan("hold", "end", number, "--reason", "หนังสือ 5/2570").exit_code == 0
    assert site.yuenyan("hold", "end", number, "--reason", "again").exit_code == 1
    assert site.yuenyan("hold", "end", "99", "--reason", "x").exit_code == 1
    assert told(site, "archive", "purge")["segments"] == 1
    assert told(site, "hold", "list")[0]["state"] == "ended"
    with database.read() as session:
        actions = session.scalars(
            select(AuditEvent.action).where(AuditEvent.action.like("hold:%"))
        ).all()
    assert list(actions) == ["hold:made", "hold:ended"]


@pytest.mark.parametrize(
    ("change", "code", "why"),
    [
        (("--until", day(731)), 1, "+07:00 for this period"),
        (("--until", day(-1)), 2, "over already"),
        (("--from", day(1)), 2, "ends before it begins"),
        (("--approved-by", "nobody"), 1, "nobody"),
        (("--account", "nobody"), 2, "one of --account"),
        (("--document", " "), 2, "document"),
        (("--until", "soon"), 2, "not a time"),
    ],
)
def test_a_hold_that_the_law_does_not_know_is_refused(
    site: Site, change: tuple[str, str], code: int, why: str
) -> None:
    words = [*HOLD, "--from", day(-9), "--to", day(0), "--until", day(100), "--all", *change]
    result = site.yuenyan(*words)
    assert (result.exit_code, why in result.stderr) == (code, True), result
    assert told(site, "hold", "list") == []


def test_the_database_itself_knows_the_two_years(database: Database) -> None:
    hold = Hold(
        authority="a",
        document="d",
        from_at=NOW,
        to_at=NOW,
        until_at=NOW + timedelta(days=731),
        reason="r",
        approved_by="head",
        created_at=NOW,
        created_by="head",
    )
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(hold)


def test_a_hold_that_ends_soon_is_told_by_doctor(site: Site) -> None:
    told(site, *HOLD, "--from", day(-9), "--to", day(0), "--until", day(20), "--all")
    findings = json.loads(site.yuenyan("doctor", "--json").stdout)["findings"]
    hold = [one for one in findings if one["check"] == "hold"]
    assert len(hold) == 1 and "ตช 0031/99" in hold[0]["what"]


def test_old_rows_move_and_are_read_by_command_which_is_recorded(
    site: Site, database: Database
) -> None:
    old = NOW - timedelta(days=9)
    names = ("somchai", "other", "คร\u0e49\u0e39")
    add(database, *(login(old, user_name=name) for name in names), login(NOW))
    add(database, audit(old, "lab"), audit(NOW))
    moved = told(site, "archive", "move")
    assert moved["rows"] >= 2 and moved["waiting"] == []
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(AuthEvent)) == 1
    span = ("--from", day(-10), "--to", day(0))
    for_case = ("--case", "c1", "--reason", "checking")
    found = site.yuenyan(
        "archive", "rows", "access", *span, *for_case, "--user", "SomChai", "--json"
    )
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert [row["user_name"] for row in rows] == ["somchai"]
    assert rows[0]["record"].startswith("access:access/date=")
    for name in ("คร\u0e39\u0e49", "คร\u0e49\u0e39"):
        found = site.yuenyan(
            "archive", "rows", "access", *span, *for_case, "--user", name, "--json"
        )
        assert json.loads(found.stdout)["user_name"] == "คร\u0e49\u0e39", "as it was sent"
    assert "nas:added" in site.yuenyan("archive", "rows", "admin", *span, *for_case).stdout
    assert site.yuenyan("archive", "rows", "access", *span, "--case", "c1").exit_code == 2
    assert site.yuenyan("archive", "rows", "gap", *span, *for_case, "--user", "x").exit_code == 2
    with database.read() as session:
        reads = session.scalars(select(AuditEvent).where(AuditEvent.action == "archive:read")).all()
    assert [event.target for event in reads] == ["access", "access", "access", "admin"]


def test_a_restore_is_purged_again_by_a_later_manifest(site: Site, tmp_path: Path) -> None:
    history = write_history(site, 150)
    archive = site.data_dir / "archive"
    before = Manifest(archive).path.read_bytes()
    files = {entry.path: (archive / entry.path).read_bytes() for entry in history}
    assert told(site, "archive", "purge")["segments"] == 4
    later = tmp_path / "witness.jsonl"
    later.write_bytes(Manifest(archive).path.read_bytes())
    Manifest(archive).path.write_bytes(before)
    for path, octets in files.items():
        (archive / path).parent.mkdir(parents=True, exist_ok=True)
        (archive / path).write_bytes(octets)
    assert told(site, "archive", "purge", "--purged-in", str(later))["segments"] == 4
    assert not (archive / history[0].path).exists()
    later.write_bytes(b"{}\n")
    assert site.yuenyan("archive", "purge", "--purged-in", str(later)).exit_code == 1
