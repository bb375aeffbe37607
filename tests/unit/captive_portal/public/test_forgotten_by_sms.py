"""A forgotten password where a mobile number is proven: as by mail, by short message."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from captive_portal.public import forgotten
from common.config_mail import Mail
from common.config_registration import Sms
from db.models import Account, AuditEvent, Message, NasClient, VerifiedContact
from identity.domain.contacts import Channel
from identity.domain.levels import Level
from identity.office import Office
from identity.services import contacts, officers, people
from tests.conftest import add_person
from tests.unit.captive_portal.public.conftest import Visitor
from tests.unit.captive_portal.public.own import (
    PASSWORD,
    letters,
    my,
    sign_in,
    visitor_of,
    with_mail,
)

NUMBER = "+66812345678"
NEW = "three quiet buffaloes"


@pytest.fixture
def texting(office: Office, nas: NasClient, monkeypatch: pytest.MonkeyPatch) -> Office:
    """The office with a gateway for short messages alone; somchai has proven a number."""
    monkeypatch.setattr(forgotten, "ANSWER_SECONDS", 0.0)
    assert nas.id == 1
    somchai = add_person(office, "somchai", PASSWORD)
    add_person(office, "malee", PASSWORD)
    sms = Sms(url="https://sms.example/send", cool_down_seconds=0)
    office = replace(office, config=office.config.model_copy(update={"sms": sms}))
    with office.database.write() as session:
        account = session.get_one(Account, somchai)
        contacts.keep(session, office, account, Channel.SMS, NUMBER, "code")
    return office


def ask(visitor: Visitor, typed: str) -> str:
    answer = visitor.fill("/forgot?lang=en", "/forgot", username=typed)
    assert answer.status_code == 303, answer.text
    return re.sub(r'(value|nonce)="[^"]*"', "", visitor.follow(answer).text)


def code_in(body: str) -> str:
    found = re.match(r"[2-9A-Z]{4}-[2-9A-Z]{4}-[2-9A-Z]{4} ", body)
    assert found is not None, body
    return found[0].strip()


@pytest.mark.parametrize("typed", ["somchai", "081 234 5678", "๐๘๑-๒๓๔-๕๖๗๘", "+66812345678"])
def test_a_code_goes_to_the_proven_number_and_sets_a_password(texting: Office, typed: str) -> None:
    visitor = visitor_of(texting)
    told = ask(visitor, typed)
    assert "a short message with a code is on its way" in told and "spam" not in told
    ((number, body),) = letters(texting)
    assert number == NUMBER and "somchai" not in body and "http" not in body
    fields = {"code": code_in(body), "password": NEW, "password_again": NEW}
    assert visitor.fill("/reset?lang=en", "/reset", **fields).status_code == 303
    assert sign_in(visitor, password=NEW)
    assert "เจ้าหน้าที่" in letters(texting)[-1][1], "whom to tell, should it not have been them"
    assert visitor.fill("/reset?lang=en", "/reset", **fields).status_code == 422


def test_everybody_gets_the_same_answer_and_nobody_else_a_message(texting: Office) -> None:
    with texting.database.write() as session:
        people.set_state(session, texting, "malee", "suspended", "test")
        account = people.get(session, "head")
        contacts.keep(session, texting, account, Channel.SMS, "+66890000000", "code")
        officers.grant(session, texting, "malee", Level.HELP_DESK, "test")
    names = ("somchai", "malee", "head", "nobody", "0890000000", "0811111111", "a@x.example")
    visitor = visitor_of(texting)
    assert len({ask(visitor, name) for name in names}) == 1
    assert [number for number, _body in letters(texting)] == [NUMBER]


def test_a_number_that_two_accounts_have_tells_of_neither(texting: Office) -> None:
    with texting.database.write() as session:
        contacts.keep(
            session, texting, people.get(session, "malee"), Channel.SMS, NUMBER, "registration"
        )
    ask(visitor_of(texting), "0812345678")
    assert letters(texting) == []


def test_messages_are_bounded_and_the_answer_stays_the_same(texting: Office) -> None:
    answers = set()
    for place in range(4):  # three an hour from one address, five a day to one number
        visitor = visitor_of(texting)
        visitor.address = f"192.0.2.{50 + place}"
        answers |= {ask(visitor, "somchai") for _ in range(2)}
    assert len(answers) == 1 and len(letters(texting)) == 5
    with texting.database.read() as session:
        outcomes = session.scalars(
            select(AuditEvent.detail).where(AuditEvent.action == "account:reset_asked")
        ).all()
    assert sum("sent_by_sms" in str(one) for one in outcomes) == 5
    assert sum("too_many" in str(one) for one in outcomes) == 3


def test_who_has_both_gets_a_letter_unless_the_number_was_typed(texting: Office) -> None:
    mail = Mail.model_validate({"host": "127.0.0.1", "start_tls": False, "from": "w@x.example"})
    office = replace(texting, config=texting.config.model_copy(update={"mail": mail}))
    with office.database.write() as session:
        account = people.get(session, "somchai")
        contacts.keep(session, office, account, Channel.MAIL, "somchai@x.example", "code")
    visitor = visitor_of(office)
    assert "a message with a code is on its way" in ask(visitor, "somchai")
    ask(visitor, "081 234 5678")
    assert [to for to, _body in letters(office)] == ["somchai@x.example", NUMBER]


def test_a_number_is_proven_by_its_owner_and_taken_out(texting: Office) -> None:
    visitor = visitor_of(texting)
    s = sign_in(visitor, "malee")
    assert "Mobile number for a forgotten password" in visitor.get(my("/status", s)).text
    here = my("/me/mobile", s)

    def send(do: str, **fields: str) -> str:
        form = {"begin": 'value="begin"', "confirm": 'value="confirm"', "remove": 'value="remove"'}
        answer = visitor.fill(here, form[do], **fields)
        return visitor.follow(answer).text if answer.status_code == 303 else answer.text

    wrong = send("begin", mobile="02 123 4567", old_password=PASSWORD)
    assert "Enter a mobile number like" in wrong
    assert "This is not your password" in send("begin", mobile="0899999999", old_password="x")
    assert letters(texting) == []
    told = send("begin", mobile="089 999 9999", old_password=PASSWORD)
    assert "A short message with a code is on its way" in told
    code = code_in(letters(texting)[-1][1])
    here = my("/me/mobile", s) + "&sent=1"
    assert "not right or too old" in send("confirm", code="ABCD-ABCD-ABCD")
    mailbox = my("/me/mailbox", s)
    assert "0899999999" not in visitor.get(mailbox).text
    assert "The mobile number is confirmed" in send("confirm", code=code)
    here = my("/me/mobile", s)
    assert "0899999999" in visitor.get(here).text
    send("remove", old_password=PASSWORD)
    with texting.database.read() as session:
        malee = people.get(session, "malee").id
        assert contacts.address_of(session, malee, Channel.SMS) is None
    assert letters(texting)[-1][0] == "+66899999999", "the old one is told"


def test_a_code_for_a_number_proves_no_mailbox(texting: Office) -> None:
    office = replace(with_mail(texting), clock=texting.clock)
    with office.database.write() as session:
        malee = people.get(session, "malee")
        contacts.begin(session, office, malee, Channel.SMS, "0899999999", "192.0.2.9")
    code = code_in(letters(office)[-1][1])
    with office.database.write() as session:
        malee = people.get(session, "malee")
        assert not contacts.confirm(session, office, malee, Channel.MAIL, code)
        assert contacts.confirm(session, office, malee, Channel.SMS, code)
        assert session.get(VerifiedContact, (malee.id, "mail")) is None


def test_a_short_message_is_of_no_use_after_half_an_hour(texting: Office) -> None:
    ask(visitor_of(texting), "somchai")
    with texting.database.read() as session:
        message = session.scalars(select(Message)).one()
    assert message.channel == "sms"
    assert message.expires_at - message.created_at == timedelta(minutes=30)


def test_without_any_way_to_send_the_page_says_whom_to_ask(office: Office) -> None:
    text = visitor_of(office).get("/forgot?lang=en").text
    assert "Send me a code" not in text and "the staff give you a new password" in text
