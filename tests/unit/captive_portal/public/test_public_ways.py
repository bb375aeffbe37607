# long file: the four ways to register are one table of pages and share its visitors
"""Registering by code, host and roster, as a visitor without cookies and scripts meets it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from common.config_registration import Sms
from db.models import Account, AuthEvent, Message, NasClient, Organisation, Person, Registration
from identity.domain.birth_dates import read_birth_date
from identity.domain.registering import Way
from identity.office import Office
from identity.services import messages, registration_ways, roles, roster
from tests.conftest import ADMIN, add_person
from tests.moved_clock import Clock
from tests.unit.captive_portal.public.conftest import MAC, Visitor, make_app
from tests.unit.captive_portal.public.test_public_pages_weigh_little import BUDGET_OCTETS, Markup

PASSWORD = "seven green elephants"
GOOD = {
    "full_name": "สมหญิง ใจดี",
    "contact": "somying@home.example",
    "username": "Somying.J",
    "purpose": "ประชุมผู้ปกครอง",
    "password": PASSWORD,
    "password_again": PASSWORD,
    "accept": "yes",
}


@pytest.fixture
def able(office: Office) -> Office:
    """An office that can send letters and short messages, with a clock of the test's own."""
    mail = office.config.mail.model_copy(update={"host": "127.0.0.1", "sender": "wifi@x.example"})
    sms = Sms(url="https://sms.example/send")
    portal = office.config.portal.model_copy(update={"public_url": "https://wifi.school.example"})
    config = office.config.model_copy(update={"mail": mail, "sms": sms, "portal": portal})
    return replace(office, config=config, clock=Clock(office.clock()))


@pytest.fixture
def phone(able: Office) -> Visitor:
    return Visitor(make_app(able))


@pytest.fixture
def choose(able: Office) -> Callable[..., registration_ways.Choice]:
    def make(role: str = "guest", **values: Any) -> registration_ways.Choice:
        with able.database.write() as session:
            return registration_ways.set_choice(session, able, role, "head", **values)

    return make


def sent(office: Office) -> list[tuple[str, str, str]]:
    """(receiver, subject, body) of every message, as the postman reads them."""
    with office.database.read() as session:
        rows = session.scalars(select(Message).order_by(Message.id)).all()
    found = []
    for row in rows:
        assert row.content_encrypted is not None
        content = json.loads(office.vault.decrypt(row.content_encrypted, messages.PURPOSE))
        found.append((row.recipient, content.get("subject", ""), content["body"]))
    return found


def code_in(text: str) -> str:
    found = re.search(r"\b[0-9]{6}\b", text)
    assert found is not None, text
    return found[0]


def register(phone: Visitor, path: str = "/register?lang=en", **fields: str) -> str:
    answer = phone.fill(path, "/register", **{**GOOD, **fields})
    assert answer.status_code == 303, answer.text
    return answer.location


def check(text: str) -> None:
    """Every page stays small, loads nothing, and links its errors."""
    markup = Markup(text)
    assert markup.open == []
    assert len(text.encode()) <= BUDGET_OCTETS
    assert [load for load in markup.loads if not load.startswith("data:")] == []
    assert len(markup.ids) == len(set(markup.ids))
    assert set(markup.refers) <= set(markup.ids)


def only(office: Office) -> Registration:
    with office.database.read() as session:
        return session.scalars(select(Registration)).one()


def test_a_code_by_mail_lets_a_guest_in_even_after_the_browser_was_closed(
    able: Office, phone: Visitor, choose: Callable[..., Any]
) -> None:
    choose(way=Way.MAIL_CODE, answerable=ADMIN)
    form = phone.get("/register?lang=en").text
    check(form)
    assert 'type="email"' in form and "Send me the code" in form
    location = register(phone)
    ((receiver, subject, body),) = sent(able)
    code = code_in(body)
    assert receiver == "somying@home.example" and code in subject and "Test school" in body
    page = phone.get(location).text
    check(page)
    assert 'autocomplete="one-time-code"' in page and 'inputmode="numeric"' in page
    assert code not in page and "s…@home.example" in page and "somying@home" not in page
    # The sign-in sheet closed. On another device, with the number alone:
    reference = re.search(r"/registration/(\w{4}-\w{4})", location)
    assert reference is not None
    other = Visitor(phone.app, "203.0.113.9")
    typed = other.get(f"/registration/?lang=en&reference={reference[1].lower()}")
    wrong = other.fill(typed.location, "/code", code=f"{(int(code) + 1) % 10**6:06}")
    assert wrong.status_code == 422
    assert wrong.text.count("This is not the code that was sent last") == 2
    check(wrong.text)
    right = other.fill(typed.location, "/code", code=f"{code[:3]} {code[3:]}")
    assert right.status_code == 303
    assert "Your account is ready" in other.follow(right).text
    assert only(able).state == "active"
    signed_in = phone.fill("/?lang=en", username="somying.j", password=PASSWORD)
    assert "สมหญิง ใจดี" in phone.follow(signed_in).text


def test_the_letter_and_the_short_message_are_in_the_language_of_the_page(
    able: Office, phone: Visitor, choose: Callable[..., Any]
) -> None:
    choose(way=Way.SMS_CODE, answerable=ADMIN)
    location = register(phone, "/register?lang=th", contact="๐๘๑-๒๓๔ ๕๖๗๘")
    ((receiver, subject, body),) = sent(able)
    assert (receiver, subject) == ("+66812345678", "")
    assert "รหัส" in body and len(body) <= 70, "a Thai short message of one part"
    assert "5678" in phone.get(location).text and "081234" not in phone.get(location).text


def test_guests_who_wait_are_on_the_status_page_of_their_host(
    able: Office, phone: Visitor, choose: Callable[..., Any]
) -> None:
    add_person(able, "somsri", PASSWORD)
    choose("student", may_sponsor=True)
    choose(way=Way.SPONSOR)
    signed_in = phone.fill("/?lang=en", username="somsri", password=PASSWORD)
    before = phone.follow(signed_in).text
    assert "Guests who named me" in before and "Guests who wait" not in before
    register(phone, sponsor_name="somsri", contact="081 234 5678")
    page = phone.get(signed_in.location).text
    assert "Guests who wait for your answer: 1" in page
    assert page.index("Guests who wait") < page.index("My account")
    check(page)


def test_opening_addresses_never_uses_a_code_up(
    able: Office, phone: Visitor, choose: Callable[..., Any]
) -> None:
    choose(way=Way.MAIL_CODE, answerable=ADMIN)
    location = register(phone)
    path = location.partition("?")[0]
    for part in ("code", "again", "host", "minutes"):
        assert phone.get(f"{path}/{part}").status_code in (404, 405)
    assert phone.post(f"{path}/code", code="123456").status_code == 400, "a form of ours only"
    assert len(sent(able)) == 1


def test_a_new_code_may_be_sent_after_half_a_minute(
    able: Office, phone: Visitor, choose: Callable[..., Any]
) -> None:
    choose(way=Way.MAIL_CODE, answerable=ADMIN)
    location = register(phone)
    soon = phone.fill(location, "/again")
    assert soon.status_code == 429 and "Please wait 31 seconds" in soon.text
    assert isinstance(able.clock, Clock)
    able.clock.now += timedelta(seconds=31)
    again = phone.fill(location, "/again")
    assert "It may take a few minutes" in phone.follow(again).text
    first, second = (code_in(body) for _to, _subject, body in sent(able))
    if first != second:
        assert phone.fill(location, "/code", code=first).status_code == 422
    assert phone.fill(location, "/code", code=second).status_code == 303


@pytest.mark.parametrize(
    ("way", "contact", "says"),
    [
        (Way.MAIL_CODE, "081 234 5678", "Enter an e-mail address"),
        (Way.MAIL_CODE, "a@b.example\nBcc: x@y.example", "Enter an e-mail address"),
        (Way.SMS_CODE, "02 123 4567", "Enter a mobile number"),
        (Way.SMS_CODE, "+44 7700 900123", "Enter a mobile number"),
        (Way.SMS_CODE, "somying@home.example", "Enter a mobile number"),
    ],
)
def test_a_contact_that_no_code_reaches_is_refused(
    able: Office,
    phone: Visitor,
    choose: Callable[..., Any],
    way: Way,
    contact: str,
    says: str,
) -> None:
    choose(way=way, answerable=ADMIN)
    answer = phone.fill("/register?lang=en", "/register", **{**GOOD, "contact": contact})
    assert answer.status_code == 422 and answer.text.count(says) == 2
    assert sent(able) == []


def test_a_site_that_cannot_send_says_so_and_stores_nothing(
    office: Office, choose: Callable[..., Any], visitor: Visitor
) -> None:
    choose(way=Way.MAIL_CODE, answerable=ADMIN)
    answer = visitor.fill("/register?lang=en", "/register", **GOOD)
    assert answer.status_code == 503 and "No code can be sent" in answer.text
    with office.database.read() as session:
        assert session.scalars(select(Registration)).all() == []


def test_guests_say_what_they_need_the_internet_for(phone: Visitor) -> None:
    answer = phone.fill("/register?lang=en", "/register", **{**GOOD, "purpose": " "})
    assert answer.status_code == 422
    assert "Say in a few words" in answer.text


# Hosts ------------------------------------------------------------------------------------


@pytest.fixture
def host(able: Office, choose: Callable[..., Any]) -> str:
    """A teacher who may receive guests."""
    number = add_person(able, "somsri", "password of the host")
    choose("student", may_sponsor=True)
    choose(way=Way.SPONSOR)
    with able.database.write() as session:
        session.get_one(Account, number).contact = "somsri@school.example"
    return "somsri"


def sign_in(phone: Visitor, path: str, username: str = "somsri") -> Any:
    return phone.fill(path, "/guests/sign-in", username=username, password="password of the host")


def test_a_host_gets_a_letter_signs_in_and_lets_the_visitor_in(
    able: Office, phone: Visitor, host: str
) -> None:
    location = register(phone, sponsor_name="SOMSRI@school.example")
    ((receiver, subject, body),) = sent(able)
    assert receiver == "somsri@school.example"
    assert "มีผู้มาติดต่อรอคำตอบ" in subject and "A visitor waits" in subject
    assert "สมหญิง ใจดี" in body and "ประชุมผู้ปกครอง" not in body
    link = re.search(r"https://wifi\.school\.example(/guests/\w{4}-\w{4})\n", body)
    assert link is not None, body
    assert "is asked" in phone.get(location).text
    # A filter of the mail server opens the link, and so does the host.
    teacher = Visitor(phone.app, "10.9.8.7")
    opened = teacher.get(link[1] + "?lang=en").text
    check(opened)
    assert "สมหญิง" not in opened and only(able).state == "pending"
    shown = teacher.follow(sign_in(teacher, link[1] + "?lang=en")).text
    check(shown)
    assert "สมหญิง ใจดี" in shown and shown.count('name="stay"') == 7
    assert re.search(r'value="12h"[^>]* checked', shown)
    assert only(able).state == "pending", "signing in decides nothing"
    page = sign_in(teacher, link[1] + "?lang=en").location
    done = teacher.fill(page, "/agree", stay="2d")
    assert done.status_code == 303
    after = teacher.follow(done).text
    check(after)
    assert "Agreed." in after and "Nobody waits" in after
    account = only(able).account
    assert account is not None and account.expires_at == able.clock() + timedelta(days=2)
    assert "Your request is approved" in phone.get(location).text
    # The same form once more, from the history of the browser, decides nothing new.
    assert "was answered before" in teacher.follow(teacher.get(page)).text


def test_a_refusal_needs_a_reason_and_the_visitor_reads_it(
    able: Office, phone: Visitor, host: str
) -> None:
    location = register(phone, sponsor_name="somsri")
    reference = location.partition("?")[0].rpartition("/")[2]
    page = sign_in(phone, f"/guests/{reference}?lang=en").location
    # The token of a page for everybody behind this address is none of the host's.
    anybody = re.search(r'name="form_token" value="([^"]+)"', phone.get("/").text)
    mine = re.search(r'name="s" value="([^"]+)"', phone.get(page).text)
    assert anybody is not None and mine is not None
    fields = {"form_token": anybody[1], "s": mine[1]}
    for action, value in (("agree", {"stay": "1h"}), ("refuse", {"reason": "x"})):
        path = f"/guests/{reference}/{action}"
        assert phone.post(path, **fields, **value).status_code == 400
    assert only(able).state == "pending"
    empty = phone.fill(page, "/refuse", reason=" ")
    assert empty.status_code == 422 and empty.text.count("the visitor reads it.") == 2
    check(empty.text)
    assert phone.fill(page, "/refuse", reason="ไม่รู้จัก").status_code == 303
    assert "ไม่รู้จัก" in phone.get(location).text


def test_neither_another_host_nor_a_pupil_decides_or_reads(
    able: Office, phone: Visitor, host: str, choose: Callable[..., Any]
) -> None:
    location = register(phone, sponsor_name="somsri")
    reference = location.partition("?")[0].rpartition("/")[2]
    add_person(able, "wirat", "password of the host")
    other = phone.follow(sign_in(phone, f"/guests/{reference}?lang=en", "wirat"))
    assert "สมหญิง" not in phone.follow(other).text
    choose("student", may_sponsor=False)
    refused = phone.follow(sign_in(phone, f"/guests/{reference}?lang=en")).text
    assert "you cannot receive guests" in refused and "สมหญิง" not in refused
    token = re.search(r'name="form_token" value="([^"]+)"', refused)
    assert token is not None
    posted = phone.post(f"/guests/{reference}/agree", stay="1h", form_token=token[1])
    assert posted.status_code == 403
    assert only(able).state == "pending"


def test_whether_a_host_exists_is_not_told_and_the_name_can_be_mended(
    able: Office, phone: Visitor, host: str
) -> None:
    location = register(phone, sponsor_name="nobody@school.example")
    page = phone.get(location).text
    assert sent(able) == [] and "If nobody@school.example may receive guests" in page
    mended = phone.fill(location, "/host", sponsor_name="somsri")
    assert mended.status_code == 303
    assert [receiver for receiver, _s, _b in sent(able)] == ["somsri@school.example"]
    assert "If somsri may receive guests" in phone.get(location).text


def test_the_link_is_never_the_address_that_the_visitors_browser_used(
    able: Office, host: str
) -> None:
    portal = able.config.portal.model_copy(update={"public_url": ""})
    bare = replace(able, config=able.config.model_copy(update={"portal": portal}))
    evil = Visitor(make_app(bare))
    opened = evil.get("/register?lang=en", base_url="http://evil.example")
    token = re.search(r'name="form_token" value="([^"]+)"', opened.text)
    assert token is not None
    client = evil.app.test_client(use_cookies=False)
    answer = client.post(
        "/register",
        data={**GOOD, "sponsor_name": "somsri", "form_token": token[1]},
        environ_base={"REMOTE_ADDR": evil.address},
        base_url="http://evil.example",
    )
    assert answer.status_code == 303
    ((_to, _subject, body),) = sent(bare)
    assert "evil.example" not in body and "http" not in body


# Minutes ----------------------------------------------------------------------------------


def arrive(phone: Visitor, mac: str = MAC) -> str:
    """The form to register of a phone that a gateway has sent."""
    return phone.get(f"/p/hall/?mac={mac}&lang=en").location.replace("/?", "/register?")


def test_minutes_bring_a_phone_through_the_gateway_to_read_its_mail(
    able: Office, phone: Visitor, nas: NasClient, choose: Callable[..., Any]
) -> None:
    choose(way=Way.MAIL_CODE, answerable=ADMIN)
    location = register(phone, arrive(phone))
    page = phone.get(location).text
    check(page)
    assert "Use the Internet for 10 minutes" in page
    answer = phone.fill(location, "/minutes")
    assert answer.status_code == 303 and "/connect?" in answer.location
    handed = phone.follow(answer).text
    assert 'action="http://10.5.50.1/login"' in handed
    name = f"provisional-{only(able).id}"
    assert f'value="{name}"' in handed and "yt-" in handed
    with able.database.read() as session:
        event = session.scalars(select(AuthEvent)).one()
    assert (event.user_name, event.outcome, event.calling_station_id, event.nas_client_id) == (
        name,
        "accept",
        MAC,
        nas.id,
    )
    assert event.trace == f"provisional:{only(able).reference}"
    # The gateway brings the phone back to our status page, which leads to the code.
    back = re.search(r'name="dst" value="([^"]+)"', handed)
    assert back is not None
    status = phone.get(back[1].replace("&amp;", "&").partition("example")[2]).text
    onward = re.search(r'class="more" href="(https://wifi[^"]+/registration/[^"]+)"', status)
    assert onward is not None
    assert (
        "Enter the code" in phone.get(onward[1].replace("&amp;", "&").partition("example")[2]).text
    )
    # Not twice, neither here nor for another name from the same phone.
    assert "minutes</button>" not in phone.get(location).text
    other = register(phone, arrive(phone), username="another", contact="another@home.example")
    assert "minutes</button>" not in phone.get(other).text


def test_there_are_no_minutes_where_no_gateway_has_sent_the_phone(
    able: Office, phone: Visitor, nas: NasClient, choose: Callable[..., Any]
) -> None:
    choose(way=Way.MAIL_CODE, answerable=ADMIN)
    location = register(phone)
    page = phone.get(location).text
    assert "minutes</button>" not in page
    token = re.search(r'name="form_token" value="([^"]+)"', page)
    assert token is not None
    path = location.partition("?")[0]
    assert phone.post(f"{path}/minutes?lang=en", form_token=token[1]).status_code == 409


# Several roles, and the roster -------------------------------------------------------------


@pytest.fixture
def school(able: Office, choose: Callable[..., Any]) -> Office:
    """A pupil of a school's roster who has no password yet."""
    choose("student", way=Way.ROSTER)
    now = able.clock()
    with able.database.write() as session:
        place = Organisation(code="S1", name="โรงเรียนหนึ่ง", created_at=now)
        session.add(place)
        session.flush()
        person = Person(
            organisation_id=place.id,
            full_name="มานี ใจดี",
            person_code="1001",
            class_name="ม.2/1",
            proofing_method="roster",
            proofed_by="test",
            proofed_at=now,
            created_at=now,
        )
        session.add(person)
        session.flush()
        person.birth_hmac = roster.birth_hash(able, person.id, read_birth_date("31/12/2552"))
        number = add_account(session, person, now)
        assert number
    return able


def add_account(session: Any, person: Person, now: Any) -> int:
    role = roles.get(session, "student")
    account = Account(
        username="s1001",
        kind="person",
        state="active",
        person_id=person.id,
        organisation_id=person.organisation_id,
        role_id=role.id,
        created_at=now,
    )
    session.add(account)
    session.flush()
    return account.id


def test_a_pupil_chooses_who_they_are_and_a_first_password(school: Office, phone: Visitor) -> None:
    choice = phone.get("/register?lang=en").text
    check(choice)
    assert "Who are you?" in choice and "as=student" in choice and "as=guest" in choice
    path = phone.get("/register?as=student&lang=en").location
    check(phone.get(path).text)
    fields = {
        "person_code": "1001",
        "password": PASSWORD,
        "password_again": PASSWORD,
        "accept": "yes",
    }
    wrong = phone.fill(path, "/register/roster", birth_date="30/12/2552", **fields)
    assert wrong.status_code == 422 and "does not fit the roster" in wrong.text
    check(wrong.text)
    assert "มานี" not in wrong.text and "30/12/2552" not in wrong.text
    right = phone.fill(path, "/register/roster", birth_date="31/12/2552", **fields)
    assert right.status_code == 303
    assert "Your account is ready" in phone.follow(right).text
    signed_in = phone.fill("/?lang=en", username="s1001", password=PASSWORD)
    assert "มานี ใจดี" in phone.follow(signed_in).text


def test_a_form_of_the_roster_names_what_is_missing(school: Office, phone: Visitor) -> None:
    path = "/register/roster?as=student&lang=en"
    for fields, says in (
        ({}, "Enter your number."),
        ({"person_code": "1"}, "Enter your date of birth, or your class."),
        ({"person_code": "1", "birth_date": "yesterday"}, "Write the date like"),
    ):
        answer = phone.fill(path, "/register/roster", **fields)
        assert answer.status_code == 422 and answer.text.count(says) == 2
        check(answer.text)


def test_a_closed_site_says_whom_to_ask(phone: Visitor, choose: Callable[..., Any]) -> None:
    choose(way=Way.CLOSED)
    page = phone.get("/register?lang=en").text
    check(page)
    assert "Nobody can register here" in page
    assert "Nobody can register here" in phone.get("/register?as=guest&lang=en").text
