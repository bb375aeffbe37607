"""identity.services.directory_accounts: whose entry an account stands for, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from common.errors import BackendUnavailable, Refused
from db.models import AuditEvent, DirectoryEntry
from identity.domain.access import (
    Denied,
    Reason,
)
from identity.domain.directory import Answer
from identity.office import Office
from identity.services import directory_accounts, login, people
from tests.unit.identity.fake_directory import (
    PASSWORD,
    Clock,
    FakeDirectory,
    admitted,
    entry_of,
    known_as,
    prove,
    reason_of,
    with_directories,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def school() -> FakeDirectory:
    made = FakeDirectory("school")
    made.add("somchai")
    return made


@pytest.fixture
def office(office_on: Office, school: FakeDirectory, clock: Clock) -> Iterator[Office]:
    with with_directories(office_on, {"school": school}, clock, offline_days=2) as made:
        yield made


def test_a_name_that_was_given_to_another_person_is_refused_until_it_is_linked_anew(
    office: Office, school: FakeDirectory
) -> None:
    admitted(office, "somchai")
    school.add("somchai", entryuuid="id-of-another-person")
    told = reason_of(prove(office, "somchai"))
    assert told == (Reason.DIRECTORY_OTHER_PERSON, "directory:other_person=school")
    directory_accounts.relink(office, "somchai", "head")
    account = admitted(office, "somchai")
    assert entry_of(office, account.account_id).unique_id == "id-of-another-person"


def test_a_person_who_was_renamed_keeps_the_account(office: Office, school: FakeDirectory) -> None:
    before = admitted(office, "somchai")
    del school.entries["somchai"]
    school.add("somchai.j", entryuuid="id-of-somchai")
    after = admitted(office, "somchai.j")
    assert after.account_id == before.account_id
    assert entry_of(office, after.account_id).name == "somchai.j"


def test_an_officer_who_suspends_what_the_directory_has_suspended_has_the_last_word(
    office: Office, school: FakeDirectory
) -> None:
    admitted(office, "somchai")
    school.add("somchai", useraccountcontrol="514")
    prove(office, "somchai")
    for _ in range(2):
        with office.database.write() as session:
            people.set_state(session, office, "somchai", "suspended", "head")
    school.add("somchai")
    assert admitted(office, "somchai").state == "suspended"
    with office.database.read() as session:
        events = session.execute(
            select(AuditEvent.action, AuditEvent.detail).where(AuditEvent.actor == "head")
        ).all()
    assert [action for action, _ in events] == ["account:suspended"]
    assert "disabled" in str(events[0].detail)
    with office.database.write() as session:
        people.set_state(session, office, "somchai", "active", "head")
    assert admitted(office, "somchai").state == "active"


def _two_accounts_of_one_entry(office: Office, school: FakeDirectory) -> None:
    """The entry of wipa gets the name of somchai, who was made anew meanwhile."""
    school.add("wipa")
    admitted(office, "somchai")
    admitted(office, "wipa")
    del school.entries["wipa"]
    school.add("somchai", entryuuid="id-of-wipa")


def test_an_entry_that_another_account_holds_is_another_person_at_every_login(
    office: Office, school: FakeDirectory
) -> None:
    _two_accounts_of_one_entry(office, school)
    with office.database.write() as session:
        row = session.get_one(DirectoryEntry, people.get(session, "somchai").id)
        row.unique_id = None
    told = reason_of(prove(office, "somchai"))
    assert told == (Reason.DIRECTORY_OTHER_PERSON, "directory:other_person=school")
    decision = login.check_password(office, "somchai", PASSWORD.decode())
    assert isinstance(decision, Denied) and decision.reason is Reason.DIRECTORY_OTHER_PERSON


def test_linking_anew_names_the_account_that_holds_the_entry(
    office: Office, school: FakeDirectory
) -> None:
    _two_accounts_of_one_entry(office, school)
    with pytest.raises(Refused, match=r"the account wipa.*user disable wipa.*relink wipa"):
        directory_accounts.relink(office, "somchai", "head")
    known = known_as(office, "somchai")
    assert known is not None
    assert entry_of(office, known.account_id).unique_id == "id-of-somchai"
    with office.database.write() as session:
        people.set_state(session, office, "wipa", "suspended", "head")
    directory_accounts.relink(office, "wipa", "head")
    directory_accounts.relink(office, "somchai", "head")
    account = admitted(office, "somchai")
    assert entry_of(office, account.account_id).unique_id == "id-of-wipa"


def test_nothing_is_linked_anew_while_the_directory_cannot_tell_what_to(
    office: Office, school: FakeDirectory
) -> None:
    admitted(office, "somchai")
    school.is_down = True
    with pytest.raises(BackendUnavailable):
        directory_accounts.relink(office, "somchai", "head")


@pytest.mark.parametrize("held_back", ["disabled", "disabled at the bind", "no role"])
def test_another_person_under_a_name_does_not_suspend_whose_it_was(
    office: Office, school: FakeDirectory, held_back: str
) -> None:
    admitted(office, "somchai")
    school.add("somchai.j", entryuuid="id-of-somchai")
    account = admitted(office, "somchai.j")
    control = "514" if held_back == "disabled" else "512"
    school.add("somchai", entryuuid="id-of-another-person", useraccountcontrol=control)
    if held_back == "disabled at the bind":
        school.answers["somchai"] = Answer.DISABLED
    if held_back == "no role":
        school.roles["somchai"] = ""
    told = reason_of(prove(office, "somchai"))
    assert told == (Reason.DIRECTORY_OTHER_PERSON, "directory:other_person=school")
    known = known_as(office, "somchai")
    assert known is not None
    assert (known.account_id, known.state) == (account.account_id, "active")
    assert entry_of(office, account.account_id).verifier is not None
