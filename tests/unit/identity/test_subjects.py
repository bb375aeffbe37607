"""What is held on one person, whom a breach concerns, and statistics that tell of nobody."""

from __future__ import annotations

import csv
import io
import json
import stat
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from common.errors import UsageError
from db.models import Account, AddressInterval, AuditEvent, NasClient, NetworkSession, Organisation
from identity.domain.ages import Band, band_at, next_change
from identity.domain.keeping import kept_until
from identity.domain.registers import Register
from identity.domain.suppression import Cell, K, in_steps, tell, total
from identity.office import Office
from identity.services import registers
from identity.services.affected import find_affected
from identity.services.statistics import count_usage, month_span
from tests.conftest import Site, add_person
from traffic.archive.kinds import SESSION
from traffic.archive.tables import TableArchive

NOON = datetime(2024, 11, 20, 5, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def add_session(
    office: Office,
    key: str,
    account: int,
    at: datetime,
    address: str = "",
    nas: int = 1,
    mac: str = "3c22fb010203",
) -> None:
    with office.database.write() as session:
        session.add(
            NetworkSession(
                session_key=key, nas_client_id=nas, nas_identity="ap", acct_session_id=key,
                user_name=key, account_id=account, calling_station_id=mac, started_at=at,
                last_heard_at=at + HOUR, session_seconds=3600, stop_seen=1, stop_at=at + HOUR,
                input_octets=1_000_000_000, output_octets=2_000_000_000,
            )
        )  # fmt: skip
        if address:
            session.add(
                AddressInterval(
                    session_key=key, address=address, source="radius", from_at=at, to_at=at + HOUR
                )
            )


def test_a_breach_concerns_who_may_have_stayed_connected_unheard(office: Office) -> None:
    somchai = add_person(office, "somchai")
    add_session(office, "a", somchai, NOON, "10.0.0.7")
    with office.database.write() as session:
        row = session.get_one(NetworkSession, "a")
        row.stop_seen, row.stop_at = 0, None
        row.closed_at, row.close_cause = NOON + 9 * HOUR, "nas_restarted"
    assert affected(office, from_at="2024-11-20 16:00", to_at="2024-11-20 17:00") == [
        ("somchai", 1)
    ]


# what is held on one person ----------------------------------------------------------------


@pytest.fixture
def two(office: Office) -> tuple[int, int]:
    """somchai and somying, with a session each."""
    somchai, somying = add_person(office, "somchai"), add_person(office, "somying")
    add_session(office, "s1", somchai, NOON, "10.0.0.7")
    add_session(office, "s2", somying, NOON, "10.0.0.8")
    return somchai, somying


def test_the_export_has_everything_of_one_person_and_nothing_of_another(
    site: Site, office: Office, two: tuple[int, int], tmp_path: Path
) -> None:
    at_ms = int(NOON.timestamp() * 1000)
    TableArchive(site.data_dir / "archive", "node").append(
        SESSION,
        [
            {"received_at": at_ms, "record": "session", "session_key": f"old-{number}",
             "account_id": account, "user_name": "x", "raw": b"\x01\x02"}
            for number, account in enumerate(two)
        ],
    )  # fmt: skip
    out = tmp_path / "somchai.json"
    result = site.yuenyan("subject", "export", "somchai", "--out", str(out))
    assert result.exit_code == 0, result.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    text = out.read_text(encoding="utf-8")
    held = json.loads(text)["held"]
    assert [one["session_key"] for one in held["sessions"]] == ["s1"]
    assert [one["address"] for one in held["addresses"]] == ["10.0.0.7"]
    assert [one["session_key"] for one in held["archived_session"]] == ["old-0"]
    assert held["archived_session"][0]["raw"] == "0102"
    assert held["account"][0]["username"] == "somchai"
    assert "somying" not in text and "10.0.0.8" not in text
    with office.database.read() as session:
        event = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "subject:exported")
        ).one()
    assert event.target == "somchai"


def test_no_secret_and_no_look_up_by_officers_is_in_an_export(
    site: Site, office: Office, two: tuple[int, int], tmp_path: Path
) -> None:
    with office.database.write() as session:
        session.add(
            AuditEvent(at=NOON, actor="head", action="flows:read", target="somchai", detail="{}")
        )
    out = tmp_path / "somchai.json"
    assert site.yuenyan("subject", "export", "somchai", "--out", str(out)).exit_code == 0
    text = out.read_text(encoding="utf-8")
    assert "argon2" not in text and "flows:read" not in text
    names = {name for rows in json.loads(text)["held"].values() for row in rows for name in row}
    assert not names & {"password_hash", "recoverable", "token", "code_encrypted", "verifier"}
    assert "account:added" in text


def test_the_export_as_tables_opens_in_a_spreadsheet_without_running_anything(
    site: Site, office: Office, two: tuple[int, int], tmp_path: Path
) -> None:
    with office.database.write() as session:
        account = session.get_one(Account, two[0])
        assert account.person is not None
        account.person.full_name = "=HYPERLINK(1)"
    out = tmp_path / "somchai.zip"
    assert site.yuenyan("subject", "export", "somchai", "--out", str(out)).exit_code == 0
    with zipfile.ZipFile(out) as archive:
        person = archive.read("person.csv").decode("utf-8-sig")
        assert json.loads(archive.read("about.json"))["about"] == "somchai"
        assert "sessions.csv" in archive.namelist()
    assert next(csv.DictReader(io.StringIO(person)))["full_name"] == "'=HYPERLINK(1)"


def test_an_export_overwrites_nothing_and_knows_two_forms(site: Site, tmp_path: Path) -> None:
    there = tmp_path / "there.json"
    there.write_text("precious")
    for name, out in (("head", there), ("head", tmp_path / "x.pdf")):
        assert site.yuenyan("subject", "export", name, "--out", str(out)).exit_code == 2
    assert there.read_text() == "precious"
    nobody = site.yuenyan("subject", "export", "nobody", "--out", str(tmp_path / "n.json"))
    assert nobody.exit_code == 1 and not (tmp_path / "n.json").exists()


def test_erasure_is_answered_with_the_date_until_which_the_law_keeps_it(
    site: Site, office: Office, two: tuple[int, int]
) -> None:
    assert "has not ended" in site.yuenyan("subject", "until", "somchai").stdout
    with office.database.write() as session:
        session.get_one(Account, two[0]).ended_at = NOON - timedelta(days=80)
    said = site.yuenyan("subject", "until", "somchai").stdout
    # Its last session is younger than its end and is kept for 120 days.
    assert "until 2025-03-20T13:00:00+07:00" in said and "20 มี.ค. 2568" in said


@given(
    ended=st.integers(-400, 400), last=st.none() | st.integers(-400, 400), days=st.integers(90, 730)
)
def test_an_identity_is_kept_90_days_beyond_its_end_and_as_long_as_a_record_needs_it(
    ended: int, last: int | None, days: int
) -> None:
    end = NOON + timedelta(days=ended)
    record = None if last is None else NOON + timedelta(days=last)
    until = kept_until(end, record, days)
    assert until is not None and until >= end + timedelta(days=90)
    assert record is None or until >= record + timedelta(days=days)
    assert until in {end + timedelta(days=90), record and record + timedelta(days=days)}
    assert kept_until(None, record, days) is None


# whom a breach concerns --------------------------------------------------------------------


def affected(office: Office, **facts: str) -> list[tuple[str, int]]:
    with office.database.write() as session:
        entry = registers.add(
            session, office, Register.INCIDENT, {"scope": "x", **facts}, "head", received_at=NOON
        )
        return [(one.account, one.sessions) for one in find_affected(session, entry)]


def test_a_breach_concerns_who_was_connected_in_its_period(
    office_on: Office,
) -> None:
    somchai, somying = add_person(office_on, "somchai"), add_person(office_on, "somying")
    with office_on.database.write() as session:
        session.add(
            NasClient(name="library", prefix="10.9.0.1/32", secret_encrypted=b"", created_at=NOON)
        )
        session.flush()
        nas = session.scalars(select(NasClient.id)).one()
    add_session(office_on, "a", somchai, NOON, "10.0.0.7", nas)
    add_session(office_on, "b", somchai, NOON + 2 * HOUR, "10.0.0.9", nas + 1)
    add_session(office_on, "c", somying, NOON + 5 * HOUR, "10.0.0.8", nas, mac="aabbccddeeff")
    period = {"from_at": "2024-11-20 11:00", "to_at": "2024-11-20 15:30"}
    assert affected(office_on, **period) == [("somchai", 2)]
    assert affected(office_on, **period, about="library") == [("somchai", 1)]
    assert affected(office_on, from_at="2024-11-20 16:00") == [("somying", 1)]
    wide = {"from_at": "2024-11-20 00:00"}
    assert affected(office_on, **wide, about="10.0.0.8") == [("somying", 1)]
    assert affected(office_on, **wide, about="AA-BB-CC-DD-EE-FF") == [("somying", 1)]
    assert affected(office_on, about="SOMYING") == [("somying", 0)]
    assert affected(office_on, **wide, about="10.0.0.99") == []
    everybody = [name for name, _ in affected(office_on)]
    assert {"somchai", "somying", "head"} <= set(everybody)


def test_the_draft_tells_the_72_hours_the_number_and_nobody_s_name(
    site: Site, office: Office, two: tuple[int, int], tmp_path: Path
) -> None:
    added = site.yuenyan(
        "incident", "add", "--scope", "ไฟล์รายชื่อหลุดออกไป", "--risk", "high",
        "--from", "2024-11-20 00:00", "--to", "2024-11-21 00:00", "--received", "2024-11-21 09:00",
    )  # fmt: skip
    number = added.stdout.split(",")[0]
    listed = site.yuenyan("incident", "affected", number, "--csv").stdout
    assert "somchai" in listed and "somying" in listed
    out = tmp_path / "draft.txt"
    assert site.yuenyan("incident", "draft", number, "--out", str(out)).exit_code == 0
    text = out.read_text(encoding="utf-8")
    assert "ประมาณ 2 บัญชี" in text and "ความเสี่ยงสูง" in text
    assert "24 พ.ย. 2567" in text  # 72 hours after it became known
    assert "มาตรา 37 (4)" in text and "ร่าง" in text
    assert "somchai" not in text
    with office.database.read() as session:
        event = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "register:people_read")
        ).one()
    assert (event.target, json.loads(event.detail)["people"]) == (number, 2)


# statistics --------------------------------------------------------------------------------

CELLS = st.dictionaries(st.integers(0, 6), st.integers(0, 40), max_size=7)


@given(before=CELLS, change=st.dictionaries(st.integers(0, 6), st.integers(-4, 4), max_size=3))
def test_two_reports_never_differ_by_fewer_people_than_k(
    before: dict[int, int], change: dict[int, int]
) -> None:
    after = {
        group: max(0, before.get(group, 0) + change.get(group, 0)) for group in {*before, *change}
    }

    def told(counts: dict[int, int]) -> tuple[dict[tuple[str, ...], int], int]:
        shown = tell(Cell(group=(str(group),), people=number) for group, number in counts.items())
        return {one.group: one.people or 0 for one in shown}, total(shown)

    one, one_total = told(before)
    other, other_total = told(after)
    for group in {*one, *other}:
        difference = abs(one.get(group, 0) - other.get(group, 0))
        assert difference == 0 or difference >= K
    assert one_total == other_total or abs(one_total - other_total) >= K
    # Nor does a total give the cell away that is left out of it.
    assert one_total == sum(one.values())


@pytest.mark.parametrize(("count", "told"), [(0, None), (4, None), (5, 5), (9, 5), (10, 10)])
def test_a_count_is_told_in_steps_and_not_below_the_first(count: int, told: int | None) -> None:
    assert in_steps(count) == told


def test_nothing_of_a_small_group_is_told() -> None:
    (one,) = tell([Cell(group=("a",), people=4, sessions=4000, octets=10**15)])
    assert (one.people, one.sessions, one.gigaoctets) == (None, None, None)


def test_statistics_of_a_month_tell_of_groups_only(site: Site, office: Office) -> None:
    with office.database.write() as session:
        school = Organisation(code="KRT1", name="โรงเรียนหนึ่ง", created_at=NOON)
        session.add(school)
        session.flush()
        number = school.id
    accounts = [add_person(office, f"pupil{n}") for n in range(8)]
    with office.database.write() as session:
        for account in accounts[:7]:
            session.get_one(Account, account).organisation_id = number
    for n, account in enumerate(accounts):
        add_session(office, f"k{n}", account, NOON)
    add_session(office, "december", accounts[0], NOON + timedelta(days=20))
    result = site.yuenyan("compliance", "statistics", "--month", "2567-11", "--json")
    groups = json.loads(result.stdout)["groups"]
    assert [one["people"] for one in groups] == [None, 5]
    assert groups[1]["organisation"] == "โรงเรียนหนึ่ง" and groups[1]["gigaoctets"] == 21
    assert "pupil" not in result.stdout
    shown = site.yuenyan("compliance", "statistics", "--month", "2024-11").stdout
    assert "fewer than 5" in shown and "5 people in the groups told" in shown


def test_a_month_is_whole_in_the_site_s_zone_and_in_either_era() -> None:
    begin, end = month_span("2569-12", "Asia/Bangkok")
    assert (begin.isoformat(), end.isoformat()) == (
        "2026-12-01T00:00:00+07:00",
        "2027-01-01T00:00:00+07:00",
    )
    assert month_span("2026-12", "Asia/Bangkok") == (begin, end)
    for text in ("2026", "2026-13", "x-1", "2026-00", "26-11"):
        with pytest.raises(UsageError):
            month_span(text, "Asia/Bangkok")


def test_statistics_are_the_same_on_either_database(office_on: Office) -> None:
    account = add_person(office_on, "somchai")
    add_session(office_on, "k", account, NOON)
    with office_on.database.read() as session:
        (cell,) = count_usage(session, NOON - HOUR, NOON + HOUR)
    assert (cell.people, cell.sessions, cell.octets) == (1, 1, 3_000_000_000)


# ages --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "band"),
    [
        ("2027-05-31", Band.UP_TO_10),
        ("2027-06-01", Band.UP_TO_10),  # the tenth birthday: ten is still "not over ten"
        ("2028-05-31", Band.UP_TO_10),
        ("2028-06-01", Band.MINOR),  # the eleventh
        ("2037-05-31", Band.MINOR),
        ("2037-06-01", Band.ADULT),  # the twentieth
    ],
)
def test_age_bands_change_on_birthdays(day: str, band: Band) -> None:
    born = datetime(2017, 6, 1, tzinfo=UTC).date()
    assert band_at(born, datetime.fromisoformat(day).date()) is band


def test_whoever_was_born_on_29_february_grows_older_on_1_march_in_other_years() -> None:
    born = datetime(2016, 2, 29, tzinfo=UTC).date()
    assert band_at(born, datetime(2027, 2, 28, tzinfo=UTC).date()) is Band.UP_TO_10
    assert band_at(born, datetime(2027, 3, 1, tzinfo=UTC).date()) is Band.MINOR


@given(
    born=st.dates(date(1950, 1, 1), date(2026, 1, 1)),
    days=st.integers(0, 20_000),
)
def test_the_band_and_the_day_of_its_change_are_all_that_need_be_kept(
    born: date, days: int
) -> None:
    day = born + timedelta(days=days)
    changes = next_change(born, day)
    if changes is None:
        assert band_at(born, day) is Band.ADULT
        return
    assert changes > day
    assert band_at(born, changes) is not band_at(born, day)
    assert band_at(born, changes - timedelta(days=1)) is band_at(born, day)
