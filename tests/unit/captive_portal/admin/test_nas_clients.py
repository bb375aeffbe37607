"""Registering network devices."""

from __future__ import annotations

import re

import pytest

from identity.office import Office
from identity.services import nas
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.admin.conftest import Officer

NEW = {
    "name": "อาคาร 3",
    "prefix": "10.30.0.2",
    "secret": "a secret nobody sees again",
    "vendor": "mikrotik",
    "organisation": "",
    "login_url": "",
}


def test_a_registered_device_never_shows_its_secret_again(admin: Officer, office: Office) -> None:
    text = admin.follow("/nas/new", "/nas/new", **NEW)
    assert "อาคาร 3 is registered." in text
    assert "10.30.0.2/32" in text
    assert NEW["secret"] not in text
    with office.database.read() as session:
        (added,) = nas.list_nas(session)
    assert nas.secret_of(office, added) == NEW["secret"].encode()
    assert added.require_message_authenticator


def test_a_secret_that_was_wrapped_on_its_way_is_one_line(admin: Officer, office: Office) -> None:
    secret = "a secret nobody\r\n sees again\r\n"
    admin.follow("/nas/new", "/nas/new", **{**NEW, "secret": secret})
    with office.database.read() as session:
        added = nas.get(session, NEW["name"])
        assert nas.secret_of(office, added) == NEW["secret"].encode()


def test_each_form_suggests_another_long_secret(admin: Officer) -> None:
    found = [
        re.findall(r'<textarea[^>]*name="secret"[^>]*>\s*([^<]+)<', admin.get("/nas/new").text)
        for _time in range(2)
    ]
    assert found[0] != found[1]
    assert all(len(value[0]) >= 32 for value in found)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"prefix": "10.30.0.2/8"}, "is not a network prefix"),
        ({"prefix": "there"}, "is not a network prefix"),
        ({"name": ""}, "Please fill this in."),
        ({"login_url": "javascript:alert(1)"}, "starts with http:// or https://"),
    ],
)
def test_a_device_that_cannot_be_registered_is_explained(
    admin: Officer, change: dict[str, str], sentence: str
) -> None:
    response = admin.post("/nas/new", "/nas/new", **{**NEW, **change})
    assert response.status_code == 422
    assert sentence in response.text


def test_a_name_or_address_is_registered_once(admin: Officer) -> None:
    admin.follow("/nas/new", "/nas/new", **NEW)
    twice = admin.post("/nas/new", "/nas/new", **NEW).text
    assert "There is already a network device named อาคาร 3." in twice
    moved = admin.post("/nas/new", "/nas/new", **{**NEW, "name": "อาคาร 4"}).text
    assert "There is already a network device at 10.30.0.2/32." in moved


def test_the_list_tells_who_signs_and_how_good_each_secret_is(
    admin: Officer, office: Office
) -> None:
    seed.add_school_day(office)
    rows = admin.get("/nas/").text.partition("<tbody>")[2].split("</tr>")
    by_name = {
        name: next(row for row in rows if f">{name}" in row)
        for name in ("อาคาร 1", "หอประชุม", "ห้องสมุด", "ศูนย์เด็กเล็ก")
    }
    assert "always sent" in by_name["อาคาร 1"]
    assert "the same as: หอประชุม" in by_name["อาคาร 1"]
    assert "set 800 days ago" in by_name["อาคาร 1"]
    assert "not required" in by_name["หอประชุม"]
    assert "never sent" in by_name["หอประชุม"]
    assert "from a manual" in by_name["ห้องสมุด"]
    assert "Requests without it get no answer." in by_name["ห้องสมุด"]
    assert "protected by TLS" in by_name["ศูนย์เด็กเล็ก"]
    assert "ap.bankhok.example.ac.th" in by_name["ศูนย์เด็กเล็ก"]
    thai = admin.get("/nas/?lang=th").text
    assert "เป็นรหัสจากคู่มือ" in thai


def test_a_stranger_leads_to_a_filled_in_form(admin: Officer, office: Office) -> None:
    seed.add_school_day(office)
    page = admin.get("/nas/").text
    assert "/nas/new?address=10.20.9.9" in page
    assert 'value="10.20.9.9"' in admin.get("/nas/new?address=10.20.9.9").text
