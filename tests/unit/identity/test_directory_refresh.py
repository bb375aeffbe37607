"""identity.services.directory_refresh: what happens to people who do not log in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from db.models import Account, CoaRequest, DirectoryEntry
from identity.domain.access import Vouched
from identity.domain.dynamic import Cause
from identity.office import Office
from identity.services import directory_login, people
from identity.services.directory_refresh import refresh
from tests.unit.identity.fake_directory import (
    PASSWORD,
    Clock,
    FakeDirectory,
    session_of,
    with_directories,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def school() -> FakeDirectory:
    made = FakeDirectory("school")
    for name in ("somchai", "wipa"):
        made.add(name)
    return made


@pytest.fixture
def office(office_on: Office, school: FakeDirectory, clock: Clock) -> Iterator[Office]:
    with with_directories(office_on, {"school": school}, clock, refresh_minutes=15) as made:
        for name in school.entries:
            assert isinstance(directory_login.prove(made, None, name, PASSWORD), Vouched)
        yield made


def _states(office: Office) -> dict[str, str]:
    with office.database.read() as session:
        rows = session.scalars(select(Account).where(Account.origin.is_not(None))).all()
        return {row.username: row.state for row in rows}


def test_nobody_is_looked_at_before_it_is_due(office: Office, clock: Clock) -> None:
    assert refresh(office) == 0
    clock.advance(minutes=15)
    assert refresh(office) == 2
    assert refresh(office) == 0


def test_who_is_gone_is_suspended_and_the_session_ends(
    office: Office, school: FakeDirectory, clock: Clock
) -> None:
    with office.database.write() as session:
        account = people.get(session, "somchai")
        session.add(session_of(account.id, clock))
    del school.entries["somchai"]
    clock.advance(minutes=15)
    refresh(office)
    assert _states(office) == {"somchai": "suspended", "wipa": "active"}
    with office.database.read() as session:
        assert session.scalars(select(CoaRequest.reason)).all() == [Cause.SUSPENDED]
        assert session.scalars(select(DirectoryEntry.refused).order_by("account_id")).all() == [
            "missing",
            None,
        ]
    school.add("somchai")
    clock.advance(minutes=15)
    refresh(office)
    assert _states(office) == {"somchai": "active", "wipa": "active"}


def test_another_person_under_the_name_counts_as_gone(
    office: Office, school: FakeDirectory, clock: Clock
) -> None:
    school.add("somchai", entryuuid="somebody-else")
    clock.advance(minutes=15)
    refresh(office)
    assert _states(office)["somchai"] == "suspended"


def test_who_is_spelt_otherwise_now_counts_as_gone_until_the_next_login(
    office: Office, school: FakeDirectory, clock: Clock
) -> None:
    del school.entries["somchai"]
    school.add("sömchai", entryuuid="id-of-somchai")
    school.spelt = {"somchai": "sömchai"}
    clock.advance(minutes=15)
    refresh(office)
    assert _states(office)["somchai"] == "suspended"
    assert isinstance(directory_login.prove(office, None, "sömchai", PASSWORD), Vouched)
    assert _states(office)["somchai"] == "active"


def test_another_group_is_another_role_without_a_login(
    office: Office, school: FakeDirectory, clock: Clock
) -> None:
    school.roles["somchai"], school.roles["wipa"] = "student", ""
    clock.advance(minutes=15)
    refresh(office)
    assert _states(office) == {"somchai": "active", "wipa": "suspended"}
    with office.database.read() as session:
        assert people.get(session, "somchai").role.name == "student"


def test_an_entry_that_another_account_holds_keeps_nobody_behind_it_back(
    office: Office, school: FakeDirectory, clock: Clock
) -> None:
    school.add("somchai", entryuuid="id-of-wipa")
    with office.database.write() as session:
        row = session.get_one(DirectoryEntry, people.get(session, "somchai").id)
        row.unique_id, row.refreshed_at = None, clock.now.replace(year=2025)
    school.roles["wipa"] = ""
    clock.advance(minutes=15)
    refresh(office)
    assert _states(office) == {"somchai": "active", "wipa": "suspended"}
    assert refresh(office) == 0, "it is looked at again when it is due"


def test_a_login_that_finds_nobody_makes_the_housekeeper_look_at_once(
    office: Office, school: FakeDirectory
) -> None:
    del school.entries["somchai"]
    with office.database.read() as session:
        from identity.services.snapshots import snapshot

        known = snapshot(session, people.get(session, "somchai"))
    directory_login.prove(office, known, "somchai", PASSWORD)
    assert refresh(office) == 1
    assert _states(office)["somchai"] == "suspended"


def test_a_directory_that_is_down_changes_nobody(
    office: Office, school: FakeDirectory, clock: Clock
) -> None:
    clock.advance(minutes=15)
    school.is_down = True
    assert refresh(office) == 0
    school.is_down, school.twice = False, {"somchai"}
    del school.entries["wipa"]
    assert refresh(office) == 1, "who is meant by a name of two entries cannot be told"
    assert _states(office) == {"somchai": "active", "wipa": "suspended"}


def test_a_whole_branch_that_is_missing_is_taken_for_a_mistake(
    office: Office, school: FakeDirectory, clock: Clock
) -> None:
    for number in range(12):
        school.add(f"pupil{number}")
        directory_login.prove(office, None, f"pupil{number}", PASSWORD)
    school.entries = {"wipa": school.entries["wipa"]}
    clock.advance(minutes=15)
    assert refresh(office) == 1
    assert set(_states(office).values()) == {"active"}
