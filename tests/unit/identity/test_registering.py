"""Codes to a mailbox or telephone, and which ways an officer may choose."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from common.errors import Refused, UsageError
from db.models import (
    Account,
    Message,
    SentCode,
)
from identity.domain.registering import CODE_LIFETIME, Way, find_contact_code, new_contact_code
from identity.office import Office
from identity.services import (
    housekeeping,
    people,
    registration_ways,
    registrations,
)
from identity.services.codes import Answer
from tests.conftest import ADMIN, add_person
from tests.moved_clock import Clock
from tests.unit.identity.visitors import (
    NOW,
    choose,
    enter,
    found,
    grant,
    send,
    submit,
    wrong,
)


def test_a_code_by_mail_makes_a_guest_with_everything_the_rule_asks_for(timed_on: Office) -> None:
    office = timed_on
    choose(office, way=Way.MAIL_CODE, answerable=ADMIN)
    reference = submit(office)
    assert found(office, reference).state == "draft"
    code = send(office, reference)
    assert enter(office, reference, f" {code[:3]} {code[3:]} ") is Answer.RIGHT
    row = found(office, reference)
    assert (row.state, row.contact_verified_at) == ("active", NOW)
    account = row.account
    assert account is not None
    with office.database.read() as session:
        sponsor = people.get(session, ADMIN).id
    assert (account.kind, account.guest_name, account.contact, account.sponsor_id) == (
        "guest",
        "A Visitor",
        "visitor@home.example",
        sponsor,
    )
    assert row.purpose == "a meeting"
    assert account.expires_at == NOW + timedelta(days=1)
    assert enter(office, reference, code) is Answer.OLD


def test_a_code_by_sms_goes_to_the_number_as_the_world_writes_it(timed: Office) -> None:
    choose(timed, way=Way.SMS_CODE, answerable=ADMIN)
    with pytest.raises(UsageError, match="no mobile number"):
        submit(timed, contact="02 123 4567")
    reference = submit(timed, contact="๐๘๑ ๒๓๔ ๕๖๗๘")
    assert found(timed, reference).contact == "+66812345678"
    assert enter(timed, reference, send(timed, reference)) is Answer.RIGHT


def test_the_code_is_not_in_the_database_and_not_in_the_list_of_messages(timed: Office) -> None:
    choose(timed, way=Way.MAIL_CODE, answerable=ADMIN)
    reference = submit(timed)
    code = send(timed, reference)
    assert timed.config.data_dir.joinpath("yuenyan.db").exists()
    for path in timed.config.data_dir.glob("yuenyan.db*"):
        assert f"code: {code}".encode() not in path.read_bytes()
    with timed.database.read() as session:
        row = session.scalars(select(SentCode)).one()
        message = session.scalars(select(Message)).one()
    assert code not in row.code_hmac and len(row.code_hmac) == 64
    assert code not in message.about and reference in message.about


def test_five_wrong_tries_wear_a_code_out_even_when_fifty_come_at_once(timed_on: Office) -> None:
    office = timed_on
    choose(office, way=Way.MAIL_CODE, answerable=ADMIN)
    reference = submit(office)
    code = send(office, reference)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: enter(office, reference, wrong(code)), range(24)))
    assert answers.count(Answer.WRONG) == 4
    assert answers.count(Answer.WORN) == 20
    assert enter(office, reference, code) is Answer.WORN
    assert found(office, reference).state == "draft"


def test_a_new_code_ends_the_old_one_and_comes_at_most_five_times_a_day(
    timed: Office, clock: Clock
) -> None:
    choose(timed, way=Way.MAIL_CODE, answerable=ADMIN)
    reference = submit(timed)
    codes = [send(timed, reference)]
    with pytest.raises(Refused, match="a moment ago"):
        send(timed, reference)
    for _ in range(4):
        clock.now += timedelta(seconds=31)
        codes.append(send(timed, reference))
    clock.now += timedelta(seconds=31)
    with pytest.raises(Refused, match="24 hours"):
        send(timed, reference)
    if codes[0] != codes[-1]:
        assert enter(timed, reference, codes[0]) is Answer.WRONG
    clock.now += CODE_LIFETIME
    assert enter(timed, reference, codes[-1]) is Answer.OLD


def test_a_code_and_an_approval_together_wait_for_the_officer(timed: Office) -> None:
    choose(timed, way=Way.MAIL_CODE, needs_approval=True)
    reference = submit(timed)
    with timed.database.write() as session, pytest.raises(Refused, match="draft"):
        registrations.approve(session, timed, reference, ADMIN)
    assert enter(timed, reference, send(timed, reference)) is Answer.RIGHT
    row = found(timed, reference)
    assert (row.state, row.account_id) == ("pending", None)
    with timed.database.write() as session:
        account = registrations.approve(session, timed, reference, ADMIN)
        assert (account.kind, account.expires_at) == ("guest", NOW + timedelta(days=7))


def test_nobody_gets_in_for_whom_nobody_answers_any_more(timed: Office) -> None:
    add_person(timed, "somsri")
    choose(timed, way=Way.MAIL_CODE, answerable="somsri")
    reference = submit(timed)
    with timed.database.write() as session:
        people.set_state(session, timed, "somsri", "suspended", "test")
    assert enter(timed, reference, send(timed, reference)) is Answer.RIGHT
    assert found(timed, reference).state == "pending"


@pytest.mark.parametrize(
    ("role", "values", "says"),
    [
        ("guest", {"way": Way.MAIL_CODE}, "--answerable"),
        ("guest", {"way": Way.ROSTER}, "no roster"),
        ("staff", {"way": Way.MAIL_CODE, "answerable": ADMIN}, "no role for guests"),
        ("student", {"way": Way.SPONSOR}, "no role for guests"),
        ("device", {"way": Way.APPROVAL}, "nobody registers"),
        ("guest", {"way": Way.SPONSOR, "provisional_minutes": 5}, "--answerable"),
        ("guest", {"way": Way.APPROVAL, "provisional_minutes": 5}, "with a code or a host"),
        (
            "guest",
            {"way": Way.SPONSOR, "provisional_minutes": 61, "answerable": ADMIN},
            "0..60",
        ),
    ],
)
def test_a_choice_that_would_let_anybody_in_is_refused(
    timed: Office, role: str, values: dict[str, Any], says: str
) -> None:
    with pytest.raises((Refused, UsageError), match=says):
        choose(timed, role, **values)


def test_only_the_configured_role_is_open_until_an_officer_says_otherwise(timed: Office) -> None:
    def open_roles() -> list[tuple[str, Way]]:
        with timed.database.read() as session:
            return [(one.role, one.way) for one in registration_ways.open_choices(session, timed)]

    assert open_roles() == [("guest", Way.APPROVAL)]
    choose(timed, "staff", may_sponsor=True)
    assert open_roles() == [("guest", Way.APPROVAL)]
    with pytest.raises(Refused, match="nobody registers"):
        submit(timed, role="staff")
    choose(timed, "student", way=Way.ROSTER)
    assert open_roles() == [("guest", Way.APPROVAL), ("student", Way.ROSTER)]
    choose(timed, "guest", way=Way.CLOSED)
    with pytest.raises(Refused, match="nobody registers"):
        submit(timed)


def test_guests_say_what_for_and_stay_no_longer_than_the_configuration_allows(
    timed: Office,
) -> None:
    with pytest.raises(UsageError, match="what they need"):
        submit(timed, purpose=" ")
    reference = submit(timed)
    with timed.database.write() as session, pytest.raises(Refused, match="30 days"):
        registrations.approve(session, timed, reference, ADMIN, expires_at=NOW + timedelta(days=31))
    with timed.database.write() as session:
        registrations.approve(session, timed, reference, ADMIN, expires_at=NOW + timedelta(days=30))
    for later in (None, NOW + timedelta(days=31)):
        with timed.database.write() as session, pytest.raises(Refused, match="30 days"):
            people.set_expiry(session, timed, "visitor", later, "head")


def test_codes_are_six_digits_however_they_are_typed() -> None:
    codes = {new_contact_code() for _ in range(200)}
    assert len(codes) > 190 and all(re.fullmatch("[0-9]{6}", code) for code in codes)
    assert find_contact_code(" ๑๒๓-456 ") == "123456"
    assert find_contact_code("123 456") == "123456"
    for text in ("", "12345", "1234567", "12345a"):
        assert find_contact_code(text) is None


def test_an_application_whose_code_never_came_back_frees_its_name_after_a_day(
    timed: Office, clock: Clock
) -> None:
    choose(timed, way=Way.MAIL_CODE, answerable=ADMIN)
    reference = submit(timed)
    with pytest.raises(Refused, match="taken"):
        submit(timed)
    clock.now += timedelta(days=1)
    assert housekeeping.run_once(timed).expired_registrations == 1
    assert found(timed, reference).state == "expired"
    submit(timed)


def test_codes_and_minutes_are_forgotten_after_two_days(timed: Office, clock: Clock) -> None:
    choose(timed, way=Way.MAIL_CODE, answerable=ADMIN)
    reference = submit(timed)
    send(timed, reference)
    account = grant(timed, reference)
    clock.now += timedelta(days=2)
    assert housekeeping.run_once(timed).dropped_grants == 1
    with timed.database.read() as session:
        assert session.scalars(select(SentCode)).all() == []
        assert session.get_one(Account, account.id).guest_name == "A Visitor"
    clock.now += timedelta(days=29)
    assert housekeeping.run_once(timed).dropped_messages == 1
