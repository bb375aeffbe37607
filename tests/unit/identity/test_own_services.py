"""What people do for themselves, on both kinds of database, and at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from common.config_mail import Mail
from common.errors import NotFound, Refused
from db.models import Account, CoaRequest, Message, NetworkSession, RegisterEntry, SentCode
from identity.domain.contacts import Channel
from identity.domain.registering import CODE_LIFETIME
from identity.domain.registers import Right
from identity.office import Office
from identity.services import (
    codes,
    contacts,
    forgetting,
    forgotten,
    my_data,
    own_devices,
    own_sessions,
    people,
    published,
    roles,
)
from identity.services.codes import Errand, Purpose, Text
from identity.services.own_devices import NotAdded
from identity.services.published import Kind, Reader, Written
from tests.conftest import add_person
from tests.unit.captive_portal.public.own import add_session

PRINTER = "3c22fb999999"


@pytest.fixture
def office(office_on: Office) -> Office:
    """With a mail server set up."""
    mail = Mail.model_validate({"host": "127.0.0.1", "start_tls": False, "from": "wifi@x.example"})
    return replace(office_on, config=office_on.config.model_copy(update={"mail": mail}))


@pytest.fixture
def somchai(office: Office) -> int:
    number = add_person(office, "somchai")
    add_person(office, "malee")
    with office.database.write() as session:
        roles.set_own_devices(session, office, "student", 1, "test")
    return number


def send_reset_code(session: Session, office: Office, account_id: int) -> str:
    """A code as its receiver reads it."""
    sent: list[str] = []

    def compose(code: str) -> Text:
        sent.append(code)
        return Text("subject", code)

    errand = Errand(
        purpose=Purpose.RESET,
        owner=session.get_one(Account, account_id),
        channel=Channel.MAIL,
        recipient="a@x.example",
        about="test",
        client_address="192.0.2.7",
    )
    codes.send(session, office, errand, compose)
    session.flush()
    return sent[0]


def test_own_sessions_are_listed_the_live_ones_first_and_ended(
    office: Office, somchai: int
) -> None:
    now = office.clock()
    add_session(office, somchai, "a" * 32, "10.5.0.1", first_heard_at=now - timedelta(hours=2))
    add_session(office, somchai, "b" * 32, "10.5.0.2", stop_seen=1, stop_at=now, terminate_cause=1)
    since = now - own_sessions.SHOWN_DAYS
    with office.database.write() as session:
        account = people.get(session, "somchai")
        listed = own_sessions.list_own(session, account.id, since)
        assert [one.session_key[0] for one in listed] == ["a", "b"]
        assert [one.ended for one in listed] == ["open", "by_device"]
        number = own_sessions.end_own(session, office, account, "a" * 32)
        assert session.get_one(CoaRequest, number).reason == "owner"
        with pytest.raises(Refused):
            own_sessions.end_own(session, office, account, "b" * 32)
        with pytest.raises(NotFound):
            own_sessions.end_own(session, office, people.get(session, "malee"), "a" * 32)


def test_two_devices_registered_at_one_moment_do_not_pass_the_limit(
    office: Office, somchai: int
) -> None:
    together = Barrier(2)

    def add(mac: str) -> Account | NotAdded:
        with office.database.write() as session:
            account = people.get(session, "somchai")
            together.wait(10) if not office.database.is_sqlite else None
            return own_devices.add(session, office, account, mac, "")

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(add, (PRINTER, "3c22fb999998")))
    assert sorted(isinstance(one, Account) for one in outcomes) == [False, True]
    assert NotAdded.LIMIT in outcomes


def test_one_code_sets_one_password_however_many_bring_it_at_once(
    office: Office, somchai: int
) -> None:
    with office.database.write() as session:
        contacts.keep(
            session, office, session.get_one(Account, somchai), Channel.MAIL, "a@x.example", "code"
        )
        code = send_reset_code(session, office, somchai)
    hashed = office.passwords.hash("x")
    together = Barrier(2)

    def bring(_number: int) -> bool:
        with office.database.write() as session:
            together.wait(10) if not office.database.is_sqlite else None
            return forgotten.choose(session, office, code, hashed, "x", False) is not None

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(bring, range(2))) == [False, True]


def test_asking_for_a_new_password_leaves_a_letter_and_no_code_in_the_clear(
    office: Office, somchai: int
) -> None:
    with office.database.write() as session:
        contacts.keep(
            session, office, session.get_one(Account, somchai), Channel.MAIL, "a@x.example", "code"
        )
        forgotten.ask(session, office, "somchai", "192.0.2.7")
        forgotten.ask(session, office, "A@X.example", "192.0.2.7")
    with office.database.read() as session:
        letters = session.scalars(select(Message)).all()
        sent = session.scalars(select(SentCode).order_by(SentCode.id)).all()
    assert [letter.recipient for letter in letters] == ["a@x.example"] * 2
    assert all(letter.expires_at - letter.created_at == CODE_LIFETIME for letter in letters)
    first, second = sent
    assert first.expires_at <= second.created_at, "the next one makes it void"
    assert len(second.code_hmac) == 64


def test_rules_are_accepted_and_those_who_have_not_are_counted(
    office: Office, somchai: int
) -> None:
    written = {"th": Written(text="ก"), "en": Written(text="a")}
    with office.database.write() as session:
        published.publish(session, office, Kind.ACCEPTABLE_USE, "1", written, "head")
    with office.database.write() as session:
        (text,) = published.not_accepted(session, somchai, "en")
        reader = Reader(
            account=session.get_one(Account, somchai),
            language="en",
            client_address="192.0.2.7",
            client_mac=None,
        )
        published.accept(session, office, reader, text)
        published.accept(session, office, reader, text)
        session.flush()
        assert published.not_accepted(session, somchai, "th") == []
        names = [one.username for one in published.find_not_accepted(session, text)]
    assert names == ["head", "malee"]


def test_a_copy_and_a_request_are_had_and_counted(office: Office, somchai: int) -> None:
    add_session(office, somchai, "a" * 32, "10.5.0.1")
    for _ in range(my_data.DOWNLOADS_A_DAY):
        with office.database.write() as session:
            held = my_data.download(session, office, session.get_one(Account, somchai))
    assert [row["address"] for row in held["addresses"]] == ["10.5.0.1"]
    with office.database.write() as session, pytest.raises(Refused):
        my_data.download(session, office, session.get_one(Account, somchai))
    with office.database.write() as session:
        account = session.get_one(Account, somchai)
        entry = my_data.ask(session, office, account, Right.ERASE, "all", "password")
        assert [one.number for one in my_data.own_requests(session, somchai)] == [entry.number]
        kinds = {one.kind: one.rows for one in my_data.held(session, account)}
        assert session.scalars(select(RegisterEntry.account_id)).all() == [somchai]
    assert kinds["sessions"] == kinds["addresses"] == kinds["requests"] == 1


def test_what_people_set_about_themselves_is_forgotten_with_them(
    office: Office, somchai: int
) -> None:
    with office.database.write() as session:
        account = session.get_one(Account, somchai)
        contacts.keep(session, office, account, Channel.MAIL, "a@x.example", "code")
        send_reset_code(session, office, somchai)
        assert isinstance(own_devices.add(session, office, account, PRINTER, "desk"), Account)
    with office.database.write() as session:
        own_devices.remove(session, office, people.get(session, "somchai"), PRINTER)
        people.set_state(session, office, "somchai", "suspended", "head")
        assert forgetting.forget(session, office.clock(), [somchai]) == 1
    with office.database.read() as session:
        assert contacts.address_of(session, somchai, Channel.MAIL) is None
        assert own_devices.names_of(session, somchai) == {}
        assert session.scalars(select(SentCode)).all() == []
        assert session.scalars(select(NetworkSession)).all() == []
