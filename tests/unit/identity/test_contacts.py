"""Mailboxes and telephone numbers as people type them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from common.config_registration import Registration, Sms
from common.errors import Refused, UsageError
from identity.domain.contacts import find_mailbox, find_number, hidden, local_form, mobile_number
from identity.office import Office
from identity.services import messages
from identity.services.contacts import clean_mailbox
from tests.moved_clock import Clock


@pytest.mark.parametrize(
    "typed",
    [
        "0812345678",
        "081 234 5678",
        "081-234-5678",
        "(081) 234.5678",
        "๐๘๑ ๒๓๔ ๕๖๗๘",
        "+66812345678",
        "+66 81 234 5678",
        "+66 (0)81-234-5678",
        "66812345678",
        "0066 81 234 5678",
        "081–234–5678",
    ],
)
def test_every_way_to_write_a_thai_number_is_one_number(typed: str) -> None:
    assert find_number(typed) == "+66812345678"
    assert mobile_number(typed, ["+66"]) == "+66812345678"


@pytest.mark.parametrize("typed", ["", "somchai", "12345", "+0812345678", "08123456789012345678"])
def test_what_is_no_number_is_none(typed: str) -> None:
    assert find_number(typed) is None
    with pytest.raises(UsageError, match="no telephone number"):
        mobile_number(typed, ["+66"])


def test_a_short_message_goes_to_mobiles_of_the_countries_allowed() -> None:
    with pytest.raises(UsageError, match="no mobile number"):
        mobile_number("02 123 4567", ["+66"])
    with pytest.raises(UsageError, match=r"\+66 only"):
        mobile_number("+882 1234 5678", ["+66"])
    assert mobile_number("+856 20 1234 5678", ["+66", "+856"]) == "+8562012345678"
    assert local_form("+66812345678") == "0812345678"
    assert local_form("+8562012345678") == "+8562012345678"


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (" Somchai.J@School.EXAMPLE ", "Somchai.J@school.example"),
        ("a+b@mail.school.ac.th", "a+b@mail.school.ac.th"),
        ("somchai", None),
        ("a@b", None),
        ("a@b.example\r\nBcc: c@d.example", None),
        ("a@b.example, c@d.example", None),
        ("<a@b.example>", None),
        ("สมชาย@school.example", None),
        (".a@b.example", None),
        ("a..b@c.example", None),
        ("a" * 65 + "@b.example", None),
        ("-v@b.example", None),
        ("=?utf-8?q?v=69ctim?=@home.example", None),
        ("a=b?c@home.example", "a=b?c@home.example"),
    ],
)
def test_a_mailbox_is_one_mailbox_and_no_header(typed: str, found: str | None) -> None:
    assert find_mailbox(typed) == found


def test_the_mailbox_of_an_account_is_judged_by_the_same_rule() -> None:
    assert clean_mailbox(" Somchai@School.EXAMPLE ") == "Somchai@school.example"
    with pytest.raises(UsageError, match="e-mail"):
        clean_mailbox("=?utf-8?q?v=69ctim?=@home.example")


def test_a_contact_is_shown_so_that_its_owner_alone_knows_it() -> None:
    assert hidden("somchai@school.example") == "s…@school.example"
    assert hidden("+66812345678") == "…5678"


def paying(office: Office, **bounds: Any) -> tuple[Office, Clock]:
    sms = Sms(url="https://sms.example/", **bounds)
    registration = Registration(mails_per_recipient=2)
    config = office.config.model_copy(update={"sms": sms, "registration": registration})
    clock = Clock(office.clock())
    return replace(office, config=config, clock=clock), clock


def write(office: Office, number: str, asked_from: str) -> None:
    with office.database.write() as session:
        messages.queue_sms(session, office, number, "text", "test", asked_from=asked_from)


def test_short_messages_are_bounded_by_number_address_and_site(office: Office) -> None:
    office, clock = paying(office, per_number=3, per_address=4, per_day=6)
    write(office, "0812345678", "10.0.0.1")
    with pytest.raises(messages.TooManyMessages) as soon:
        write(office, "+66812345678", "10.0.0.2")
    assert soon.value.wait == timedelta(seconds=30)
    for _ in range(2):
        clock.now += timedelta(seconds=30)
        write(office, "081 234 5678", "10.0.0.1")
    clock.now += timedelta(seconds=30)
    with pytest.raises(messages.TooManyMessages, match="this mailbox or number"):
        write(office, "0812345678", "10.0.0.2")
    write(office, "0812345679", "10.0.0.1")
    with pytest.raises(messages.TooManyMessages, match="this address"):
        write(office, "0812345670", "10.0.0.1")
    write(office, "0812345670", "10.0.0.2")
    write(office, "0812345671", "10.0.0.3")
    with pytest.raises(messages.TooManyMessages, match="the site"):
        write(office, "0812345672", "10.0.0.4")
    clock.now += timedelta(hours=24)
    write(office, "0812345678", "10.0.0.1")


def test_a_message_that_could_never_leave_is_refused(office: Office) -> None:
    with office.database.write() as session:
        with pytest.raises(Refused, match=r"\[sms\] url"):
            messages.queue_sms(session, office, "0812345678", "text", "test")
        with pytest.raises(Refused, match=r"\[mail\] host"):
            messages.queue_mail(session, office, "a@b.example", "s", "b", "test")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"url": "http://sms.example/"}, "use https"),
        ({"url": "https://user:pw@sms.example/"}, "secret_file"),
        ({"url": "https://sms.example/", "fields": {"to": "{number}"}}, "{text}"),
        ({"url": "https://sms.example/", "fields": {"text": "{text}"}}, "{number}"),
        ({"headers": {"X-Key": "{secret}"}}, "secret_file"),
        ({"prefixes": ["66"]}, "+66"),
        ({"success_pattern": "("}, "regular expression"),
        ({"template": "{}"}, "json"),
        ({"headers": {"X": "a\r\nB: c"}}, "no header"),
    ],
)
def test_a_section_for_short_messages_that_cannot_work_is_refused(
    values: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match="(?i)" + says.replace("+", r"\+").replace("{", r"\{")):
        Sms(**values)


def test_a_gateway_on_this_machine_may_be_asked_without_tls(tmp_path: Path) -> None:
    assert Sms(url="http://127.0.0.1:8080/send").url
