"""Minutes on the network before a registration is through."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from common.errors import Refused
from db.models import (
    Account,
    CoaRequest,
    Credential,
    SentCode,
)
from identity.domain.registering import Way
from identity.office import Office
from identity.services import (
    hosting,
    housekeeping,
    people,
    provisional,
    registrations,
    roles,
)
from tests.conftest import ADMIN, add_person
from tests.moved_clock import Clock
from tests.unit.identity.visitors import (
    MAC,
    NOW,
    choose,
    found,
    grant,
    open_session,
)
from tests.unit.identity.visitors import submit as submit_only


def submit(office: Office, name: str = "visitor", **fields: Any) -> str:
    """An application whose visitor was sent a code."""
    reference = submit_only(office, name, **fields)
    now = office.clock()
    with office.database.write() as session:
        code = SentCode(
            purpose="registration",
            registration_id=registrations.locked(session, reference).id,
            channel="mail",
            recipient="visitor@home.example",
            code_hmac="x",
            client_address="10.0.0.1",
            created_at=now,
            expires_at=now + timedelta(minutes=30),
        )
        session.add(code)
    return reference


def mac_of(number: int) -> str:
    return f"a2b4c602{number:04x}"


@pytest.fixture
def host(timed: Office) -> Account:
    """A teacher with a mailbox, whose role may receive guests."""
    number = add_person(timed, "somsri")
    choose(timed, "student", may_sponsor=True)
    with timed.database.write() as session:
        account = session.get_one(Account, number)
        account.contact = "Somsri@School.Example"
    return account


def test_minutes_are_a_guest_of_their_own_named_and_answered_for(timed: Office) -> None:
    choice = choose(timed, way=Way.MAIL_CODE, answerable=ADMIN)
    assert choice.provisional_minutes == 10
    reference = submit(timed)
    account = grant(timed, reference)
    assert (account.kind, account.guest_name, account.contact) == (
        "guest",
        "A Visitor",
        "visitor@home.example",
    )
    assert account.expires_at == NOW + timedelta(minutes=10)
    with timed.database.read() as session:
        assert account.sponsor_id == people.get(session, ADMIN).id
        assert roles.get(session, "provisional").id == account.role_id
        assert session.get(Credential, account.id) is None
    assert found(timed, reference).account_id is None


def test_minutes_come_once_for_a_device_and_a_contact_in_a_day(timed: Office, clock: Clock) -> None:
    choose(timed, way=Way.MAIL_CODE, answerable=ADMIN)
    grant(timed, submit(timed))
    same_device = submit(timed, "visitor2", contact="other@home.example")
    same_contact = submit(timed, "visitor3", contact="visitor@HOME.example")
    for reference, mac in ((same_device, MAC), (same_contact, "a2b4c6010204"), (same_device, "")):
        with pytest.raises(Refused, match="today"):
            grant(timed, reference, mac)
    grant(timed, same_device, "a2b4c6010205")
    clock.now += timedelta(days=1, seconds=1)
    grant(timed, submit(timed, "visitor4"))


@pytest.mark.parametrize("minutes", [0, 5])
def test_minutes_are_as_many_as_the_role_says(timed: Office, minutes: int) -> None:
    choose(timed, way=Way.MAIL_CODE, answerable=ADMIN, provisional_minutes=minutes)
    reference = submit(timed)
    with timed.database.read() as session:
        row = registrations.find(session, reference)
        assert row is not None
        assert provisional.minutes_for(session, timed, row, MAC) == minutes


def test_the_equipment_is_told_to_end_the_session_when_the_minutes_are_over(
    timed: Office, clock: Clock
) -> None:
    choose(timed, way=Way.MAIL_CODE, answerable=ADMIN)
    account = grant(timed, submit(timed))
    with timed.database.write() as session:
        session.add(open_session(account.id))
    assert housekeeping.run_once(timed).expired_accounts == 0
    clock.now += timedelta(minutes=10)
    assert housekeeping.run_once(timed).expired_accounts == 1
    with timed.database.read() as session:
        asked = session.scalars(select(CoaRequest)).one()
    assert (asked.kind, asked.session_key, asked.reason) == ("disconnect", "key", "account_expired")


def test_a_refusal_ends_the_minutes_at_once(timed: Office, host: Account) -> None:
    choose(timed, way=Way.SPONSOR, answerable=ADMIN)
    reference = submit(timed, sponsor_name="somsri")
    account = grant(timed, reference)
    with timed.database.write() as session:
        session.add(open_session(account.id))
    with timed.database.write() as session:
        hosting.decline(session, timed, reference, host, "a stranger")
    with timed.database.read() as session:
        assert session.get_one(Account, account.id).state == "suspended"
        assert session.scalars(select(CoaRequest.kind)).one() == "disconnect"


def test_there_are_no_minutes_before_a_code_was_sent(timed: Office) -> None:
    choose(timed, way=Way.MAIL_CODE, answerable=ADMIN)
    with pytest.raises(Refused):
        grant(timed, submit_only(timed))


def test_a_mailbox_with_a_tag_is_the_same_mailbox(timed: Office) -> None:
    choose(timed, way=Way.MAIL_CODE, answerable=ADMIN)
    grant(timed, submit(timed, contact="joker+1@home.example"))
    with pytest.raises(Refused, match="today"):
        grant(timed, submit(timed, "visitor2", contact="joker+2@home.example"), mac_of(2))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the ceilings, in the same proportions."""
    bounds = {"OPEN_AT_ONCE": 2, "A_DAY": 4, "OPEN_AT_SITE": 6, "A_DAY_AT_SITE": 8}
    for name, number in bounds.items():
        monkeypatch.setattr(provisional, name, number)


@pytest.mark.usefixtures("small")
def test_invented_devices_and_contacts_get_minutes_only_up_to_a_ceiling(
    timed_on: Office, clock: Clock
) -> None:
    choose(timed_on, way=Way.MAIL_CODE, answerable=ADMIN)
    with timed_on.database.write() as session:
        added = [roles.add_organisation(session, timed_on, code, code, "test") for code in "ABCD"]
        session.flush()
        schools = [one.id for one in added]

    def granted(number: int, school: int) -> bool:
        fields = {"contact": f"x{number}@home.example", "organisation_id": schools[school]}
        try:
            grant(timed_on, submit(timed_on, f"visitor{number}", **fields), mac_of(number))
        except Refused:
            return False
        return True

    assert [granted(number, 0) for number in range(3)] == [True, True, False]
    assert [granted(number, 1) for number in range(10, 13)] == [True, True, False]
    assert [granted(number, 2) for number in range(20, 23)] == [True, True, False]
    assert not granted(30, 3), "six are open at the site"
    clock.now += timedelta(minutes=11)
    assert [granted(number, 0) for number in range(40, 43)] == [True, True, False]
    clock.now += timedelta(minutes=11)
    assert not granted(50, 0), "four a day at one school"
    assert not granted(51, 3), "eight a day at the site"
    clock.now += timedelta(days=1)
    assert granted(60, 0)
