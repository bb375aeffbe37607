"""Sign-ins and forms that somebody else made: fixation, cross-site posts, forged addresses."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from sqlalchemy import select

from db.models import CoaRequest, Credential, NasClient
from identity.office import Office
from identity.services import published, roles
from identity.services.published import Kind, Written
from tests.conftest import add_person
from tests.unit.captive_portal.public.conftest import HERE, Visitor
from tests.unit.captive_portal.public.own import (
    PASSWORD,
    add_session,
    my,
    sign_in,
    sign_in_of,
    visitor_of,
    with_mail,
)
from tests.unit.captive_portal.public.test_public_pages_weigh_little import BUDGET_OCTETS, Markup

LIVE = "a" * 32
FORMS = [
    pytest.param("/me/sessions", {"session": LIVE}, id="sessions"),
    pytest.param("/me/devices", {"do": "name", "mac": "3c22fb010203", "name": "x"}, id="name"),
    pytest.param("/me/devices", {"do": "remove", "mac": "3c22fb010203"}, id="remove"),
    pytest.param("/me/devices", {"do": "add", "address": "3c22fb010299"}, id="add"),
    pytest.param("/me/password", {"old_password": PASSWORD}, id="password"),
    pytest.param("/me/mailbox", {"do": "begin", "mailbox": "a@b.example"}, id="mailbox"),
    pytest.param("/me/mailbox", {"do": "confirm", "code": "ABCD"}, id="confirm"),
    pytest.param("/me/data", {"do": "copy", "copy_password": PASSWORD}, id="copy"),
    pytest.param("/me/data", {"do": "ask", "right": "erase", "scope": "x"}, id="ask"),
    pytest.param("/rules/accept", {"version": "x"}, id="accept"),
]


@pytest.fixture
def somchai(office: Office, nas: NasClient) -> int:
    assert nas.id == 1
    number = add_person(office, "somchai", PASSWORD)
    add_person(office, "malee", PASSWORD)
    add_session(office, number, LIVE, HERE)
    return number


def token_of(text: str) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(("path", "fields"), FORMS)
def test_a_form_without_its_token_or_with_somebody_elses_changes_nothing(
    app: Flask, office: Office, somchai: int, path: str, fields: dict[str, str]
) -> None:
    visitor = Visitor(app)
    mine, theirs = sign_in(visitor), sign_in(visitor, "malee")
    tokens = {
        "none": "",
        "of the login page, which anybody behind this address can have": token_of(
            visitor.get("/").text
        ),
        "of another sign-in behind this address": token_of(
            visitor.get(my("/me/password", theirs)).text
        ),
    }
    for whose, token in tokens.items():
        answer = visitor.post(my(path, mine), form_token=token, **fields)
        assert answer.status_code == 400, whose
        assert "open too long" in answer.text
    with office.database.read() as session:
        assert session.scalars(select(CoaRequest)).all() == []


def test_a_browser_that_says_cross_site_is_believed(visitor: Visitor, somchai: int) -> None:
    s = sign_in(visitor)
    page = visitor.get(my("/me/password", s)).text
    answer = visitor.app.test_client(use_cookies=False).post(
        my("/me/password", s),
        data={"form_token": token_of(page), "old_password": PASSWORD},
        headers={"Sec-Fetch-Site": "cross-site"},
        environ_base={"REMOTE_ADDR": HERE},
    )
    assert answer.status_code == 400


def test_a_form_from_another_address_is_refused_whatever_it_forwards(
    app: Flask, somchai: int
) -> None:
    s = sign_in(Visitor(app))
    token = token_of(Visitor(app).get(my("/me/password", s)).text)
    client = app.test_client(use_cookies=False)
    answer = client.post(
        my("/me/password", s),
        data={"form_token": token, "old_password": PASSWORD},
        headers={"X-Forwarded-For": HERE},
        environ_base={"REMOTE_ADDR": "192.0.2.66"},
    )
    assert answer.status_code == 400 and "open too long" in answer.text


def test_a_sign_in_that_was_planted_never_becomes_the_victims(
    app: Flask, office: Office, somchai: int
) -> None:
    thief, victim = Visitor(app, "192.0.2.66"), Visitor(app)
    planted = sign_in(thief, "malee")
    answer = victim.fill(f"/?lang=en&s={planted}", username="somchai", password=PASSWORD)
    fresh = sign_in_of(answer.location)
    assert fresh != planted
    assert "malee" in thief.get(my("/status", planted)).text
    assert "somchai" not in thief.get(my("/status", planted)).text
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    assert planted not in cookie
    # The cookie of a browser that keeps it is not sent along by another site's form.
    assert "SameSite=Lax" in answer.headers["Set-Cookie"]


def test_two_sign_ins_of_one_person_have_different_keys(visitor: Visitor, somchai: int) -> None:
    assert sign_in(visitor) != sign_in(visitor)


def test_own_pages_work_without_any_cookie_in_both_languages(
    visitor: Visitor, somchai: int
) -> None:
    s = sign_in(visitor)
    for path in ("/me/sessions", "/me/devices", "/me/password", "/me/mailbox", "/me/data"):
        for language in ("th", "en"):
            answer = visitor.get(f"{path}?lang={language}&s={s}")
            assert answer.status_code == 200
            assert f'<html lang="{language}">' in answer.text
            assert "Set-Cookie" not in answer.headers or "lang=" in answer.headers["Set-Cookie"]
            links = re.findall(r'(?:href|action)="(/(?:me|status)[^"]*)"', answer.text)
            assert links and all(f"s={s}" in link for link in links), path


@pytest.mark.parametrize("language", ["th", "en"])
def test_own_pages_are_small_whole_and_name_each_field_once(
    office: Office, somchai: int, language: str
) -> None:
    with office.database.write() as session:
        roles.set_own_devices(session, office, "student", 3, "test")
    add_session(office, somchai, "b" * 32, "10.5.0.9", calling_station_id="da7e00000001")
    visitor = visitor_of(with_mail(office))
    s = sign_in(visitor)
    written = {name: Written(text="# a\n\nb") for name in ("th", "en")}
    with office.database.write() as session:
        published.publish(session, office, Kind.ACCEPTABLE_USE, "1", written, "head")
    for path in (
        "/me/sessions",
        "/me/devices",
        "/me/password",
        "/me/mailbox",
        "/me/mailbox?sent=1",
        "/me/data",
        "/rules/accept",
        "/rules",
    ):
        joint = "&" if "?" in path else "?"
        answer = visitor.get(f"{path}{joint}lang={language}&s={s}")
        assert answer.status_code == 200 and len(answer.data) <= BUDGET_OCTETS, path
        markup = Markup(answer.text)
        assert markup.open == [], path
        assert [load for load in markup.loads if not load.startswith("data:")] == []
        assert len(markup.ids) == len(set(markup.ids)), path
        assert set(markup.refers) <= set(markup.ids), path
        assert "<script" not in answer.text


def test_a_changed_password_elsewhere_ends_the_own_pages(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    s = sign_in(visitor)
    with office.database.write() as session:
        session.get_one(Credential, somchai).changed_at = office.clock()
    assert visitor.get(my("/me/data", s)).location.startswith("/?")
