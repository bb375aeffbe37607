"""Exports over a real database and archive: what is in them, what is not, what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from common.errors import ArchiveError, NotFound, UsageError
from db.append_only import lifted
from db.engine import Database
from db.models import (
    Account,
    AuditEvent,
    AuthEvent,
    CustodyStep,
    Disclosure,
    Exhibit,
    NetworkSession,
)
from tests.conftest import Site
from tests.unit.traffic.evidence.bundles import read_items, sha256
from tests.unit.traffic.evidence.seed import (
    MALEE,
    PUBLIC,
    SENT_MS,
    SOMCHAI,
    lease,
    moment,
    official_request,
    seed,
)
from traffic.archive.kinds import ACCESS, ADMIN, LEASE, SESSION
from traffic.archive.tables import TableArchive
from traffic.evidence import archive_records, gathering, papers, verify
from traffic.evidence.export import Exported, export

NOW = datetime(2026, 11, 28, 3, 4, 5, 678_901, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _without_pdf(monkeypatch: pytest.MonkeyPatch) -> None:
    """PDF takes a second each; test_papers makes them."""
    monkeypatch.setattr(papers, "to_pdf", lambda html: None)


@pytest.fixture
def world(site: Site) -> Site:
    seed(site)
    return site


def make(site: Site, name: str = "bundle.zip", /, **asked: Any) -> Exported:
    question = {"case": "12/2569", "reason": "หมายศาล", "from": moment(-60), "to": moment(60)}
    database = Database(site.config.database_url)
    try:
        return export(
            database,
            site.config,
            {**question, **asked},
            site.data_dir / name,
            "head",
            clock=lambda: NOW,
            notice_version="2026-11",
        )
    finally:
        database.dispose()


def rows(items: dict[str, bytes], table: str) -> list[dict[str, Any]]:
    octets = items.get(f"records/{table}.jsonl", b"")
    return [json.loads(line) for line in octets.splitlines()]


def audits(site: Site, prefix: str) -> list[tuple[str, dict[str, Any]]]:
    database = Database(site.config.database_url)
    with database.read() as session:
        found = session.scalars(select(AuditEvent).order_by(AuditEvent.id)).all()
    database.dispose()
    return [(one.action, json.loads(one.detail)) for one in found if one.action.startswith(prefix)]


def test_an_export_by_public_address_and_port_is_whole_and_holds_one_person_only(
    world: Site,
) -> None:
    made = make(world, address=PUBLIC, port=50_000, protocol="tcp")
    report = verify.check(str(made.path))
    assert report["segments_proven"] == 4
    items = read_items(made.path)
    assert [row["full_name"] for row in rows(items, "accounts")] == ["สมชาย ใจดี"]
    assert [row["session_key"] for row in rows(items, "sessions")] == ["key-somchai"]
    assert [row["address"] for row in rows(items, "addresses")] == [SOMCHAI]
    assert [row["src"] for row in rows(items, "flows")] == [SOMCHAI]
    assert [row["outside_port"] for row in rows(items, "nat")] == [50_000]
    assert [row["mac"] for row in rows(items, "leases")] == ["3c22fb010203"]
    assert [row["user_name"] for row in rows(items, "logins")] == ["somchai"]
    answer = json.loads(items["lookup/answer-1.json"])
    assert answer["outcome"] == "single"
    assert made.outcomes == ("single",)
    whole = b"".join(octets for name, octets in items.items() if name != "verify.py")
    for of_malee in ("malee", "มาลี", MALEE, "3c22fb010204", "50001"):
        assert of_malee.encode() not in whole, of_malee


def test_raw_octets_are_those_that_were_received(world: Site) -> None:
    items = read_items(make(world, address=SOMCHAI).path)
    accounting = rows(items, "accounting")
    assert [row["session_seconds"] for row in accounting] == [0, 400, 600, 800, 1200]
    for row, at in zip(accounting, (-600, -200, 0, 200, 600), strict=True):
        assert items[row["raw"]] == b"\x04\x00\xff" + f"somchai {at}".encode()
        assert row["raw_sha256"] == sha256(items[row["raw"]])
    (lease,) = rows(items, "leases")
    assert items[lease["raw"]].endswith(b"\xff")
    raw_flows = [json.loads(line) for line in items["raw/flows.jsonl"].splitlines()]
    assert {row["record"] for row in raw_flows} == {row["record"] for row in rows(items, "flows")}
    assert {row["src4"] for row in raw_flows} == {0x0A010203}


def test_an_export_by_person_or_device_holds_theirs_alone(world: Site) -> None:
    for number, asked in enumerate(({"user": "malee"}, {"mac": "3C-22-FB-01-02-04"})):
        items = read_items(make(world, f"{number}.zip", **asked).path)
        assert [row["username"] for row in rows(items, "accounts")] == ["malee"]
        assert [row["src"] for row in rows(items, "flows")] == [MALEE]
        assert {row["calling_station_id"] for row in rows(items, "accounting")} == {"3c22fb010204"}
        whole = b"".join(octets for name, octets in items.items() if name != "verify.py")
        assert b"somchai" not in whole and SOMCHAI.encode() not in whole


def test_address_and_person_together_hold_what_bears_on_both(world: Site) -> None:
    items = read_items(make(world, address=PUBLIC, user="malee").path)
    assert [row["src"] for row in rows(items, "flows")] == [MALEE]
    assert [row["username"] for row in rows(items, "accounts")] == ["malee"]
    answer = json.loads(items["lookup/answer-1.json"])
    assert {one["account"] for one in answer["candidates"]} == {"malee"}
    assert [row["inside_address"] for row in rows(items, "nat")] == [MALEE]
    whole = b"".join(octets for name, octets in items.items() if name != "verify.py")
    for of_somchai in ("somchai", SOMCHAI, "3c22fb010203"):
        assert of_somchai.encode() not in whole, of_somchai


def test_without_a_subject_it_takes_what_was_looked_up_for_the_case(world: Site) -> None:
    assert (
        world.yuenyan(
            *("lookup", "--at", moment(0), "--address", PUBLIC, "--port", "50000"),
            *("--case", "12/2569", "--reason", "court order 7"),
        ).exit_code
        == 0
    )
    made = make(world, reason="")
    items = read_items(made.path)
    manifest = json.loads(items["MANIFEST.json"])
    assert manifest["reason"] == "court order 7"
    assert manifest["scope"]["from_lookups_of_the_case"] is True
    assert [row["username"] for row in rows(items, "accounts")] == ["somchai"]


def test_where_nobody_was_named_or_looked_up_it_is_the_whole_period_and_says_so(
    world: Site,
) -> None:
    made = make(world, case="13/2569", reason="")
    items = read_items(made.path)
    manifest = json.loads(items["MANIFEST.json"])
    assert made.unnamed
    assert manifest["reason"] == "13/2569"
    assert manifest["scope"]["from_lookups_of_the_case"] is False
    assert {row["username"] for row in rows(items, "accounts")} == {"somchai", "malee"}


def test_a_device_and_a_session_that_were_looked_up_are_what_it_is_about(world: Site) -> None:
    asked = (
        ("lookup", "--at", moment(0), "--mac", "3c:22:fb:01:02:03"),
        ("flows", "--session", "key-somchai"),
    )
    for number, words in enumerate(asked):
        case = f"{number}/2570"
        assert world.yuenyan(*words, "--case", case, "--reason", "x").exit_code == 0
        made = make(world, f"{number}.zip", case=case, reason="")
        assert not made.unnamed
        accounts = rows(read_items(made.path), "accounts")
        assert [row["username"] for row in accounts] == ["somchai"]


def test_look_ups_whose_records_have_moved_into_the_archive_count_too(world: Site) -> None:
    archive = TableArchive(world.data_dir / "archive", "node")
    detail = {
        "case": "9 % _ 'x'",
        "reason": "old",
        "port": 50_000,
        "protocol": "tcp",
        "window_from": moment(-1),
        "window_to": moment(1),
    }
    row = {"received_at": 1_795_100_000_000, "action": "lookup:run", "target": PUBLIC}
    archive.append(ADMIN, [{**row, "detail": json.dumps(detail, ensure_ascii=False)}])
    items = read_items(make(world, case="9 % _ 'x'", reason="").path)
    assert [row["username"] for row in rows(items, "accounts")] == ["somchai"]
    assert json.loads(items["MANIFEST.json"])["reason"] == "old"


def test_what_came_in_during_the_export_is_sealed_first(
    world: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment of the period that is written after the look-up must not stop the export."""
    rows_of = archive_records.archive_tables

    def late(*arguments: Any) -> Any:
        archive = TableArchive(world.data_dir / "archive", "node")
        archive.append(LEASE, [lease(MALEE, "malee", 5)])
        return rows_of(*arguments)

    monkeypatch.setattr(gathering, "archive_tables", late)
    made = make(world, user="malee")
    assert len(rows(read_items(made.path), "leases")) == 2
    assert verify.check(str(made.path))["records_under_seal"] == 4


def test_sessions_that_have_moved_into_the_archive_name_their_account(world: Site) -> None:
    database = Database(world.config.database_url)
    with database.write() as session, lifted(session):
        session.delete(session.get_one(AuthEvent, 1))
        session.get_one(NetworkSession, "key-somchai").account_id = None
    database.dispose()
    row = {
        "received_at": 1_794_999_000_000,
        "record": "session",
        "session_key": "key-somchai",
        "account_id": 71,
        "user_name": "somchai",
        "data": "{}",
    }
    datagram = {**row, "record": "accounting", "account_id": None, "raw": b"\x04\x01old"}
    archive = TableArchive(world.data_dir / "archive", "node")
    archive.append(SESSION, [row, datagram, {**row, "session_key": "key-malee"}])
    items = read_items(make(world, address=SOMCHAI).path)
    archived = rows(items, "archived")
    assert [one["record"].partition(":")[0] for one in archived] == ["session", "session"]
    assert [one["what"] for one in archived] == ["session", "accounting"]
    assert {one["session_key"] for one in archived} == {"key-somchai"}
    assert b"\x04\x01old" in [octets for name, octets in items.items() if "raw/archived" in name]
    assert [one["full_name"] for one in rows(items, "accounts")] == ["สมชาย ใจดี"]


def test_the_login_of_a_session_is_found_in_the_archive_too(world: Site) -> None:
    archive = TableArchive(world.data_dir / "archive", "node")
    row = {"received_at": 1_794_900_000_000, "source": "radius", "service": "radius"}
    archive.append(
        ACCESS,
        [
            {**row, "user_name": "somchai", "session_ref": "ref-somchai"},
            {**row, "user_name": "malee", "session_ref": "ref-malee"},
            {**row, "user_name": "nobody", "client_address": SOMCHAI},
        ],
    )
    questions: list[dict[str, Any]] = [{"address": PUBLIC, "port": 50_000}, {"user": "somchai"}]
    for number, asked in enumerate(questions):
        items = read_items(make(world, f"{number}.zip", **asked).path)
        assert [one["user_name"] for one in rows(items, "access")] == ["somchai"]


def test_what_was_typed_with_the_marks_in_another_order_is_evidence_too(world: Site) -> None:
    stored, typed = "คร\u0e39\u0e49", "คร\u0e49\u0e39"
    database = Database(world.config.database_url)
    with database.write() as session:
        account = session.scalars(select(Account).where(Account.username == "malee")).one()
        account.username = stored
    database.dispose()
    row = {"received_at": SENT_MS, "source": "radius", "service": "radius", "outcome": "reject"}
    TableArchive(world.data_dir / "archive", "node").append(
        ACCESS, [{**row, "user_name": typed}, {**row, "user_name": "somchai"}]
    )
    for number, name in enumerate((stored, typed)):
        items = read_items(make(world, f"{number}.zip", user=name).path)
        assert [one["user_name"] for one in rows(items, "access")] == [typed]
        assert [one["user_name"] for one in rows(items, "logins")] == ["malee"], "as it was sent"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param({"case": " "}, "--case", id="no-case"),
        pytest.param({"from": None, "user": "malee"}, "--from", id="no-period"),
        pytest.param({"to": moment(-60), "user": "malee"}, "earlier", id="empty-period"),
        pytest.param({"port": 80, "user": "malee"}, "--address", id="port-of-nothing"),
        pytest.param({"everyone": True, "user": "malee"}, "--everyone", id="everyone-and-one"),
    ],
)
def test_an_export_without_purpose_or_scope_is_refused_and_leaves_nothing(
    world: Site, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        make(world, **asked)
    assert not list(world.data_dir.glob("*.zip"))
    assert audits(world, "evidence:") == []


def test_everyone_has_to_be_said_aloud(world: Site) -> None:
    items = read_items(make(world, everyone=True).path)
    assert {row["username"] for row in rows(items, "accounts")} == {"somchai", "malee"}
    assert len(rows(items, "flows")) == 3


def test_nobody_of_that_name_makes_no_bundle(world: Site) -> None:
    with pytest.raises(NotFound, match="nosuch"):
        make(world, user="nosuch")
    assert not (world.data_dir / "bundle.zip").exists()


def test_it_is_on_record_before_the_file_is_there_and_with_its_hash_after(
    world: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    rename = Path.rename

    def spy(path: Path, target: Path) -> Path:
        assert not (world.data_dir / "bundle.zip").exists()
        seen.append([action for action, _ in audits(world, "evidence:")])
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", spy)
    number = official_request(world)
    made = make(world, user="malee", recipient="ผู้กำกับการ สภ.เมือง", request=number)
    assert seen[-1] == ["evidence:export_began", "evidence:exported"]
    began, exported = audits(world, "evidence:")
    assert (began[1]["case"], began[1]["request"]) == ("12/2569", number)
    assert exported[1]["sha256"] == made.sha256 == sha256(made.path.read_bytes())
    database = Database(world.config.database_url)
    with database.read() as session:
        assert session.scalars(select(Exhibit.sha256)).one() == made.sha256
        assert session.scalars(select(CustodyStep.step)).all() == ["created"]
        (shown,) = session.scalars(select(Disclosure)).all()
    database.dispose()
    assert (shown.account_id, shown.recipient) == (72, "ผู้กำกับการ สภ.เมือง")
    assert (shown.means, shown.exhibit_id) == ("export", made.exhibit)


def test_the_same_question_at_the_same_time_makes_the_same_octets(world: Site) -> None:
    first = make(world, "a.zip", user="malee")
    (world.data_dir / "b").mkdir()
    database = Database(world.config.database_url)
    with database.write() as session:
        for row in session.scalars(select(CustodyStep)):
            session.delete(row)
        session.flush()
        session.delete(session.get_one(Exhibit, first.exhibit))
    database.dispose()
    again = make(world, "b/a.zip", user="malee")
    assert first.path.read_bytes() == again.path.read_bytes()


def test_a_file_that_is_there_is_never_written_over(world: Site) -> None:
    (world.data_dir / "bundle.zip").write_bytes(b"precious")
    with pytest.raises(UsageError, match="never written over"):
        make(world, user="malee")
    assert (world.data_dir / "bundle.zip").read_bytes() == b"precious"


def test_an_altered_segment_is_not_given_out(world: Site) -> None:
    (path,) = (world.data_dir / "archive" / "flow").rglob("*.parquet")
    with path.open("r+b") as stream:
        stream.seek(0, 2)
        stream.write(b"\x00")
    with pytest.raises(ArchiveError):
        make(world, user="malee")
    assert not list(world.data_dir.glob("*bundle.zip*"))


def test_clocks_and_gaps_are_told_as_they_are(world: Site) -> None:
    items = read_items(make(world, address=SOMCHAI).path)
    clock = json.loads(items["reports/clock.json"])
    assert clock["server_summary"]["samples"] == 1
    assert clock["server_summary"]["largest_offset_us"] == 1500
    assert clock["server"][0]["record"].startswith("clock:")
    (nas,) = clock["equipment_seconds"].values()
    assert (nas["samples"], nas["median"]) == (5, 2.0)
    assert clock["exporters_seconds"]["192.0.2.1"]["median"] == 0.25
    assert "10 milliseconds" in clock["statement"]["en"]
    assert json.loads(items["reports/gaps.json"])["complete"] is True
    before = make(world, "gap.zip", address=SOMCHAI, **{"from": "2026-11-01", "to": "2026-11-02"})
    told = json.loads(read_items(before.path)["reports/gaps.json"])
    assert {gap["source"] for gap in told["gaps"]} == {"radius", "collector"}
    assert before.gaps == 2
    clock = json.loads(read_items(before.path)["reports/clock.json"])
    assert clock["server_summary"]["samples"] == 0 and clock["server_summary"]["en"]


def test_a_spreadsheet_does_not_take_a_name_for_a_formula(world: Site) -> None:
    database = Database(world.config.database_url)
    with database.write() as session:
        session.get_one(NetworkSession, "key-malee").user_name = "=cmd|x"
    database.dispose()
    items = read_items(make(world, mac="3c22fb010204").path)
    assert "'=cmd|x" in items["records/sessions.csv"].decode("utf-8-sig")
    assert rows(items, "sessions")[0]["user_name"] == "=cmd|x"
