"""Finding, describing, adding, suspending people."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from sqlalchemy import select

from db.models import AuditEvent, AuthEvent
from identity.domain.access import Granted
from identity.domain.recoverable import Recoverable
from identity.office import Office
from identity.services import people, registrations
from identity.services.login import check_password
from tests.conftest import ADMIN, add_person
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.admin.conftest import Officer

NEW = {
    "username": "Malee.S",
    "full_name": "มาลี สุขใจ",
    "role": "student",
    "organisation": "",
    "person_code": "45999",
    "class_name": "ม.1/1",
    "expires": "",
    "level": "",
    "password": "green elephant 7",
}


def number_of(office: Office, name: str) -> int:
    with office.database.read() as session:
        return people.get(session, name).id


def test_people_are_found_by_name_number_and_state(admin: Officer, office: Office) -> None:
    seed.add_school_day(office)
    assert "พิมพ์ชนก" in admin.get("/people/?q=ชนก").text
    assert "พิมพ์ชนก" in admin.get("/people/?q=45120").text
    suspended = admin.get("/people/?state=suspended").text
    assert "ณัฏฐา" in suspended
    assert "พิมพ์ชนก" not in suspended
    assert "Nothing found." in admin.get("/people/?q=100%25").text


def test_a_page_has_fifty_people_and_leads_to_the_next(admin: Officer, office: Office) -> None:
    hashed = office.passwords.hash("one hash for all")
    with office.database.write() as session:
        for index in range(60):
            people.add_user(
                session,
                office,
                people.NewUser(username=f"pupil{index:03}", password_hash=hashed),
                "test",
            )
    first = admin.get("/people/?q=pupil").text
    assert "1–50 of 60" in first
    assert "/people/?q=pupil&amp;page=2" in first
    second = admin.get("/people/?q=pupil&page=2").text
    assert "51–60 of 60" in second
    assert "pupil059" in second


def test_the_page_of_a_person_says_why_the_login_was_refused(
    admin: Officer, office: Office
) -> None:
    seed.add_school_day(office)
    page = admin.get(f"/people/{number_of(office, 'kittipong')}").text
    assert "The last login was refused" in page
    assert "The password was wrong" in page
    thai = admin.get(f"/people/{number_of(office, 'kittipong')}?lang=th").text
    assert "รหัสผ่านไม่ถูกต้อง" in thai


def test_an_added_person_can_log_in(admin: Officer, office: Office) -> None:
    text = admin.follow("/people/new", "/people/new", **NEW)
    assert "มาลี สุขใจ is added." in text
    assert isinstance(check_password(office, "malee.s", "green elephant 7"), Granted)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"username": ADMIN}, "is taken; choose another"),
        ({"username": "two words"}, "no spaces"),
        ({"username": "aabbccddeeff"}, "is a MAC address"),
        ({"username": ""}, "Please fill this in."),
        ({"password": "short"}, "at least 8 characters"),
        ({"expires": "never"}, "Write the date like"),
        ({"role": "emperor"}, "Please correct"),
    ],
)
def test_a_person_that_cannot_be_added_keeps_what_was_typed(
    admin: Officer, change: dict[str, str], sentence: str
) -> None:
    response = admin.post("/people/new", "/people/new", **{**NEW, **change})
    assert response.status_code == 422
    assert sentence in response.text
    assert "มาลี สุขใจ" in response.text


def test_suspending_and_enabling_takes_the_registration_along(
    admin: Officer, office: Office
) -> None:
    reference = seed.apply(office)
    admin.follow(f"/registrations/{reference}/approve", expiry="7")
    path = f"/people/{number_of(office, 'wirat.k')}"
    for state, sentence in (("suspended", "is suspended"), ("active", "is enabled")):
        assert sentence in admin.follow(f"{path}/state", path, state=state)
        with office.database.read() as session:
            found = registrations.find(session, reference)
            assert found is not None
            assert found.state == state


def test_nobody_suspends_themselves(admin: Officer, office: Office) -> None:
    path = f"/people/{number_of(office, ADMIN)}/state"
    assert "cannot suspend your own" in admin.follow(path, state="suspended")


def test_a_new_password_works_at_once(admin: Officer, office: Office) -> None:
    path = f"/people/{add_person(office, 'pupil')}"
    assert "at least 8" in admin.follow(f"{path}/password", path, password="short")
    admin.follow(f"{path}/password", path, password="brand new elephant")
    assert isinstance(check_password(office, "pupil", "brand new elephant"), Granted)


def test_an_unknown_person_is_not_found(admin: Officer) -> None:
    assert admin.get("/people/999").status_code == 404
    assert admin.post("/people/999/state", state="active").status_code == 404


def test_where_somebody_was_is_not_shown_to_approvers(
    signed_in: Callable[[str], Officer], office: Office
) -> None:
    seed.add_school_day(office)
    with office.database.read() as session:
        number = session.scalars(
            select(AuthEvent.account_id).where(AuthEvent.account_id.is_not(None))
        ).first()
    assert "Last logins" in signed_in("truat").get(f"/people/{number}").text
    shown = signed_in("kruya").get(f"/people/{number}")
    assert shown.status_code == 200
    assert "Last logins" not in shown.text
    assert "was refused" not in shown.text


def test_every_reading_of_what_names_people_is_recorded(admin: Officer, office: Office) -> None:
    seed.add_school_day(office)
    read = {
        "/people/?q=ชนก": ("people:searched", "ชนก", 1),
        "/people/10": ("person:read", None, None),
        "/sessions/?address=10.20.3.41&show=all": ("sessions:searched", "10.20.3.41", 1),
        "/logins/?user=kittipong": ("logins:searched", "kittipong", None),
        "/logins/7": ("login:read", None, None),
        "/audit/?actor=head": ("audit:read", "head", None),
    }
    for path, (action, target, results) in read.items():
        assert admin.get(path).status_code == 200
        with office.database.read() as session:
            event = session.scalars(
                select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)
            ).one()
        assert (event.actor, event.action) == (ADMIN, action), path
        assert target is None or event.target == target
        assert results is None or json.loads(event.detail)["results"] == results


def test_a_secret_that_is_kept_shows_with_its_price(admin: Officer, office: Office) -> None:
    price = "whoever gets hold of the database"
    plain = add_person(office, "plain")
    new = people.NewUser(
        username="kept",
        password_hash=office.passwords.hash("green elephant 7"),
        password="green elephant 7",
        recoverable=Recoverable.NT_HASH,
    )
    with office.database.write() as session:
        kept = people.add_user(session, office, new, "test").id
    # Whoever chooses reads it in any case, and once more where something is kept.
    assert admin.get(f"/people/{plain}").text.count(price) == 1
    page = admin.get(f"/people/{kept}").text
    assert "its NT hash, for MS-CHAP" in page
    assert page.count(price) == 2
    admin.post(f"/people/{kept}/password", password="blue elephant 8")
    with office.database.read() as session:
        described = people.describe(session, people.get(session, "kept"))
    assert described["recoverable"] == {"kept": "nt-hash", "wanted": "nt-hash"}


def test_an_administrator_alone_suspends_nobody_who_watches_them(
    office: Office, signed_in: Callable[[str], Officer]
) -> None:
    with office.database.read() as session:
        numbers = {name: people.get(session, name).id for name in ("truat", "kepkhomun", "kruya")}
    admin = signed_in("rabop")
    for name in ("truat", "kepkhomun"):
        told = admin.follow(f"/people/{numbers[name]}/state", state="suspended")
        assert "may see what you may not" in told
        assert "Suspend</button>" not in admin.get(f"/people/{numbers[name]}").text
    assert "is suspended" in admin.follow(f"/people/{numbers['kruya']}/state", state="suspended")
    with office.database.read() as session:
        assert people.get(session, "truat").state == "active"
