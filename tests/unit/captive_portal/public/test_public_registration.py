"""Applying for an account, and coming back for the decision."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from captive_portal.public import throttle
from captive_portal.web.limits import Limit
from db.models import NasClient, Registration
from identity.office import Office
from identity.services import people, registrations, roles
from tests.conftest import ADMIN, add_person
from tests.unit.captive_portal.public.conftest import HERE, MAC, Visitor

PASSWORD = "seven green elephants"
GOOD = {
    "full_name": "สมหญิง ใจดี",
    "contact": "081-234-5678",
    "username": "Somying.J",
    "sponsor_name": "ครูสมศรี",
    "purpose": "ประชุมผู้ปกครอง",
    "password": PASSWORD,
    "password_again": PASSWORD,
    "accept": "yes",
}


def apply(visitor: Visitor) -> str:
    """The path of the reference page of a new application."""
    answer = visitor.fill("/register?lang=en", **GOOD)
    assert answer.status_code == 303, answer.text
    return answer.location


def reference_of(location: str) -> str:
    found = re.search(r"/registration/([\w-]+)", location)
    assert found is not None
    return found[1]


def test_an_application_is_stored_with_everything_that_was_said(
    visitor: Visitor, office: Office, nas: NasClient
) -> None:
    login = visitor.get("/p/hall/?mac=3c22fb010203&lang=th").location
    visitor.fill(login.replace("/?", "/register?"), **GOOD)
    with office.database.read() as session:
        stored = session.scalars(select(Registration)).one()
    assert (stored.state, stored.username, stored.full_name) == (
        "pending",
        "somying.j",
        "สมหญิง ใจดี",
    )
    assert (stored.contact, stored.purpose, stored.sponsor_name) == (
        "081-234-5678",
        "ประชุมผู้ปกครอง",
        "ครูสมศรี",
    )
    assert (stored.client_address, stored.client_mac, stored.language) == (HERE, MAC, "th")
    kept = office.config.data_dir / "notices" / f"{stored.notice_hash}.html"
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == stored.notice_hash
    assert "120 วัน" in kept.read_text(encoding="utf-8")
    assert stored.notice_hash in visitor.get("/notice?lang=th").text
    assert stored.notice_hash not in visitor.get("/notice?lang=en").text


def test_the_reference_page_works_later_and_from_anywhere(visitor: Visitor) -> None:
    location = apply(visitor)
    page = visitor.get(location)
    reference = reference_of(location)
    assert re.fullmatch(r"\w{4}-\w{4}", reference)
    assert f'">{reference}</p>' in page.text
    assert "write this number down" in page.text and '<svg class="qr"' in page.text
    assert len(page.data) <= 30_000
    later = Visitor(visitor.app, "203.0.113.9")
    typed = later.get(f"/registration/?lang=en&reference={reference.lower().replace('-', '%20')}")
    assert "Waiting for approval" in later.follow(typed).text


def test_approval_offers_the_login_with_the_name_filled_in(
    visitor: Visitor, office: Office
) -> None:
    location = apply(visitor)
    with office.database.write() as session:
        registrations.approve(session, office, reference_of(location), ADMIN)
    page = visitor.get(location).text
    assert "Your request is approved" in page and "Valid until" in page
    login = re.search(r'class="button" href="([^"]+)"', page)
    assert login is not None
    assert 'value="somying.j"' in visitor.get(login[1].replace("&amp;", "&")).text
    answer = visitor.fill("/", username="somying.j", password=PASSWORD)
    assert "สมหญิง ใจดี" in visitor.follow(answer).text


def test_rejection_shows_its_reason(visitor: Visitor, office: Office) -> None:
    location = apply(visitor)
    with office.database.write() as session:
        registrations.reject(session, office, reference_of(location), ADMIN, "ขอ <b>เอกสาร</b>")
    page = visitor.get(location).text
    assert "was not approved" in page and "ขอ &lt;b&gt;เอกสาร&lt;/b&gt;" in page


def test_expired_and_suspended_are_told(visitor: Visitor, office: Office) -> None:
    location = apply(visitor)
    with office.database.write() as session:
        account = registrations.approve(session, office, reference_of(location), ADMIN)
        people.set_state(session, office, account.username, "suspended", ADMIN)
        registrations.follow_account(session, account)
    assert "This account is suspended" in visitor.get(location).text
    other = apply_as(visitor, "another.one")
    with office.database.write() as session:
        registrations.expire_stale(session, office.clock() + timedelta(days=30))
    assert "This registration has expired" in visitor.get(other).text


def apply_as(visitor: Visitor, username: str) -> str:
    answer = visitor.fill("/register?lang=en", **{**GOOD, "username": username})
    assert answer.status_code == 303, answer.text
    return answer.location


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("full_name", "", "Enter your first and last name."),
        ("full_name", "x" * 201, "Please shorten this."),
        ("contact", "", "Enter a telephone number or an e-mail address."),
        ("contact", "12345", "neither a telephone number"),
        ("contact", "me@home", "neither a telephone number"),
        ("contact", "x" * 300 + "@example.com", "neither a telephone number"),
        ("sponsor_name", "x" * 201, "Please shorten this."),
        ("purpose", "x" * 501, "Please shorten this."),
        ("username", "", "Choose a user name."),
        ("username", "ab", "A user name has 3 to 32 characters"),
        ("username", "สมหญิง", "A user name has 3 to 32 characters"),
        ("username", "-abc", "A user name has 3 to 32 characters"),
        ("username", "3c22fb010203", "This user name cannot be used."),
        ("username", ADMIN, "This user name is taken."),
        ("password", "", "Choose a password."),
        ("password", "short", "Use a password of at least 8 characters."),
        ("password", "ก" * 60, "This password is too long"),
        ("password_again", "other words here", "The two passwords are not the same."),
        ("accept", "", "Please read the notice and tick the box."),
    ],
)
def test_a_mistake_is_named_and_the_rest_is_kept(
    reader: Visitor, field: str, value: str, message: str
) -> None:
    answer = reader.fill("/register?lang=en", **{**GOOD, field: value})
    assert answer.status_code == 422
    assert answer.text.count(message) == 2, "beside the field and in the summary"
    assert f'<a href="#{field}">' in answer.text and f'id="{field}"' in answer.text
    assert PASSWORD not in answer.text
    if field != "full_name":
        assert 'value="สมหญิง ใจดี"' in answer.text


@pytest.mark.parametrize(
    "contact", ["081 234 5678", "๐๘๑๒๓๔๕๖๗๘", "+66 81 234 5678", "(045) 123-456", "a@b.go.th"]
)
def test_ways_to_write_a_contact(reader: Visitor, contact: str) -> None:
    answer = reader.fill("/register", **{**GOOD, "contact": contact, "username": ""})
    assert 'href="#username"' in answer.text and 'href="#contact"' not in answer.text


def test_a_pending_name_is_taken_too(visitor: Visitor) -> None:
    apply(visitor)
    assert "is taken" in visitor.fill("/register?lang=en", **GOOD).text


def test_signing_in_too_early_leads_back_to_the_reference(visitor: Visitor) -> None:
    reference = reference_of(apply(visitor))
    answer = visitor.fill("/?lang=en", username="Somying.J", password=PASSWORD)
    assert "still waiting for approval" in answer.text
    assert f"/registration/{reference}" in answer.text
    wrong = visitor.fill("/?lang=en", username="Somying.J", password="guess")
    assert "waiting" not in wrong.text and reference not in wrong.text


def test_applications_and_unknown_references_are_counted(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "_REGISTER_ADDRESS", Limit.of("few", "2 per 1 hour"))
    for number in range(2):
        apply_as(visitor, f"name{number}")
    assert visitor.fill("/register", **GOOD).status_code == 429
    for _ in range(20):
        assert visitor.get("/registration/AAAA-BBBB?lang=en").status_code == 404
    answer = visitor.get("/registration/AAAA-BBBB?lang=en")
    assert answer.status_code == 429 and "Please wait 10 minutes" in answer.text


def test_strangers_who_fill_the_count_of_the_site_shut_out_nobody_else(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "_REGISTER_SITE", Limit.of("site", "3 per 1 hour"))
    monkeypatch.setattr(throttle, "_REGISTER_RUSH", Limit.of("rush", "2 per 1 hour"))
    stranger = Visitor(visitor.app, "198.51.100.9")
    codes = [
        stranger.fill("/register", **{**GOOD, "username": f"made.up{number}"}).status_code
        for number in range(6)
    ]
    assert codes == [303] * 5 + [429], "three of the site, then two more from one address"
    apply_as(visitor, "honest")


def test_a_right_reference_passes_what_others_have_tried_from_its_address(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = apply_as(visitor, "somying.k")
    for _ in range(21):
        last = visitor.get("/registration/AAAA-BBBB")
    assert last.status_code == 429
    assert visitor.get(mine).status_code == 200
    monkeypatch.setattr(throttle, "_REFERENCE_SITE", Limit.of("tried", "2 per 1 hour"))
    for _ in range(3):
        visitor.get("/registration/AAAA-BBBB")
    assert visitor.get(mine).status_code == 429, "guessing has an end"
    elsewhere = Visitor(visitor.app, "198.51.100.9")
    assert elsewhere.get(mine).status_code == 200


def test_a_form_without_its_token_is_shown_again(visitor: Visitor) -> None:
    answer = visitor.post("/register?lang=en", **GOOD)
    assert answer.status_code == 400 and 'value="081-234-5678"' in answer.text


def test_a_disk_that_refuses_the_notice_does_not_stop_an_application(
    visitor: Visitor, office: Office
) -> None:
    (office.config.data_dir / "notices").write_text("in the way")
    assert reference_of(apply(visitor))


def test_the_empty_reference_form_explains_itself(visitor: Visitor) -> None:
    assert "Registration number" in visitor.get("/registration/?lang=en").text


def test_an_account_of_somebody_else_cannot_be_taken_over(visitor: Visitor, office: Office) -> None:
    add_person(office, "somying.j", "password of the first")
    assert visitor.fill("/register", **GOOD).status_code == 422


@pytest.mark.parametrize("name", ["voucher-7", "Voucher-12", "housekeeper", "command-line"])
def test_names_the_system_uses_are_not_given_away(
    visitor: Visitor, office: Office, name: str
) -> None:
    answer = visitor.fill("/register?lang=en", **{**GOOD, "username": name})
    assert answer.status_code == 422
    assert "This user name cannot be used" in answer.text
    with office.database.read() as session:
        assert session.scalars(select(Registration)).all() == []


def test_what_would_turn_or_break_an_officers_list_is_not_stored(
    visitor: Visitor, office: Office
) -> None:
    answer = visitor.fill(
        "/register",
        **{**GOOD, "full_name": "a\u202eb\x1b[31m\r\nc", "purpose": "one\r\ntwo"},
    )
    assert answer.status_code == 303
    with office.database.read() as session:
        stored = session.scalars(select(Registration)).one()
    assert (stored.full_name, stored.purpose) == ("ab[31m  c", "one  two")


def test_the_school_whose_gateway_sent_an_applicant_is_on_the_application(
    office: Office, nas: NasClient, visitor: Visitor
) -> None:
    with office.database.write() as session:
        school = roles.add_organisation(session, office, "KRT1", "KRT1", "test")
        session.flush()
        session.get_one(NasClient, nas.id).organisation_id = school.id
        number = school.id
    login = visitor.get("/p/hall/?mac=3c22fb010203&lang=th").location
    visitor.fill(login.replace("/?", "/register?"), **GOOD)
    with office.database.read() as session:
        (found,) = session.scalars(select(Registration)).all()
    assert found.organisation_id == number
