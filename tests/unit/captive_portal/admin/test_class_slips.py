"""New first passwords for a class: made and shown once, for the officer's own pupils alone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from identity.domain.access import Granted
from identity.domain.levels import Level
from identity.office import Office
from identity.services import people, roles
from identity.services.login import check_password
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.admin.conftest import Officer

OLD = "password of before"
WANTED = {"class": "NNS|ม.1/2", "language": "both", "sure": "yes", "as": "page"}


@pytest.fixture
def school(office: Office) -> Office:
    hashed = office.passwords.hash(OLD)
    with office.database.write() as session:
        for code in ("NNS", "BKK"):
            roles.add_organisation(session, office, code, f"โรงเรียน {code}", "test")
        for name, code, levels in (
            ("p1", "NNS", ()),
            ("p2", "NNS", ()),
            ("helper", "NNS", (Level.HELP_DESK,)),
            ("other", "BKK", ()),
        ):
            new = people.NewUser(
                username=name,
                password_hash=hashed,
                full_name=f"นักเรียน {name}",
                organisation=code,
                class_name="ม.1/2",
                levels=levels,
            )
            people.add_user(session, office, new, "test")
    return office


def is_in(office: Office, name: str, password: str = OLD) -> bool:
    return isinstance(check_password(office, name, password), Granted)


def test_a_class_gets_slips_on_a_page_that_is_kept_nowhere(admin: Officer, school: Office) -> None:
    form = admin.get("/people/classes/").text
    assert 'value="NNS|ม.1/2"' in form and "(3)" in form
    shown = admin.post("/people/classes/", "/people/classes/", **WANTED)
    assert shown.status_code == 200 and "no-store" in shown.headers["Cache-Control"]
    made = dict(
        re.findall(r"<dd>(\S+)</dd>\s*<dt>.*?</dt><dd class=\"password\">(\S+)</dd>", shown.text)
    )
    assert made.keys() == {"p1", "p2"}
    assert all(is_in(school, name, password) for name, password in made.items())
    assert "นักเรียน helper keeps the password of now" in shown.text
    assert is_in(school, "helper") and is_in(school, "other") and not is_in(school, "p1")
    trail = admin.get("/audit/").text
    assert "printed new passwords for a class" in trail and made["p1"] not in trail
    style = admin.get("/people/classes/slips.css")
    assert style.mimetype == "text/css" and ".slip" in style.text


def test_a_pdf_is_a_file(admin: Officer, school: Office) -> None:
    answer = admin.post("/people/classes/", "/people/classes/", **(WANTED | {"as": "pdf"}))
    assert answer.mimetype == "application/pdf" and answer.data.startswith(b"%PDF")
    assert not is_in(school, "p1")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sure": ""}, "Tick that"),
        ({"class": "ม.1/2"}, "Choose a class"),
        ({"class": "NNS|"}, "Choose a class"),
        ({"language": "xx"}, "Choose a class"),
        ({"class": "|ม.1/2"}, "nobody is in the class"),
    ],
)
def test_without_a_class_or_the_tick_nothing_changes(
    admin: Officer, school: Office, change: dict[str, str], says: str
) -> None:
    text = admin.follow("/people/classes/", "/people/classes/", **(WANTED | change))
    assert says in text
    assert is_in(school, "p1") and is_in(school, "other")


def test_an_administrator_of_one_school_reaches_no_class_of_another(
    signed_in: Callable[[str], Officer], school: Office
) -> None:
    hashed = school.passwords.hash(seed.OFFICER_PASSWORD)
    with school.database.write() as session:
        new = people.NewUser(
            username="bkk.admin",
            password_hash=hashed,
            full_name="ผู้ดูแล",
            organisation="BKK",
            levels=(Level.ADMIN,),
        )
        people.add_user(session, school, new, "test")
    theirs = signed_in("bkk.admin")
    assert "NNS" not in theirs.get("/people/classes/").text
    assert "nobody is in the class" in theirs.follow(
        "/people/classes/", "/people/classes/", **WANTED
    )
    assert is_in(school, "p1")
