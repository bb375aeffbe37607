"""Signing in: who may, how failures look, when it ends."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from captive_portal.admin import create_app
from captive_portal.admin.app import IDLE
from captive_portal.admin.attempts import PER_ACCOUNT
from common.errors import ConfigError
from db.models import AuditEvent
from identity.office import Office
from identity.services import people
from tests.conftest import ADMIN, ADMIN_PASSWORD, add_person
from tests.unit.captive_portal.admin.conftest import Officer

SENTENCE = "That did not work."


def actions(office: Office) -> list[str]:
    with office.database.read() as session:
        return list(session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)))


def test_a_stranger_is_sent_to_the_sign_in_page_and_back(app: Flask) -> None:
    officer = Officer(app)
    asked = officer.get("/people/?q=som")
    assert asked.status_code == 302
    assert asked.location == "/sign-in?next=/people/?q%3Dsom"
    page = officer.get(asked.location).text
    assert 'value="/people/?q=som"' in page
    response = officer.post(
        "/sign-in", asked.location, username=ADMIN, password=ADMIN_PASSWORD, next="/people/?q=som"
    )
    assert response.location == "/people/?q=som"


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_after_signing_in_nobody_is_sent_to_a_foreign_host(app: Flask, target: str) -> None:
    response = Officer(app).post(
        "/sign-in", "/sign-in", username=ADMIN, password=ADMIN_PASSWORD, next=target
    )
    assert response.location == "/"


def test_the_cookie_is_http_only_and_same_site(app: Flask) -> None:
    cookie = Officer(app).sign_in(ADMIN, ADMIN_PASSWORD).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie


def test_the_cookie_is_secure_when_the_public_address_is_https(office: Office) -> None:
    admin = office.config.admin.model_copy(update={"public_url": "https://admin.example.ac.th"})
    config = office.config.model_copy(update={"admin": admin})
    app = create_app(dataclasses.replace(office, config=config))
    cookie = app.test_client().get("/sign-in").headers["Set-Cookie"]
    assert cookie.startswith("__Host-yuenyan_admin=")
    assert "Secure" in cookie


def test_every_failure_reads_the_same(app: Flask, office: Office) -> None:
    add_person(office, "pupil", "pupil horse battery")
    with office.database.write() as session:
        people.set_state(session, office, "truat", "suspended", "test")
    answers = set()
    for name, password in (
        ("nobody", "x"),
        (ADMIN, "wrong"),
        ("pupil", "pupil horse battery"),
        ("truat", "officer horse battery"),
    ):
        response = Officer(app).sign_in(name, password)
        assert response.status_code == 401
        assert SENTENCE in response.text
        answers.add(response.text.partition('role="alert"')[2].partition("<form")[0])
    assert len(answers) == 1
    assert actions(office).count("admin:sign_in_failed") == 4


def test_guessing_at_one_account_is_stopped_before_the_password_is_checked(
    app: Flask, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[object] = []

    def refuse(*arguments: object) -> bool:
        checked.append(arguments)
        return False

    monkeypatch.setattr(type(office.passwords), "verify", refuse)
    for _attempt in range(PER_ACCOUNT.rate.amount + 3):
        response = Officer(app).sign_in(ADMIN, "wrong")
    assert response.status_code == 429
    assert SENTENCE in response.text
    assert len(checked) == PER_ACCOUNT.rate.amount
    assert actions(office).count("admin:sign_in_throttled") == 1


def test_a_session_from_before_the_sign_in_is_not_kept(app: Flask) -> None:
    officer = Officer(app)
    with officer.client.session_transaction() as planted:
        planted["planted"] = "by somebody else"
    officer.sign_in(ADMIN, ADMIN_PASSWORD)
    with officer.client.session_transaction() as session:
        assert "planted" not in session
        assert session["sign_in"]


def test_a_suspended_officer_is_out_at_the_next_request(admin: Officer, office: Office) -> None:
    assert admin.get("/people/").status_code == 200
    with office.database.write() as session:
        people.set_state(session, office, ADMIN, "suspended", "test")
    assert admin.get("/people/").location.startswith("/sign-in")


def test_a_new_password_ends_older_sign_ins(admin: Officer, office: Office) -> None:
    hashed = office.passwords.hash("another horse battery")
    with office.database.write() as session:
        people.set_password(session, office, ADMIN, hashed, "test")
    assert admin.get("/").status_code == 302


def test_an_idle_officer_is_signed_out(office: Office) -> None:
    times = [office.clock()]
    app = create_app(dataclasses.replace(office, clock=lambda: times[0]))
    officer = Officer(app)
    officer.sign_in(ADMIN, ADMIN_PASSWORD)
    times[0] += IDLE - timedelta(seconds=1)
    assert officer.get("/").status_code == 200
    times[0] += IDLE - timedelta(seconds=1)
    assert officer.get("/").status_code == 200
    times[0] += IDLE + timedelta(seconds=1)
    assert officer.get("/").status_code == 302
    assert "nothing happened" in officer.get("/sign-in").text


def test_a_copied_cookie_ends_with_the_sign_out(admin: Officer, app: Flask) -> None:
    copied = admin.client.get_cookie("yuenyan_admin")
    assert copied is not None
    assert admin.post("/sign-out").location == "/sign-in"
    thief = Officer(app)
    thief.client.set_cookie("yuenyan_admin", copied.value)
    assert thief.get("/").status_code == 302


def test_a_post_without_its_token_is_refused(admin: Officer) -> None:
    response = admin.client.post("/vouchers/new", data={"count": "1"})
    assert response.status_code == 400
    assert admin.client.post("/sign-in", data={"username": ADMIN}).status_code == 400


def test_without_its_key_the_portal_does_not_start(office: Office) -> None:
    (office.config.keys_dir / "admin-session.key").unlink()
    with pytest.raises(ConfigError, match="admin-session"):
        create_app(office)
