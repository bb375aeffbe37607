"""Ways to register: codes, hosts, the roster, and the minutes before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from common.config_registration import Sms
from common.errors import NotFound, Refused, UsageError
from db.models import (
    Account,
    CoaRequest,
    ContactCode,
    Credential,
    Message,
    NetworkSession,
    Person,
    Registration,
)
from identity.domain.access import Granted
from identity.domain.birth_dates import read_birth_date
from identity.domain.levels import Level
from identity.domain.registering import CODE_LIFETIME, Way, find_contact_code, new_contact_code
from identity.office import Office
from identity.services import (
    approval,
    contact_codes,
    hosting,
    hosts,
    housekeeping,
    importing,
    login,
    message_queue,
    officers,
    people,
    provisional,
    registering,
    registration_ways,
    registrations,
    roles,
    roster,
)
from identity.services.contact_codes import Answer, Text
from tests.conftest import ADMIN, add_person

NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
PASSWORD = "seven green elephants"
MAC = "a2b4c6010203"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _reachable(office: Office, clock: Clock) -> Office:
    mail = office.config.mail.model_copy(update={"host": "127.0.0.1", "sender": "wifi@x.example"})
    sms = Sms(url="https://sms.example/send")
    config = office.config.model_copy(update={"mail": mail, "sms": sms})
    return replace(office, config=config, clock=clock)


@pytest.fixture
def timed(office: Office, clock: Clock) -> Iterator[Office]:
    """An office that can send, on SQLite, at a fixed time."""
    yield _reachable(office, clock)


@pytest.fixture
def timed_on(office_on: Office, clock: Clock) -> Iterator[Office]:
    yield _reachable(office_on, clock)


def choose(office: Office, role: str = "guest", **values: Any) -> registration_ways.Choice:
    with office.database.write() as session:
        return registration_ways.set_choice(session, office, role, "head", **values)


def submit(office: Office, name: str = "visitor", **fields: Any) -> str:
    values = {
        "full_name": "A Visitor",
        "contact": "visitor@home.example",
        "purpose": "a meeting",
        "password": PASSWORD,
        **fields,
    }
    with office.database.write() as session:
        application = registrations.Application(username=name, **values)
        return registrations.submit(session, office, application, "a hash").reference


def send(office: Office, reference: str, asked_from: str = "10.0.0.1") -> str:
    """Send a code to a visitor, and read it as the mailbox would."""
    with office.database.write() as session:
        row = registrations.locked(session, reference)
        contact_codes.send_code(
            session, office, row, lambda code: Text("s", f"your code: {code}"), asked_from
        )
    with office.database.write() as session:
        number = session.scalar(select(func.max(Message.id)))
        session.execute(update(Message).values(next_try_at=office.clock() + timedelta(days=9)))
        newest = session.get_one(Message, number)
        newest.next_try_at = office.clock()
        session.flush()
        claimed = message_queue.claim(session, office, newest.channel)
        assert claimed is not None
    found = re.search(r"[0-9]{6}", claimed.body)
    assert found is not None
    return found[0]


def enter(office: Office, reference: str, code: str) -> Answer:
    with office.database.write() as session:
        row = registrations.locked(session, reference)
        return registering.enter_code(session, office, row, code)


def found(office: Office, reference: str) -> Registration:
    with office.database.read() as session:
        row = registrations.find(session, reference)
        assert row is not None
        return row


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


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
        row = session.scalars(select(ContactCode)).one()
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


# Hosts ------------------------------------------------------------------------------------


@pytest.fixture
def host(timed: Office) -> Account:
    """A teacher with a mailbox, whose role may receive guests."""
    number = add_person(timed, "somsri")
    choose(timed, "student", may_sponsor=True)
    with timed.database.write() as session:
        account = session.get_one(Account, number)
        account.contact = "Somsri@School.Example"
    return account


def test_a_host_is_found_by_name_or_mailbox_and_only_if_they_may_receive_guests(
    timed: Office, host: Account
) -> None:
    add_person(timed, "wirat")
    with timed.database.write() as session:
        for text in ("somsri", " SOMSRI ", "somsri@school.example", "SOMSRI@SCHOOL.EXAMPLE"):
            found_host = hosts.find_host(session, timed, text)
            assert found_host is not None and found_host.id == host.id
        assert hosts.mailbox_of(host) == "Somsri@school.example"
        for text in ("", "nobody", "nobody@school.example", "voucher-1"):
            assert hosts.find_host(session, timed, text) is None
        # Two people with one mailbox: neither is certain.
        people.get(session, "wirat").contact = "somsri@school.example"
        session.flush()
        assert hosts.find_host(session, timed, "somsri@school.example") is None
        people.set_state(session, timed, "somsri", "suspended", "test")
        assert hosts.find_host(session, timed, "somsri") is None
    choose(timed, "student", may_sponsor=False)
    with timed.database.write() as session:
        people.set_state(session, timed, "somsri", "active", "test")
        assert hosts.find_host(session, timed, "somsri") is None
        assert hosts.find_host(session, timed, ADMIN) is not None


def test_a_host_lets_a_visitor_in_for_as_long_as_they_say(
    timed: Office, host: Account, clock: Clock
) -> None:
    choose(timed, way=Way.SPONSOR)
    reference = submit(timed, sponsor_name="somsri")
    assert (found(timed, reference).state, found(timed, reference).host_id) == ("pending", host.id)
    with timed.database.write() as session:
        assert [row.reference for row in hosting.waiting_for(session, host)] == [reference]
        with pytest.raises(UsageError, match="1h, 3h, 12h"):
            hosting.agree(session, timed, reference, host, "30d")
        hosting.agree(session, timed, reference, host, "2d")
    account = found(timed, reference).account
    assert account is not None
    assert (account.sponsor_id, account.expires_at) == (host.id, NOW + timedelta(days=2))
    with timed.database.write() as session, pytest.raises(NotFound):
        hosting.agree(session, timed, reference, host, "2d")


def test_nobody_decides_for_another_host(timed: Office, host: Account) -> None:
    choose(timed, way=Way.SPONSOR)
    add_person(timed, "wirat")
    reference = submit(timed, sponsor_name="somsri")
    with timed.database.write() as session:
        other = people.get(session, "wirat")
        with pytest.raises(NotFound):
            hosting.agree(session, timed, reference, other, "1h")
        with pytest.raises(NotFound):
            hosting.decline(session, timed, reference, other, "no")
    choose(timed, "student", may_sponsor=False)
    with timed.database.write() as session, pytest.raises(Refused, match="may not receive"):
        hosting.agree(session, timed, reference, host, "1h")


def test_a_host_who_refuses_gives_a_reason_that_the_visitor_reads(
    timed: Office, host: Account
) -> None:
    choose(timed, way=Way.SPONSOR)
    reference = submit(timed, sponsor_name="somsri@school.example")
    with timed.database.write() as session:
        with pytest.raises(UsageError, match="reason"):
            hosting.decline(session, timed, reference, host, " ")
        hosting.decline(session, timed, reference, host, "ไม่รู้จัก")
    row = found(timed, reference)
    assert (row.state, row.decision_reason, row.decided_by) == ("rejected", "ไม่รู้จัก", "somsri")


def test_with_an_approval_the_host_comes_first_and_stays_the_sponsor(
    timed: Office, host: Account, clock: Clock
) -> None:
    choose(timed, way=Way.SPONSOR, needs_approval=True)
    reference = submit(timed, sponsor_name="nobody")
    assert (found(timed, reference).state, found(timed, reference).host_id) == ("draft", None)
    with timed.database.write() as session:
        hosting.name_host(session, timed, reference, "somsri")
    with timed.database.write() as session:
        hosting.agree(session, timed, reference, host, "3h")
    assert found(timed, reference).state == "pending"
    with timed.database.write() as session, pytest.raises(Refused, match="no host"):
        hosting.name_host(session, timed, reference, ADMIN)
    clock.now += timedelta(hours=5)
    with timed.database.write() as session:
        account = registrations.approve(session, timed, reference, ADMIN)
    assert account.sponsor_id == host.id
    assert account.expires_at == clock.now + timedelta(hours=3)
    assert found(timed, reference).decided_by == ADMIN


# Provisional minutes ----------------------------------------------------------------------


def grant(office: Office, reference: str, mac: str = MAC) -> Account:
    with office.database.write() as session:
        row = registrations.locked(session, reference)
        return provisional.grant(session, office, row, mac)


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
        session.add(_open_session(account.id))
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
        session.add(_open_session(account.id))
    with timed.database.write() as session:
        hosting.decline(session, timed, reference, host, "a stranger")
    with timed.database.read() as session:
        assert session.get_one(Account, account.id).state == "suspended"
        assert session.scalars(select(CoaRequest.kind)).one() == "disconnect"


def _open_session(account_id: int) -> NetworkSession:
    return NetworkSession(
        session_key="key",
        nas_client_id=1,
        nas_identity="10.5.50.1",
        acct_session_id="1",
        user_name="x",
        account_id=account_id,
        calling_station_id=MAC,
        started_at=NOW,
        last_heard_at=NOW,
        session_seconds=60,
        stop_seen=0,
        input_octets=0,
        output_octets=0,
    )


# Roster -----------------------------------------------------------------------------------

_FILE = """username,full_name,role,org,person_code,class_name,birth_date,contact
s1001,เด็กหญิงมานี ใจดี,student,S1,1001,ม.2/1,31/12/2552,
s1002,เด็กชายปิติ รักเรียน,student,S1,1002,ม.2/1,,parent@home.example
"""


@pytest.fixture
def school(timed: Office) -> Office:
    """A school whose roster was imported without passwords, and open for it."""
    with timed.database.write() as session:
        roles.add_organisation(session, timed, "S1", "School 1", "test")
        roles.add_organisation(session, timed, "S2", "School 2", "test")
    read = importing.read(_FILE.encode(), "Asia/Bangkok")
    with timed.database.read() as session:
        checked = importing.check(session, timed, read, update=False)
    report = importing.apply(timed, checked, "test")
    assert (report.added, report.bad) == (2, ())
    choose(timed, "student", way=Way.ROSTER)
    return timed


def claim(office: Office, **values: str) -> Any:
    hashed = office.passwords.hash(PASSWORD)
    with office.database.write() as session:
        wanted = {"organisation": "S1", "person_code": "1001", "role": "student", **values}
        return roster.apply(session, office, roster.Claim(**wanted), hashed)


def test_a_pupil_on_the_roster_chooses_the_first_password_once(school: Office) -> None:
    denied = login.check_password(school, "s1001", PASSWORD)
    assert not isinstance(denied, Granted)
    row = claim(school, person_code="๑๐๐๑", birth_date="๓๑ ธ.ค. ๒๕๕๒")
    assert (row.state, row.username, row.way) == ("active", "s1001", "roster")
    assert isinstance(login.check_password(school, "s1001", PASSWORD), Granted)
    # Whoever knows the birth date cannot set another.
    assert isinstance(claim(school, birth_date="31/12/2552"), roster.NotOnRoster)
    with school.database.read() as session:
        assert session.scalar(select(func.count()).where(Person.person_code == "1001")) == 1
        assert session.scalar(select(func.count()).where(Account.username == "s1001")) == 1


def test_the_birth_date_itself_is_stored_nowhere(school: Office) -> None:
    with school.database.read() as session:
        person = session.scalars(select(Person).where(Person.person_code == "1001")).one()
    assert person.birth_hmac == roster.birth_hash(school, person.id, date(2009, 12, 31))


def test_a_class_alone_brings_the_wish_to_an_officer(school: Office) -> None:
    row = claim(school, person_code="1002", class_name="ม. ๒/๑")
    assert (row.state, row.account_id) == ("pending", None)
    assert not isinstance(login.check_password(school, "s1002", PASSWORD), Granted)
    with school.database.write() as session:
        account = registrations.approve(session, school, row.reference, ADMIN)
    assert account.username == "s1002"
    assert isinstance(login.check_password(school, "s1002", PASSWORD), Granted)


@pytest.mark.parametrize(
    "values",
    [
        {"person_code": "9999", "birth_date": "31/12/2552"},
        {"organisation": "S2", "birth_date": "31/12/2552"},
        {"birth_date": "30/12/2552"},
        {"person_code": "1002", "birth_date": "31/12/2552"},
        {"class_name": "ม.3/1"},
        {"role": "staff", "birth_date": "31/12/2552"},
    ],
)
def test_nobody_learns_what_was_wrong(school: Office, values: dict[str, str]) -> None:
    assert isinstance(claim(school, **values), roster.NotOnRoster)


def test_a_number_is_tried_five_times_a_day(school: Office, clock: Clock) -> None:
    for day in range(1, 6):
        assert isinstance(claim(school, birth_date=f"{day}/12/2552"), roster.NotOnRoster)
    assert isinstance(claim(school, birth_date="31/12/2552"), roster.TooManyTries)
    assert isinstance(claim(school, person_code="1002", class_name="x"), roster.NotOnRoster)
    clock.now += timedelta(days=1, seconds=1)
    assert claim(school, birth_date="31/12/2552").state == "active"


@pytest.mark.parametrize(
    "text",
    ["31/12/2552", "31-12-2009", "31.12.2552", "๓๑/๑๒/๒๕๕๒", "31 ธันวาคม พ.ศ. 2552",
     "31 ธ.ค. 2552", "31122552", "2009-12-31", "2552-12-31", " 31 / 12 / 2552 "],
)  # fmt: skip
def test_birth_dates_are_read_in_either_era(text: str) -> None:
    assert read_birth_date(text) == date(2009, 12, 31)


@pytest.mark.parametrize("text", ["", "31/13/2552", "2552", "29/2/2552", "1/1/1800", "31/12/52"])
def test_what_is_no_birth_date_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="31/12/2552"):
        read_birth_date(text)


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


def test_an_approver_may_receive_guests(timed: Office) -> None:
    number = add_person(timed, "anan")
    with timed.database.write() as session:
        officers.grant(session, timed, "anan", Level.APPROVER, ADMIN)
        account = session.get_one(Account, number)
        assert hosts.may_receive(session, account, NOW)
        assert approval.scope_of(session, account).may_grant("guest")


def test_codes_and_minutes_are_forgotten_after_two_days(timed: Office, clock: Clock) -> None:
    choose(timed, way=Way.MAIL_CODE, answerable=ADMIN)
    reference = submit(timed)
    send(timed, reference)
    account = grant(timed, reference)
    clock.now += timedelta(days=2)
    assert housekeeping.run_once(timed).dropped_grants == 1
    with timed.database.read() as session:
        assert session.scalars(select(ContactCode)).all() == []
        assert session.get_one(Account, account.id).guest_name == "A Visitor"
    clock.now += timedelta(days=29)
    assert housekeeping.run_once(timed).dropped_messages == 1
