"""What a visitor is written when an application was approved or refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from common.config_registration import Sms
from db.models import Message, VerifiedContact
from identity.domain.admission import format_code
from identity.domain.registering import Way
from identity.office import Office
from identity.services import registrations
from identity.services.messages import PURPOSE
from tests.moved_clock import Clock
from tests.unit.identity.visitors import NOW, choose, enter, reachable, send, submit

REASON = "not on the list of the seminar"


@pytest.fixture
def timed(office: Office) -> Office:
    office = reachable(office, Clock(NOW))
    return with_portal(office, public_url="https://wifi.x.example", help_line="โทร 1234")


def with_portal(office: Office, **values: Any) -> Office:
    portal = office.config.portal.model_copy(update=values)
    return replace(office, config=office.config.model_copy(update={"portal": portal}))


def decide(office: Office, reference: str, approve: bool) -> None:
    with office.database.write() as session:
        if approve:
            registrations.approve(session, office, reference, "head")
        else:
            registrations.reject(session, office, reference, "head", REASON)


def sent(office: Office) -> list[tuple[str, str, str]]:
    """(channel, receiver, everything it says) of what waits to be sent."""
    with office.database.read() as session:
        rows = session.scalars(select(Message).order_by(Message.id)).all()
    found = []
    for row in rows:
        content = json.loads(office.vault.decrypt(row.content_encrypted or b"", PURPOSE))
        found.append((row.channel, row.recipient, " ".join(content.values())))
    return found


@pytest.mark.parametrize(
    ("language", "approve", "says"),
    [
        ("th", True, "ได้รับอนุมัติแล้ว"),
        ("th", False, "ไม่ได้รับอนุมัติ"),
        ("en", True, "was approved"),
        ("en", False, "was refused"),
    ],
)
def test_a_visitor_reads_the_decision_in_their_language_with_the_number_and_what_to_do(
    timed: Office, language: str, approve: bool, says: str
) -> None:
    reference = submit(timed, full_name="Free.Money.example", language=language)
    decide(timed, reference, approve)
    ((channel, to, text),) = sent(timed)
    assert (channel, to) == ("mail", "visitor@home.example")
    number = format_code(reference)
    assert says in text and number in text and "โทร 1234" in text
    assert f"https://wifi.x.example/registration/{number}" in text
    assert ("รหัสผ่านที่ท่านตั้งไว้" in text or "password that you chose" in text) is approve
    for secret in ("seven green elephants", "Free.Money", "a meeting", REASON, "a hash"):
        assert secret not in text, "nobody has proven whose mailbox it is"
    assert ("Sign in" in text or "Questions?" in text) is (language == "en")


def test_who_gave_only_a_mobile_number_gets_a_short_message(timed: Office) -> None:
    for name, contact in (("one", "081 234 5678"), ("two", "02 123 4567")):
        decide(timed, submit(timed, name, contact=contact), True)
    ((channel, to, text),) = sent(timed)
    assert (channel, to) == ("sms", "+66812345678"), "a landline reads no message"
    assert "ได้รับอนุมัติ" in text and "https://" not in text


def test_short_messages_of_decisions_leave_half_of_the_day_to_codes(timed: Office) -> None:
    sms = Sms(url="https://sms.example/send", per_day=4)
    office = replace(timed, config=timed.config.model_copy(update={"sms": sms}))
    for number in range(4):
        decide(office, submit(office, f"visitor{number}", contact=f"081234567{number}"), False)
    assert len(sent(office)) == 2


def test_an_office_may_do_without_these_short_messages(timed: Office) -> None:
    chosen = timed.config.registration.model_copy(update={"tell_by_sms": False})
    office = replace(timed, config=timed.config.model_copy(update={"registration": chosen}))
    decide(office, submit(office, contact="0812345678"), True)
    assert sent(office) == []


def test_one_mailbox_is_not_flooded_by_refusing_what_a_joker_sent(timed: Office) -> None:
    for number in range(8):
        reference = submit(timed, f"joke{number}", client_address="10.0.0.1")
        decide(timed, reference, False)
    assert len(sent(timed)) == timed.config.registration.mails_per_recipient


def test_a_decision_stands_where_nothing_can_be_sent(office: Office) -> None:
    reference = submit(office)
    decide(office, reference, True)
    with office.database.read() as session:
        found = registrations.find(session, reference)
        assert found is not None and found.state == "active"
        assert session.scalars(select(Message)).all() == []


def test_whom_the_code_itself_let_in_gets_no_letter_and_may_reset_a_password_by_it(
    timed: Office,
) -> None:
    choose(timed, way=Way.MAIL_CODE, answerable="head")
    reference = submit(timed)
    enter(timed, reference, send(timed, reference))
    assert len(sent(timed)) == 1, "the code"
    with timed.database.read() as session:
        (contact,) = session.scalars(select(VerifiedContact)).all()
    assert (contact.channel, contact.address, contact.how) == (
        "mail",
        "visitor@home.example",
        "registration",
    )
