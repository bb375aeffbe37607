"""What an owner is told when their password, mailbox or number changes, and what ends with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Account, Credential, Message, VerifiedContact
from identity.domain.contacts import Channel
from identity.domain.levels import Level
from identity.office import Office
from identity.services import (
    class_passwords,
    contacts,
    forgotten,
    letters,
    messages,
    officers,
    people,
)
from tests.conftest import add_person

OLD, NEW, MAILBOX = "+66812345678", "+66899999999", "malee@school.example"
LAO = "+8562012345678"
PASSWORD = "another green one 9"
STRANGER = "192.0.2.66"


@pytest.fixture
def office(office: Office) -> Office:
    """Sends letters and short messages; numbers of Thailand alone."""
    sms = office.config.sms.model_copy(update={"url": "https://sms.example/send"})
    mail = office.config.mail.model_copy(update={"host": "mail.example"})
    return replace(office, config=office.config.model_copy(update={"sms": sms, "mail": mail}))


def give(office: Office, name: str, **addresses: str) -> int:
    number = add_person(office, name)
    with office.database.write() as session:
        for channel, address in addresses.items():
            session.add(
                VerifiedContact(
                    account_id=number,
                    channel=Channel(channel),
                    address=address,
                    verified_at=office.clock(),
                    how="code",
                )
            )
    return number


def change(office: Office, number: int, address: str | None) -> None:
    with office.database.write() as session:
        account = session.get_one(Account, number)
        if address is None:
            contacts.drop(session, office, account, Channel.SMS)
        else:
            contacts.keep(session, office, account, Channel.SMS, address, "code")


def told(office: Office) -> list[tuple[str, str]]:
    with office.database.read() as session:
        return [(row.recipient, row.about) for row in session.scalars(select(Message))]


def new_password(session: Session, office: Office, name: str) -> None:
    hashed = office.passwords.hash(PASSWORD)
    people.set_password(session, office, name, hashed, name, PASSWORD)


CHANGES: dict[str, Callable[[Session, Office, Account], None]] = {
    "password": lambda session, office, account: new_password(session, office, account.username),
    "taken out": lambda session, office, account: contacts.drop(
        session, office, account, Channel.SMS
    ),
    "replaced": lambda session, office, account: contacts.keep(
        session, office, account, Channel.SMS, NEW, "code"
    ),
    "kept elsewhere": lambda session, office, account: letters.tell_where_to_reset(
        session,
        office,
        session.get_one(VerifiedContact, (account.id, Channel.SMS)),
        account.username,
        "the directory",
        STRANGER,
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_number_that_no_message_may_go_to_any_more_keeps_nothing_from_being_changed(
    office: Office, what: str
) -> None:
    number = give(office, "noi", sms=LAO)
    with office.database.write() as session:
        CHANGES[what](session, office, session.get_one(Account, number))
    assert told(office) == []


def test_one_such_number_fails_no_slips_of_a_class(office: Office) -> None:
    give(office, "noi", sms=LAO)
    add_person(office, "friend")
    with office.database.read() as session:
        names = class_passwords.of_names(session, {"noi": 2, "friend": 3})
        plan = class_passwords.plan(session, office, names)
    with office.database.write() as session:
        class_passwords.carry_out(session, office, plan, "head")
    with office.database.read() as session:
        accounts = session.scalars(select(Account.id).where(Account.username != "head")).all()
        made = [session.get_one(Credential, number) for number in accounts]
    assert len(made) == 2 and all(one.must_change for one in made)


def test_messages_that_somebody_has_caused_keep_no_warning_away(office: Office) -> None:
    number = give(office, "malee", sms=OLD)
    with office.database.write() as session:
        forgotten.ask(session, office, "malee", STRANGER)
    change(office, number, NEW)
    with office.database.write() as session:
        new_password(session, office, "malee")
    assert told(office)[1:] == [
        (OLD, "mobile number of malee changed"),
        (NEW, "password of malee changed"),
    ]


def test_who_takes_one_contact_over_is_seen_at_the_other(office: Office) -> None:
    number = give(office, "malee", sms=OLD, mail=MAILBOX)
    change(office, number, NEW)
    assert {recipient for recipient, _ in told(office)} == {OLD, MAILBOX}
    with office.database.write() as session:
        new_password(session, office, "malee")
    assert {recipient for recipient, _ in told(office)[2:]} == {NEW, MAILBOX}


def test_warnings_of_one_change_have_a_ceiling_of_their_own(office: Office) -> None:
    give(office, "malee", mail=MAILBOX)
    for _ in range(12):
        with office.database.write() as session:
            new_password(session, office, "malee")
    assert len(told(office)) == 10


def with_day(office: Office, most: int) -> Office:
    sms = office.config.sms.model_copy(update={"per_day": most})
    return replace(office, config=office.config.model_copy(update={"sms": sms}))


def test_codes_of_visitors_do_not_use_up_the_days_warnings_nor_the_other_way_round(
    office: Office,
) -> None:
    office = with_day(office, 2)
    for at in range(3):
        give(office, f"p{at}", sms=f"+6681234500{at}")
    for at in range(3):
        with office.database.write() as session:
            forgotten.ask(session, office, f"p{at}", f"192.0.2.{at}")
    assert len(told(office)) == 2  # the third visitor of the day gets none
    for at in range(3):
        with office.database.write() as session:
            new_password(session, office, f"p{at}")
    assert [about for _, about in told(office)[2:]] == [
        "password of p0 changed",
        "password of p1 changed",
    ]
    with office.database.write() as session, pytest.raises(messages.TooManyMessages):
        messages.queue_sms(session, office, NEW, "x", "code", asked_from=STRANGER)


def test_no_day_of_the_site_keeps_an_officers_alarm_away(office: Office) -> None:
    office = with_day(office, 1)
    for name in ("noi", "head2"):
        give(office, name, sms=OLD if name == "noi" else NEW)
    with office.database.write() as session:
        officers.grant(session, office, "head2", Level.AUDITOR, "head")
        new_password(session, office, "noi")
        owner = people.get(session, "head2")
        letters.tell_token_made(session, office, owner, "watcher")
        new_password(session, office, "noi")
    assert told(office) == [
        (OLD, "password of noi changed"),
        (NEW, "token in the name of head2"),
    ]


def test_asking_for_an_account_of_a_directory_is_counted_by_address(office: Office) -> None:
    most = office.config.registration.mails_per_address
    for at in range(most + 1):
        number = give(office, f"pupil{at}", mail=f"pupil{at}@school.example")
        with office.database.write() as session:
            session.get_one(Account, number).origin = "directory:school"
    for at in range(most + 1):
        with office.database.write() as session:
            forgotten.ask(session, office, f"pupil{at}", STRANGER)
    assert len(told(office)) == most


@pytest.mark.parametrize("address", [None, NEW])
def test_a_code_is_dead_when_its_number_is_taken_out_or_replaced(
    office: Office, address: str | None
) -> None:
    number = give(office, "malee", sms=OLD)
    with office.database.write() as session:
        forgotten.ask(session, office, "malee", STRANGER)
    with office.database.read() as session:
        sealed = session.scalars(select(Message)).one().content_encrypted
    assert sealed is not None
    body = json.loads(office.vault.decrypt(sealed, "message"))["body"]
    found = re.search(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}", body)
    assert found is not None
    with office.database.read() as session:
        assert forgotten.is_good(session, office, found[0])
    change(office, number, address)
    with office.database.read() as session:
        assert not forgotten.is_good(session, office, found[0])


def test_who_reads_the_old_contact_is_not_told_the_new_one(office: Office) -> None:
    number = give(office, "malee", mail=MAILBOX)
    with office.database.write() as session:
        account = session.get_one(Account, number)
        contacts.keep(session, office, account, Channel.MAIL, "malee@home.example", "code")
    with office.database.read() as session:
        row = session.scalars(select(Message)).one()
    assert row.recipient == MAILBOX and row.content_encrypted is not None
    letter = office.vault.decrypt(row.content_encrypted, "message").decode()
    assert "malee@home.example" not in letter
    assert "ถูกเปลี่ยน" in letter and "was changed" in letter
