"""Registering from the roster, and birth dates."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from common.errors import Refused, UsageError
from db.models import (
    Account,
    AuditEvent,
    Message,
    Organisation,
    Person,
)
from identity.domain.access import Granted
from identity.domain.birth_dates import read_birth_date
from identity.domain.levels import Level
from identity.domain.registering import Way
from identity.office import Office
from identity.services import (
    importing,
    login,
    people,
    registrations,
    roles,
    roster,
    roster_guard,
)
from tests.conftest import ADMIN
from tests.moved_clock import Clock
from tests.unit.identity.visitors import (
    PASSWORD,
    choose,
    found,
)

_FILE = """username,full_name,role,org,person_code,class_name,birth_date,contact
s1001,เด็กหญิงมานี ใจดี,student,S1,1001,ม.2/1,31/12/2552,
s1002,เด็กชายปิติ รักเรียน,student,S1,1002,ม.2/1,,parent@home.example
"""


@pytest.fixture
def school(timed: Office) -> Office:
    """A school whose roster was imported without passwords, and open for it."""
    return make_school(timed)


def make_school(office: Office) -> Office:
    with office.database.write() as session:
        roles.add_organisation(session, office, "S1", "School 1", "test")
        roles.add_organisation(session, office, "S2", "School 2", "test")
    read = importing.read(_FILE.encode(), "Asia/Bangkok")
    with office.database.read() as session:
        checked = importing.check(session, office, read, update=False)
    report = importing.apply(office, checked, "test")
    assert (report.added, report.bad) == (2, ())
    choose(office, "student", way=Way.ROSTER)
    return office


def claim(office: Office, **values: str) -> Any:
    hashed = office.passwords.hash(PASSWORD)
    with office.database.write() as session:
        wanted = {"organisation": "S1", "person_code": "1001", "role": "student", **values}
        return roster.apply(session, office, roster.Claim(**wanted), hashed)


def test_a_pupil_on_the_roster_chooses_the_first_password_once(school: Office) -> None:
    denied = login.check_password(school, "s1001", PASSWORD)
    assert not isinstance(denied, Granted)
    row = claim(school, person_code="๑๐๐๑", birth_date="๓๑ ธ.ค. ๒๕๕๒")
    assert (row.state, row.username, row.way) == ("active", "s1001", "roster")
    assert isinstance(login.check_password(school, "s1001", PASSWORD), Granted)
    # Whoever knows the birth date cannot set another.
    assert isinstance(claim(school, birth_date="31/12/2552"), roster.NotOnRoster)
    with school.database.read() as session:
        assert session.scalar(select(func.count()).where(Person.person_code == "1001")) == 1
        assert session.scalar(select(func.count()).where(Account.username == "s1001")) == 1


def test_the_birth_date_itself_is_stored_nowhere(school: Office) -> None:
    with school.database.read() as session:
        person = session.scalars(select(Person).where(Person.person_code == "1001")).one()
    assert person.birth_hmac == roster.birth_hash(school, person.id, date(2009, 12, 31))


def test_a_class_alone_brings_the_wish_to_an_officer(school: Office) -> None:
    row = claim(school, person_code="1002", class_name="ม. ๒/๑")
    assert (row.state, row.account_id) == ("pending", None)
    assert not isinstance(login.check_password(school, "s1002", PASSWORD), Granted)
    with school.database.write() as session:
        account = registrations.approve(session, school, row.reference, ADMIN)
    assert account.username == "s1002"
    assert isinstance(login.check_password(school, "s1002", PASSWORD), Granted)


def test_an_approver_of_guests_opens_no_pupils_account_by_naming_the_guests_role(
    school: Office,
) -> None:
    row = claim(school, person_code="1002", class_name="ม.2/1")
    with school.database.write() as session:
        desk = people.NewUser(
            username="desk",
            full_name="A Desk",
            role="staff",
            password_hash=school.passwords.hash(PASSWORD),
            levels=(Level.APPROVER,),
        )
        people.add_user(session, school, desk, "test")
    with school.database.write() as session, pytest.raises(Refused, match="may not grant"):
        registrations.approve(session, school, row.reference, "desk", role="guest")
    with school.database.write() as session:
        registrations.approve(session, school, row.reference, ADMIN, role="guest")
    decided = found(school, row.reference)
    assert (decided.state, decided.role.name) == ("active", "student")


def test_a_birth_date_outweighs_a_classmate_who_was_first(school: Office) -> None:
    row = claim(school, class_name="ม.2/1")
    assert (row.state, row.birth_proven) == ("pending", False)
    own = claim(school, birth_date="31/12/2552")
    assert (own.state, own.birth_proven) == ("active", True)
    assert found(school, row.reference).state == "rejected"


def test_whoever_proved_the_birth_date_reads_nothing_of_the_wish_it_closed(school: Office) -> None:
    with school.database.write() as session:
        person = session.scalars(select(Person).where(Person.person_code == "1001")).one()
        person.contact = "parent@home.example"
    claim(school, class_name="ม.2/1")
    assert claim(school, birth_date="31/12/2552").state == "active"
    with school.database.read() as session:
        assert session.scalars(select(Message)).all() == []


def test_with_an_approval_the_first_proven_wish_stays(school: Office) -> None:
    choose(school, "student", needs_approval=True)
    row = claim(school, birth_date="31/12/2552")
    assert row.state == "pending"
    assert isinstance(claim(school, birth_date="31/12/2552"), roster.NotOnRoster)
    assert isinstance(claim(school, class_name="ม.2/1"), roster.NotOnRoster)
    assert found(school, row.reference).state == "pending"


@pytest.mark.parametrize(
    "values",
    [
        {"person_code": "9999", "birth_date": "31/12/2552"},
        {"organisation": "S2", "birth_date": "31/12/2552"},
        {"birth_date": "30/12/2552"},
        {"person_code": "1002", "birth_date": "31/12/2552"},
        {"class_name": "ม.3/1"},
        {"role": "staff", "birth_date": "31/12/2552"},
    ],
)
def test_nobody_learns_what_was_wrong(school: Office, values: dict[str, str]) -> None:
    assert isinstance(claim(school, **values), roster.NotOnRoster)


def test_a_number_is_tried_five_times_a_day(timed_on: Office, clock: Clock) -> None:
    school = make_school(timed_on)
    for day in range(1, 6):
        assert isinstance(claim(school, birth_date=f"{day}/12/2552"), roster.NotOnRoster)
    assert isinstance(claim(school, birth_date="31/12/2552"), roster.TooManyTries)
    assert isinstance(claim(school, person_code="1002", class_name="x"), roster.NotOnRoster)
    clock.now += timedelta(days=1, seconds=1)
    assert claim(school, birth_date="31/12/2552").state == "active"


def test_nobody_gets_more_tries_by_leaving_the_school_out(school: Office) -> None:
    for day in range(1, 6):
        claim(school, birth_date=f"{day}/12/2552")
    for organisation in ("", "S2", "no such school"):
        found_there = claim(school, organisation=organisation, birth_date="31/12/2552")
        assert isinstance(found_there, roster.NotOnRoster)
    assert isinstance(claim(school, birth_date="31/12/2552"), roster.TooManyTries)


def test_after_thirty_misses_at_a_school_a_birth_date_waits_for_an_officer(
    timed_on: Office, clock: Clock
) -> None:
    school = make_school(timed_on)
    for number in range(30):
        claim(school, person_code=f"9{number}", birth_date="31/12/2552")
    with school.database.read() as session:
        assert [one.code for one in roster_guard.guessed_schools(session, clock.now)] == ["S1"]
        assert not roster_guard.is_site_guessed(session, clock.now)
        other = session.scalar(select(Organisation).where(Organisation.code == "S2"))
        assert not roster_guard.is_guessed(session, clock.now, other)
    row = claim(school, birth_date="31/12/2552")
    assert (row.state, row.birth_proven, row.account_id) == ("pending", True, None)
    assert not isinstance(login.check_password(school, "s1001", PASSWORD), Granted)
    clock.now += timedelta(days=1, seconds=1)
    with school.database.read() as session:
        assert not roster_guard.guessed_schools(session, clock.now)


def test_who_goes_on_to_other_schools_meets_the_bound_of_the_site(school: Office) -> None:
    for number in range(60):
        organisation = "S2" if number % 3 == 0 else "nowhere" if number % 3 == 1 else "S1"
        claim(school, organisation=organisation, person_code=f"9{number}", class_name="x")
    assert claim(school, birth_date="31/12/2552").state == "pending"


def test_what_was_tried_as_a_number_is_not_kept(school: Office) -> None:
    claim(school, person_code="1103700123456", birth_date="31/12/2552")
    with school.database.read() as session:
        kept = session.scalars(
            select(AuditEvent).where(AuditEvent.action == roster_guard.MISSED)
        ).one()
    assert "1103700123456" not in f"{kept.target}{kept.detail}"


@pytest.mark.parametrize(
    "text",
    ["31/12/2552", "31-12-2009", "31.12.2552", "๓๑/๑๒/๒๕๕๒", "31 ธันวาคม พ.ศ. 2552",
     "31 ธ.ค. 2552", "31122552", "2009-12-31", "2552-12-31", " 31 / 12 / 2552 "],
)  # fmt: skip
def test_birth_dates_are_read_in_either_era(text: str) -> None:
    assert read_birth_date(text) == date(2009, 12, 31)


@pytest.mark.parametrize("text", ["", "31/13/2552", "2552", "29/2/2552", "1/1/1800", "31/12/52"])
def test_what_is_no_birth_date_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="31/12/2552"):
        read_birth_date(text)
