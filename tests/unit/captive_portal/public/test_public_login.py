"""Signing in with user name and password, without cookies and without scripts."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from captive_portal.public import create_app
from common.errors import BackendUnavailable, ConfigError
from db.auth_events import AuthEvents
from db.engine import Database
from db.models import AuthEvent, Credential
from identity.domain.access import Denied, Method, Reason
from identity.office import Office
from identity.services import people
from identity.services.login import Proof
from tests.conftest import add_person
from tests.unit.captive_portal.public.conftest import HERE, Visitor
from tests.unit.identity.fake_directory import Clock, FakeDirectory, with_directories

PASSWORD = "password of theirs"
WRONG = "The user name or password is not right."


@pytest.fixture
def somchai(office: Office) -> int:
    return add_person(office, "somchai", PASSWORD)


def sign_in(visitor: Visitor, username: str = "somchai", password: str = PASSWORD) -> str:
    """Where the status page of the new sign-in is."""
    answer = visitor.fill("/?lang=en", username=username, password=password)
    assert answer.status_code == 303, answer.text
    return answer.location


def test_the_right_password_leads_to_the_status_page(visitor: Visitor, somchai: int) -> None:
    status = visitor.get(sign_in(visitor, " SomChai "))
    assert status.status_code == 200
    assert "You are signed in" in status.text and "somchai" in status.text
    assert "Student" in status.text


def test_the_decision_is_recorded(visitor: Visitor, office: Office, somchai: int) -> None:
    visitor.fill("/", username="somchai", password="wrong")
    sign_in(visitor)
    with office.database.read() as session:
        events = session.scalars(select(AuthEvent).order_by(AuthEvent.id)).all()
    assert [(event.outcome, event.reason) for event in events] == [
        ("reject", "wrong_password"),
        ("accept", "ok"),
    ]


def test_unknown_and_wrong_get_the_same_page(visitor: Visitor, somchai: int) -> None:
    pages = []
    for name in ("somchai", "nobody1"):
        answer = visitor.fill("/?lang=en", username=name, password="wrong password")
        assert answer.status_code == 422
        assert WRONG in answer.text and 'role="alert"' in answer.text
        pages.append(re.sub(r'(value|nonce)="[^"]*"', "", answer.text))
    assert pages[0] == pages[1]


def test_devices_and_vouchers_cannot_sign_in_with_a_password(
    visitor: Visitor, office: Office
) -> None:
    add_person(office, "owner")
    with office.database.write() as session:
        from identity.services.devices import add_device

        add_device(session, office, "3c:22:fb:01:02:03", "device", "owner", "test")
    answer = visitor.fill("/?lang=en", username="3c22fb010203", password="3c22fb010203")
    assert answer.status_code == 422 and WRONG in answer.text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"password": "x"}, "Enter your user name.", id="no-name"),
        pytest.param({"username": "somchai"}, "Enter your password.", id="no-password"),
    ],
)
def test_an_empty_field_is_named_beside_it_and_in_the_summary(
    visitor: Visitor, fields: dict[str, str], message: str
) -> None:
    answer = visitor.fill("/?lang=en", **fields)
    assert answer.status_code == 422
    assert answer.text.count(message) == 2
    assert 'aria-invalid="true"' in answer.text
    name = re.search(r'aria-describedby="\s*([\w-]+)"', answer.text)
    assert name is not None and f'id="{name[1]}"' in answer.text


def test_a_suspended_account_is_told_so_only_with_its_password(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    with office.database.write() as session:
        people.set_state(session, office, "somchai", "suspended", "test")
    assert "suspended" in visitor.fill("/?lang=en", username="somchai", password=PASSWORD).text
    assert WRONG in visitor.fill("/?lang=en", username="somchai", password="wrong").text


def test_an_expired_account_is_told_so(visitor: Visitor, office: Office, somchai: int) -> None:
    with office.database.write() as session:
        people.get(session, "somchai").expires_at = office.clock() - timedelta(days=1)
    assert "has expired" in visitor.fill("/?lang=en", username="somchai", password=PASSWORD).text


def test_thai_letters_bring_a_hint_about_the_keyboard(visitor: Visitor, somchai: int) -> None:
    answer = visitor.fill("/?lang=en", username="somchai", password="รหัสผ่าน")
    assert "Switch the keyboard to English" in answer.text


def test_a_form_without_or_with_a_strangers_token_is_refused(
    app: Flask, visitor: Visitor, somchai: int
) -> None:
    for token in (
        "",
        Visitor(app, "192.0.2.99").get("/").text.split('form_token" value="')[1][:30],
    ):
        answer = visitor.post("/?lang=en", form_token=token, username="somchai", password=PASSWORD)
        assert answer.status_code == 400
        assert "open too long" in answer.text
        assert 'value="somchai"' in answer.text and PASSWORD not in answer.text


def test_a_form_that_another_sites_page_sends_is_refused(app: Flask, somchai: int) -> None:
    client = app.test_client(use_cookies=False)
    here = {"REMOTE_ADDR": HERE}
    token = re.search(r'name="form_token" value="([^"]+)"', client.get("/", environ_base=here).text)
    assert token is not None
    fields = {"form_token": token[1], "username": "somchai", "password": PASSWORD}
    for site, status in (("cross-site", 400), ("same-origin", 303), ("none", 303)):
        headers = {"Sec-Fetch-Site": site}
        answer = client.post("/", data=fields, environ_base=here, headers=headers)
        assert answer.status_code == status, site


def test_guessing_is_stopped_before_the_password_is_looked_at(
    visitor: Visitor, app: Flask, somchai: int
) -> None:
    for _ in range(5):
        assert visitor.fill("/?lang=en", username="somchai", password="x").status_code == 422
    answer = visitor.fill("/?lang=en", username="SOMCHAI", password=PASSWORD)
    assert answer.status_code == 429
    assert re.search(r"Please wait [45] minutes", answer.text)
    elsewhere = Visitor(app, "192.0.2.8")
    assert elsewhere.fill("/", username="somchai", password=PASSWORD).status_code == 303


def test_guesses_at_the_same_moment_are_no_more_than_those_one_after_the_other(
    visitor: Visitor, somchai: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is stopped inside the check of the password until all have been sent."""
    arrived, go = threading.Semaphore(0), threading.Event()

    def slowly(*_arguments: object) -> Proof:
        arrived.release()
        assert go.wait(20)
        return Proof(Denied(Reason.WRONG_PASSWORD, Method.PORTAL))

    monkeypatch.setattr("captive_portal.public.login.prove_password", slowly)
    with ThreadPoolExecutor(8) as pool:
        guesses = [
            pool.submit(visitor.fill, "/", username="somchai", password=f"guess {number}")
            for number in range(8)
        ]
        for _ in range(5):
            assert arrived.acquire(timeout=20)
        wait(guesses, timeout=20, return_when=FIRST_COMPLETED)
        go.set()
        codes = Counter(guess.result(20).status_code for guess in guesses)
    assert codes == {422: 5, 429: 3}
    monkeypatch.undo()
    assert visitor.fill("/", username="somchai", password=PASSWORD).status_code == 429


def test_right_passwords_use_nothing_up(visitor: Visitor, somchai: int) -> None:
    for _ in range(7):
        assert visitor.fill("/", username="somchai", password=PASSWORD).status_code == 303


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param((Database, "ask"), id="the-question"),
        pytest.param((AuthEvents, "write"), id="the-row"),
    ],
)
def test_a_database_that_does_not_answer_is_not_the_visitors_fault(
    office: Office, monkeypatch: pytest.MonkeyPatch, somchai: int, lost: tuple[type, str]
) -> None:
    visitor = Visitor(create_app(office))

    def fail(*_arguments: object, **_named: object) -> None:
        raise BackendUnavailable("database")

    token = visitor.get("/").text.split('form_token" value="')[1].split('"')[0]
    monkeypatch.setattr(*lost, fail)
    answer = visitor.post("/?lang=en", form_token=token, username="somchai", password=PASSWORD)
    assert answer.status_code == 503
    assert "try again in a minute" in answer.text
    assert "yuenyan_portal" not in answer.headers.get("Set-Cookie", "")


def test_a_directory_that_does_not_answer_is_in_the_login_log(office: Office) -> None:
    away = FakeDirectory("school", is_down=True)
    with with_directories(office, {"school": away}, Clock()) as of_school:
        answer = Visitor(create_app(of_school)).fill("/?lang=en", username="wipa", password="x")
    assert answer.status_code == 503
    with office.database.read() as session:
        (event,) = session.scalars(select(AuthEvent))
    assert (event.user_name, event.method, event.outcome) == ("wipa", "portal", "reject")
    assert (event.reason, event.trace) == ("backend_unavailable", "directory:unreachable=school")


def test_signing_out_ends_the_sign_in_wherever_it_is_carried(
    visitor: Visitor, somchai: int
) -> None:
    status = sign_in(visitor)
    assert visitor.post("/sign-out", s=status.partition("s=")[2]).status_code == 303
    assert "You are signed in" in visitor.get(status).text, "no form token, no sign-out"
    answer = visitor.fill(status, action="sign-out")
    assert "signed_out" in answer.location
    assert "You are signed out of this page." in visitor.follow(answer).text
    assert "You are signed in" not in visitor.get(status).text


def test_a_new_password_and_a_suspension_end_a_sign_in(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    first = sign_in(visitor)
    with office.database.write() as session:
        people.set_password(session, office, "somchai", office.passwords.hash(PASSWORD), "test")
    assert "You are not signed in" in visitor.get(first).text
    second = sign_in(visitor)
    with office.database.write() as session:
        people.set_state(session, office, "somchai", "suspended", "test")
    assert "You are not signed in" in visitor.get(second).text


def test_a_renewed_hash_does_not_end_the_sign_in_it_belongs_to(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    from argon2 import PasswordHasher

    with office.database.write() as session:
        credential = session.get(Credential, somchai)
        assert credential is not None
        credential.password_hash = PasswordHasher(3, 19456, 1).hash(PASSWORD)
    assert "You are signed in" in visitor.get(sign_in(visitor)).text


def test_a_stranger_sees_nobodys_account(visitor: Visitor, app: Flask, somchai: int) -> None:
    sign_in(visitor)
    for path in ("/status", "/status?s=forged", "/connect?s=forged"):
        answer = Visitor(app, HERE).get(path)
        assert "somchai" not in answer.text


def test_without_a_key_the_portal_does_not_start(office: Office) -> None:
    (office.config.keys_dir / "portal-session.key").unlink()
    with pytest.raises(ConfigError, match="yuenyan init"):
        create_app(replace(office))


def test_a_cookie_is_an_extra_for_browsers_that_keep_it(
    make_visitor: Callable[..., Visitor], somchai: int
) -> None:
    visitor = make_visitor(trusted_proxies=(f"{HERE}/32",))
    answer = visitor.fill("/", username="somchai", password=PASSWORD)
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Secure" not in cookie
    pair = cookie.partition(";")[0]
    assert "somchai" in visitor.get("/status", headers={"Cookie": pair}).text
