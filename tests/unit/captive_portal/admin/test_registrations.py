"""Deciding on applications."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from db.models import Account, Registration
from identity.domain.admission import format_code
from identity.domain.registering import ROSTER_MISSES_SCHOOL, Way
from identity.office import Office
from identity.services import (
    importing,
    people,
    registration_ways,
    registrations,
    roles,
    roster,
    roster_guard,
)
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.admin.conftest import Officer


def find(office: Office, reference: str) -> Registration:
    with office.database.read() as session:
        found = registrations.find(session, reference)
    assert found is not None
    return found


def account_of(office: Office, name: str) -> Account:
    with office.database.read() as session:
        return people.get(session, name)


def test_the_queue_shows_the_oldest_first(admin: Officer, office: Office) -> None:
    seed.apply(office, "wirat.k")
    seed.apply(office, "suda")
    page = admin.get("/registrations/").text
    assert page.index("วิรัช") < page.index("สุดา")
    assert "สุดา" not in admin.get("/registrations/?q=wirat").text


def test_an_application_is_found_by_the_number_its_visitor_was_shown(
    admin: Officer, office: Office
) -> None:
    reference = seed.apply(office, "wirat.k")
    seed.apply(office, "suda")
    number = format_code(reference)
    assert "-" in number
    for typed in (number, number.lower(), number.replace("-", " "), reference):
        page = admin.get("/registrations/?" + urlencode({"q": typed})).text
        assert "วิรัช" in page and "สุดา" not in page
        assert f"<code>{number}</code>" in page
    assert f"<code>{number}</code>" in admin.get(f"/registrations/{number}").text
    assert "วิรัช" not in admin.get("/registrations/?q=-").text


@pytest.mark.parametrize(("choice", "days"), [("1", 1), ("7", 7), ("30", 30)])
def test_an_approved_visitor_gets_the_chosen_days(
    admin: Officer, office: Office, choice: str, days: int
) -> None:
    reference = seed.apply(office)
    text = admin.follow(
        f"/registrations/{reference}/approve",
        f"/registrations/{reference}",
        role="guest",
        expiry=choice,
    )
    assert f"Approved: {format_code(reference)}" in text
    account = account_of(office, "wirat.k")
    assert account.kind == "guest"
    assert account.expires_at is not None
    assert abs(account.expires_at - office.clock() - timedelta(days=days)) < timedelta(minutes=1)


@pytest.mark.parametrize("written", ["{year}-{day:%m-%d}", "{day:%d/%m}/{year}"])
def test_an_expiry_date_may_be_buddhist_and_lasts_to_the_end_of_that_day(
    admin: Officer, office: Office, written: str
) -> None:
    reference = seed.apply(office)
    local = (office.clock() + timedelta(days=10)).astimezone(ZoneInfo("Asia/Bangkok"))
    admin.follow(
        f"/registrations/{reference}/approve",
        f"/registrations/{reference}",
        expiry="date",
        date=written.format(day=local, year=local.year + 543),
    )
    expires_at = account_of(office, "wirat.k").expires_at
    assert expires_at is not None
    at_home = expires_at.astimezone(ZoneInfo("Asia/Bangkok"))
    assert at_home.date() == local.date()
    assert at_home.hour == 23


@pytest.mark.parametrize(
    ("date", "sentence"), [("soon", "Write the date like"), ("2020-01-01", "That date is over")]
)
def test_a_bad_date_is_explained_and_nothing_is_decided(
    admin: Officer, office: Office, date: str, sentence: str
) -> None:
    reference = seed.apply(office)
    text = admin.follow(
        f"/registrations/{reference}/approve",
        f"/registrations/{reference}",
        expiry="date",
        date=date,
    )
    assert sentence in text
    assert find(office, reference).state == "pending"


def test_a_second_decision_says_who_was_first(
    signed_in: Callable[[str], Officer], office: Office
) -> None:
    reference = seed.apply(office)
    signed_in("kruya").follow(f"/registrations/{reference}/approve", expiry="7")
    admin = signed_in("head")
    for verb in ("approve", "reject"):
        text = admin.follow(f"/registrations/{reference}/{verb}", reason="late", expiry="7")
        assert "kruya has decided this already: approved" in text
    assert find(office, reference).state == "active"


def test_a_rejection_needs_a_reason(admin: Officer, office: Office) -> None:
    reference = seed.apply(office)
    here = f"/registrations/{reference}"
    assert "Give a reason" in admin.follow(f"{here}/reject", here, reason=" ")
    assert find(office, reference).state == "pending"
    assert "Rejected" in admin.follow(f"{here}/reject", here, reason="ไม่รู้จัก")
    assert find(office, reference).decision_reason == "ไม่รู้จัก"


def test_ticked_ones_are_approved_each_on_its_own(admin: Officer, office: Office) -> None:
    first, second = seed.apply(office, "wirat.k"), seed.apply(office, "suda")
    admin.follow(f"/registrations/{second}/reject", reason="ไม่รู้จัก")
    text = admin.follow(
        "/registrations/approve", reference=[first, second], role="guest", expiry="1"
    )
    assert "1 registration approved." in text
    assert f"{format_code(second)}: head has decided this already: rejected" in text
    assert find(office, first).state == "active"


def test_the_same_name_is_pointed_out(admin: Officer, office: Office) -> None:
    first = seed.apply(office)
    admin.follow(f"/registrations/{first}/approve", expiry="7")
    with office.database.write() as session:
        twin = registrations.submit(
            session,
            office,
            registrations.Application(
                username="wirat2",
                full_name="นายวิรัช กู้เกียรติศักดิ์",
                contact="elsewhere",
                purpose="a visit",
                password="seven green elephants",
            ),
        )
    assert "Perhaps the same person" in admin.get(f"/registrations/{twin.reference}").text


def test_for_a_pupil_of_the_roster_the_officer_confirms_the_owner_and_chooses_nothing(
    admin: Officer, office: Office
) -> None:
    with office.database.write() as session:
        roles.add_organisation(session, office, "R8", "Roster School", "test")
        registration_ways.set_choice(session, office, "student", "test", way=Way.ROSTER)
    lines = (
        "username,full_name,role,org,person_code,class_name",
        "s1,เด็กหญิงมานี ใจดี,student,R8,1,ม.2/1",
        "s2,เด็กหญิงมานี ใจดี,student,R8,2,ม.2/1",
    )
    read = importing.read("\n".join(lines).encode(), "Asia/Bangkok")
    with office.database.read() as session:
        checked = importing.check(session, office, read, update=False)
    assert importing.apply(office, checked, "test").added == 2
    hashed = office.passwords.hash("pupil horse battery")
    claim = roster.Claim(organisation="R8", person_code="1", role="student", class_name="ม.2/1")
    with office.database.write() as session:
        row = roster.apply(session, office, claim, hashed)
        assert isinstance(row, Registration)
        reference = row.reference
    path = f"/registrations/{reference}"
    page = admin.get(path).text
    assert "this is the owner of the account s1." in page
    assert "answerable for this guest" not in page
    assert 'name="role"' not in page and 'name="expiry"' not in page
    assert "· s2 ·" in page and "· s1 ·" not in page, "the account itself is no double"
    assert "ยืนยันว่าเป็นเจ้าของบัญชี s1" in admin.get(f"{path}?lang=th").text
    admin.follow(f"{path}/approve", path)
    decided = find(office, reference)
    assert decided.state == "active" and decided.account_id == account_of(office, "s1").id


def test_a_role_that_is_not_offered_is_refused(admin: Officer, office: Office) -> None:
    reference = seed.apply(office)
    page = f"/registrations/{reference}"
    text = admin.follow(f"{page}/approve", page, role="device", expiry="7")
    assert "There is no role device." in text
    assert find(office, reference).state == "pending"


def test_the_first_page_warns_when_somebody_guesses_at_the_roster(
    admin: Officer, office: Office
) -> None:
    with office.database.write() as session:
        school = roles.add_organisation(session, office, "R9", "Roster School", "test")
        target = roster_guard.target_of(office, school, "1001")
        for _ in range(ROSTER_MISSES_SCHOOL - 1):
            roster_guard.record_miss(session, office.clock(), target, "10.0.0.1")
    assert "birth dates of the roster" not in admin.get("/").text
    with office.database.write() as session:
        roster_guard.record_miss(session, office.clock(), target, "10.0.0.1")
    assert "birth dates of the roster of Roster School" in admin.get("/").text
    assert "Roster School คำขอของนักเรียน" in admin.get("/?lang=th").text
