"""identity.services.directory_login and directory_accounts, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from common.errors import BackendUnavailable, Refused
from db.models import Account, AuditEvent, CoaRequest, Credential, DirectoryEntry
from identity.domain.access import (
    AccountSnapshot,
    Denied,
    Granted,
    Method,
    Reason,
    Unavailable,
    Vouched,
)
from identity.domain.directory import Answer, NtProof
from identity.domain.dynamic import Cause
from identity.office import Office
from identity.services import directory_accounts, directory_login, login, people
from identity.services.snapshots import snapshot
from identity.stores.sql import SqlStore
from tests.conftest import add_person
from tests.unit.identity.fake_directory import (
    PASSWORD,
    Clock,
    FakeDirectory,
    session_of,
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


def _known(office: Office, name: str) -> AccountSnapshot | None:
    with office.database.read() as session:
        account = people.find(session, name)
        return snapshot(session, account) if account is not None else None


def _prove(office: Office, name: str, password: bytes = PASSWORD) -> Vouched | Denied:
    return directory_login.prove(office, _known(office, name), name, password)


def _admitted(office: Office, name: str) -> AccountSnapshot:
    vouched = _prove(office, name)
    assert isinstance(vouched, Vouched), vouched
    return vouched.account


def _reason(answer: Vouched | Denied) -> tuple[Reason, str]:
    assert isinstance(answer, Denied), answer
    return answer.reason, answer.step


def _entry(office: Office, account_id: int) -> DirectoryEntry:
    with office.database.read() as session:
        return session.get_one(DirectoryEntry, account_id)


def test_the_first_proof_makes_an_account_with_its_origin(office: Office) -> None:
    account = _admitted(office, "somchai")
    assert (account.kind, account.state, account.role.name) == ("person", "active", "staff")
    assert (account.origin, account.password_hash) == ("directory:school", None)
    with office.database.read() as session:
        row = session.get_one(Account, account.account_id)
        assert row.full_name == "Full somchai"
        assert row.person is not None and row.person.proofing_method == "directory"
        assert session.get(Credential, account.account_id) is None
        actions = session.scalars(
            select(AuditEvent.action).where(AuditEvent.actor == "directory:school")
        ).all()
    assert actions == ["account:added"]


def test_what_is_as_it_was_is_not_written_again(office: Office, clock: Clock) -> None:
    first = _admitted(office, "somchai")
    before = _entry(office, first.account_id).proven_at
    clock.advance(minutes=30)
    assert _admitted(office, "somchai") == first
    assert _entry(office, first.account_id).proven_at == before
    clock.advance(minutes=40)
    _admitted(office, "somchai")
    assert _entry(office, first.account_id).proven_at == clock.now


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("somchai", b""),
        ("somchai", PASSWORD + b"\0"),
        ("somchai", PASSWORD + b"\0and more"),
        ("somchai", b"x" * 129),
        ("som\nchai", PASSWORD),
        ("somchai\0", PASSWORD),
        ("", PASSWORD),
        ("x" * 254, PASSWORD),
        ("aa-bb-cc-dd-ee-ff", PASSWORD),
        ("housekeeper", PASSWORD),
        ("ｓｏｍｃｈａｉ", PASSWORD),
    ],
)
def test_an_odd_name_or_password_is_never_sent_to_a_directory(
    office: Office, school: FakeDirectory, name: str, password: bytes
) -> None:
    school.add(name)
    told = directory_login.prove(office, None, name, password)
    assert _reason(told)[0] is Reason.UNKNOWN_ACCOUNT
    assert school.tried == 0


def test_every_refusal_has_its_reason_and_makes_no_account(
    office: Office, school: FakeDirectory
) -> None:
    for name in ("twin", "idle", "roleless", "odd", "locked", "off", "late", "old"):
        school.add(name)
    school.twice.add("twin")
    school.roles["roleless"], school.roles["odd"] = "", "emperor"
    school.answers = {
        "locked": Answer.LOCKED,
        "off": Answer.DISABLED,
        "late": Answer.EXPIRED,
        "old": Answer.PASSWORD_EXPIRED,
    }
    told = {
        "nobody": (Reason.UNKNOWN_ACCOUNT, "directory:not_found=school"),
        "twin": (Reason.DIRECTORY_AMBIGUOUS, "directory:found_twice=school"),
        "roleless": (Reason.DIRECTORY_NO_ROLE, "directory:no_role=school"),
        "odd": (Reason.DIRECTORY_NO_ROLE, "directory:role_missing=emperor"),
        "locked": (Reason.WRONG_PASSWORD, "directory:locked=school"),
        "off": (Reason.DIRECTORY_DISABLED, "directory:disabled=school"),
        "late": (Reason.DIRECTORY_DISABLED, "directory:expired=school"),
        "old": (Reason.DIRECTORY_EXPIRED_PASSWORD, "directory:password_expired=school"),
    }
    for name, expected in told.items():
        assert _reason(_prove(office, name)) == expected
    wrong = (Reason.WRONG_PASSWORD, "directory:wrong_password=school")
    assert _reason(_prove(office, "idle", b"wrong")) == wrong
    with office.database.read() as session:
        assert session.scalar(select(func.count()).select_from(DirectoryEntry)) == 0


def test_a_name_in_another_spelling_counts_as_not_found(
    office: Office, school: FakeDirectory
) -> None:
    add_person(office, "wipa", "a password of here")
    school.add("wipa")
    school.nt_key, school.nt_response = bytes(16), b"right" * 5
    school.spelt = {"wípa": "wipa"}
    told = _reason(_prove(office, "wípa"))
    assert told == (Reason.UNKNOWN_ACCOUNT, "directory:other_spelling=school")
    assert school.dummies == school.tried == 1
    assert _prove_nt(office, "wípa", NtProof(bytes(8), b"right" * 5)) is None
    _admitted(office, "somchai")
    school.add("sömchai", entryuuid="id-of-somchai")
    del school.entries["somchai"]
    school.spelt = {"somchai": "sömchai"}
    told = _reason(_prove(office, "somchai"))
    assert told == (Reason.DIRECTORY_GONE, "directory:other_spelling=school")


def test_a_name_in_another_spelling_does_not_hide_it_in_the_next_directory(
    office_on: Office, school: FakeDirectory, clock: Clock
) -> None:
    second = FakeDirectory("second")
    second.add("sömchai")
    school.spelt = {"sömchai": "somchai"}
    with with_directories(office_on, {"school": school, "second": second}, clock) as office:
        assert _admitted(office, "sömchai").origin == "directory:second"


def test_an_unknown_name_costs_a_bind_too(office: Office, school: FakeDirectory) -> None:
    _prove(office, "nobody")
    school.twice.add("twin")
    _prove(office, "twin")
    assert school.dummies == school.tried == 2


def test_role_and_name_follow_the_directory_and_sessions_are_told(
    office: Office, school: FakeDirectory, clock: Clock
) -> None:
    account = _admitted(office, "somchai")
    with office.database.write() as session:
        session.add(session_of(account.account_id, clock))
    school.add("somchai", role="student", displayname="สมชาย ใจดี")
    again = _admitted(office, "somchai")
    assert (again.account_id, again.role.name) == (account.account_id, "student")
    with office.database.read() as session:
        assert session.get_one(Account, account.account_id).full_name == "สมชาย ใจดี"
        (reason,) = session.scalars(select(CoaRequest.reason)).all()
    assert reason == Cause.ROLE_CHANGED


def test_who_is_disabled_there_is_suspended_here_and_comes_back_with_the_directory(
    office: Office, school: FakeDirectory, clock: Clock
) -> None:
    account = _admitted(office, "somchai")
    with office.database.write() as session:
        session.add(session_of(account.account_id, clock))
    school.add("somchai", useraccountcontrol="514")
    assert _reason(_prove(office, "somchai"))[0] is Reason.DIRECTORY_DISABLED
    known = _known(office, "somchai")
    assert known is not None and known.state == "suspended"
    with office.database.read() as session:
        assert session.scalars(select(CoaRequest.reason)).all() == [Cause.SUSPENDED]
    assert _entry(office, account.account_id).verifier is None
    school.add("somchai", useraccountcontrol="512")
    assert _admitted(office, "somchai").state == "active"


def test_what_an_officer_suspends_the_directory_does_not_enable(
    office: Office, school: FakeDirectory
) -> None:
    _admitted(office, "somchai")
    with office.database.write() as session:
        people.set_state(session, office, "somchai", "suspended", "head")
    assert _admitted(office, "somchai").state == "suspended"
    school.add("somchai", useraccountcontrol="514")
    _prove(office, "somchai")
    school.add("somchai")
    assert _admitted(office, "somchai").state == "suspended"
    decision = login.check_password(office, "somchai", PASSWORD.decode())
    assert isinstance(decision, Denied) and decision.reason is Reason.SUSPENDED


def test_a_name_that_was_given_to_another_person_is_refused_until_it_is_linked_anew(
    office: Office, school: FakeDirectory
) -> None:
    _admitted(office, "somchai")
    school.add("somchai", entryuuid="id-of-another-person")
    told = _reason(_prove(office, "somchai"))
    assert told == (Reason.DIRECTORY_OTHER_PERSON, "directory:other_person=school")
    directory_accounts.relink(office, "somchai", "head")
    account = _admitted(office, "somchai")
    assert _entry(office, account.account_id).unique_id == "id-of-another-person"


def test_a_person_who_was_renamed_keeps_the_account(office: Office, school: FakeDirectory) -> None:
    before = _admitted(office, "somchai")
    del school.entries["somchai"]
    school.add("somchai.j", entryuuid="id-of-somchai")
    after = _admitted(office, "somchai.j")
    assert after.account_id == before.account_id
    assert _entry(office, after.account_id).name == "somchai.j"


def test_an_officer_who_suspends_what_the_directory_has_suspended_has_the_last_word(
    office: Office, school: FakeDirectory
) -> None:
    _admitted(office, "somchai")
    school.add("somchai", useraccountcontrol="514")
    _prove(office, "somchai")
    for _ in range(2):
        with office.database.write() as session:
            people.set_state(session, office, "somchai", "suspended", "head")
    school.add("somchai")
    assert _admitted(office, "somchai").state == "suspended"
    with office.database.read() as session:
        events = session.execute(
            select(AuditEvent.action, AuditEvent.detail).where(AuditEvent.actor == "head")
        ).all()
    assert [action for action, _ in events] == ["account:suspended"]
    assert "disabled" in str(events[0].detail)
    with office.database.write() as session:
        people.set_state(session, office, "somchai", "active", "head")
    assert _admitted(office, "somchai").state == "active"


def _two_accounts_of_one_entry(office: Office, school: FakeDirectory) -> None:
    """The entry of wipa gets the name of somchai, who was made anew meanwhile."""
    school.add("wipa")
    _admitted(office, "somchai")
    _admitted(office, "wipa")
    del school.entries["wipa"]
    school.add("somchai", entryuuid="id-of-wipa")


def test_an_entry_that_another_account_holds_is_another_person_at_every_login(
    office: Office, school: FakeDirectory
) -> None:
    _two_accounts_of_one_entry(office, school)
    with office.database.write() as session:
        row = session.get_one(DirectoryEntry, people.get(session, "somchai").id)
        row.unique_id = None
    told = _reason(_prove(office, "somchai"))
    assert told == (Reason.DIRECTORY_OTHER_PERSON, "directory:other_person=school")
    decision = login.check_password(office, "somchai", PASSWORD.decode())
    assert isinstance(decision, Denied) and decision.reason is Reason.DIRECTORY_OTHER_PERSON


def test_linking_anew_names_the_account_that_holds_the_entry(
    office: Office, school: FakeDirectory
) -> None:
    _two_accounts_of_one_entry(office, school)
    with pytest.raises(Refused, match=r"the account wipa.*user disable wipa.*relink wipa"):
        directory_accounts.relink(office, "somchai", "head")
    known = _known(office, "somchai")
    assert known is not None
    assert _entry(office, known.account_id).unique_id == "id-of-somchai"
    with office.database.write() as session:
        people.set_state(session, office, "wipa", "suspended", "head")
    directory_accounts.relink(office, "wipa", "head")
    directory_accounts.relink(office, "somchai", "head")
    account = _admitted(office, "somchai")
    assert _entry(office, account.account_id).unique_id == "id-of-wipa"


def test_nothing_is_linked_anew_while_the_directory_cannot_tell_what_to(
    office: Office, school: FakeDirectory
) -> None:
    _admitted(office, "somchai")
    school.is_down = True
    with pytest.raises(BackendUnavailable):
        directory_accounts.relink(office, "somchai", "head")


@pytest.mark.parametrize("held_back", ["disabled", "disabled at the bind", "no role"])
def test_another_person_under_a_name_does_not_suspend_whose_it_was(
    office: Office, school: FakeDirectory, held_back: str
) -> None:
    _admitted(office, "somchai")
    school.add("somchai.j", entryuuid="id-of-somchai")
    account = _admitted(office, "somchai.j")
    control = "514" if held_back == "disabled" else "512"
    school.add("somchai", entryuuid="id-of-another-person", useraccountcontrol=control)
    if held_back == "disabled at the bind":
        school.answers["somchai"] = Answer.DISABLED
    if held_back == "no role":
        school.roles["somchai"] = ""
    told = _reason(_prove(office, "somchai"))
    assert told == (Reason.DIRECTORY_OTHER_PERSON, "directory:other_person=school")
    known = _known(office, "somchai")
    assert known is not None
    assert (known.account_id, known.state) == (account.account_id, "active")
    assert _entry(office, account.account_id).verifier is not None


def test_local_accounts_never_reach_a_directory(office: Office, school: FakeDirectory) -> None:
    add_person(office, "wipa", "a password of here")
    school.add("wipa")
    assert isinstance(login.check_password(office, "wipa", "a password of here"), Granted)
    decision = login.check_password(office, "wipa", PASSWORD.decode())
    assert isinstance(decision, Denied) and decision.reason is Reason.WRONG_PASSWORD
    assert school.tried == 0


def test_a_password_of_a_directory_is_not_set_here(office: Office) -> None:
    _admitted(office, "somchai")
    with pytest.raises(Refused, match="directory:school"), office.database.write() as session:
        people.set_password(session, office, "somchai", "hash", "head")


def test_a_role_that_keeps_secrets_keeps_none_of_a_directory(office: Office) -> None:
    with office.database.write() as session:
        from identity.domain.recoverable import Recoverable
        from identity.services import recoverable

        recoverable.choose_for_role(session, office, "staff", Recoverable.NT_HASH, "head")
    assert _admitted(office, "somchai").to_keep == "none"
    store = SqlStore(office)
    assert store.accounts(["somchai"])["somchai"].to_keep == "none"
    assert store.accounts(["somchai"])["somchai"].origin == "directory:school"
    store.close()


def test_the_portal_lets_people_of_a_directory_in(office: Office, school: FakeDirectory) -> None:
    decision = login.check_password(office, " Somchai ", PASSWORD.decode())
    assert isinstance(decision, Granted)
    assert (decision.method, decision.step) == (Method.PORTAL, "directory:proven=school")
    school.is_down = True
    assert login.check_password(office, "wipa", "x") == Unavailable("directory:school")


def test_while_it_is_down_only_the_password_proven_lately_gets_in(
    office: Office, school: FakeDirectory, clock: Clock
) -> None:
    _admitted(office, "somchai")
    school.is_down = True
    vouched = _prove(office, "somchai")
    assert isinstance(vouched, Vouched) and vouched.step == "directory:from_memory=school"
    told = _reason(_prove(office, "somchai", b"a guess"))
    assert told == (Reason.WRONG_PASSWORD, "directory:not_from_memory=school")
    with pytest.raises(BackendUnavailable):
        _prove(office, "wipa")
    clock.advance(days=2)
    with pytest.raises(BackendUnavailable):
        _prove(office, "somchai")


def test_a_remembered_password_that_is_refused_is_forgotten(
    office: Office, school: FakeDirectory
) -> None:
    _admitted(office, "somchai")
    school.passwords["somchai"] = b"another one"
    _prove(office, "somchai", b"a typing error")
    school.is_down = True
    assert isinstance(_prove(office, "somchai"), Vouched), "a typing error proves no change"
    school.is_down = False
    assert _reason(_prove(office, "somchai"))[0] is Reason.WRONG_PASSWORD
    school.is_down = True
    with pytest.raises(BackendUnavailable):
        _prove(office, "somchai")


def test_nothing_is_remembered_where_nobody_asked_for_it(
    office_on: Office, school: FakeDirectory, clock: Clock
) -> None:
    with with_directories(office_on, {"school": school}, clock) as office:
        account = _admitted(office, "somchai")
        assert _entry(office, account.account_id).verifier is None
        school.is_down = True
        with pytest.raises(BackendUnavailable):
            _prove(office, "somchai")


def test_directories_are_asked_in_order_and_a_silent_one_ends_it(
    office_on: Office, school: FakeDirectory, clock: Clock
) -> None:
    second = FakeDirectory("second")
    second.add("somchai", role="guest")
    second.add("nida", role="guest")
    both = {"school": school, "second": second}
    with with_directories(office_on, both, clock) as office:
        assert _admitted(office, "somchai").origin == "directory:school"
        assert _admitted(office, "nida").origin == "directory:second"
        told = _reason(_prove(office, "nobody"))
        assert told == (Reason.UNKNOWN_ACCOUNT, "directory:not_found=school,second")
        school.is_down = True
        second.add("wipa")
        with pytest.raises(BackendUnavailable):
            _prove(office, "wipa")
        assert isinstance(_prove(office, "nida"), Vouched), "it is known whose she is"


def test_an_account_of_a_directory_that_is_configured_no_more_is_refused(
    office: Office, clock: Clock
) -> None:
    _admitted(office, "somchai")
    other = FakeDirectory("other")
    other.add("somchai")
    with with_directories(office, {"other": other}, clock) as changed:
        told = _reason(_prove(changed, "somchai"))
    assert told == (Reason.DIRECTORY_GONE, "directory:not_configured=school")
    assert other.tried == 0


def _prove_nt(office: Office, name: str, proof: NtProof | None = None) -> Vouched | Denied | None:
    return directory_login.prove_nt(office, _known(office, name), name, proof)


def test_a_method_without_the_password_names_the_directory_that_keeps_it(
    office: Office, school: FakeDirectory
) -> None:
    keeps = (Reason.NOT_RECOVERABLE, "directory:keeps_password=school")
    for proof in (None, NtProof(bytes(8), bytes(24))):
        told = _prove_nt(office, "somchai", proof)
        assert told is not None and _reason(told) == keeps
    assert _prove_nt(office, "nobody") is None
    _admitted(office, "somchai")
    school.is_down = True
    told = _prove_nt(office, "somchai")
    assert told is not None and _reason(told) == keeps


def test_mschapv2_is_proven_where_the_directory_can(office: Office, school: FakeDirectory) -> None:
    school.nt_key, school.nt_response = bytes(range(16)), b"right" * 5
    good, bad = NtProof(bytes(8), b"right" * 5), NtProof(bytes(8), b"wrong" * 5)
    told = _prove_nt(office, "somchai", bad)
    assert told is not None and _reason(told)[0] is Reason.WRONG_PASSWORD
    vouched = _prove_nt(office, "somchai", good)
    assert isinstance(vouched, Vouched)
    assert (vouched.nt_key, vouched.account.role.name) == (bytes(range(16)), "staff")
    school.add("somchai", useraccountcontrol="514")
    told = _prove_nt(office, "somchai", good)
    assert told is not None and _reason(told)[0] is Reason.DIRECTORY_DISABLED


def test_a_proof_without_the_password_renews_nothing_that_is_remembered(
    office: Office, school: FakeDirectory, clock: Clock
) -> None:
    account = _admitted(office, "somchai")
    before = _entry(office, account.account_id)
    school.nt_key, school.nt_response = bytes(16), b"right" * 5
    school.passwords["somchai"] = b"a new password"
    clock.advance(days=1)
    assert isinstance(_prove_nt(office, "somchai", NtProof(bytes(8), b"right" * 5)), Vouched)
    school.add("somchai", role="student")
    assert isinstance(_prove_nt(office, "somchai", NtProof(bytes(8), b"right" * 5)), Vouched)
    after = _entry(office, account.account_id)
    assert (after.proven_at, after.verifier) == (before.proven_at, before.verifier)
    clock.advance(days=1)
    school.is_down = True
    with pytest.raises(BackendUnavailable):
        _prove(office, "somchai")


def test_a_first_proof_without_the_password_leaves_nothing_to_remember(
    office: Office, school: FakeDirectory
) -> None:
    school.nt_key, school.nt_response = bytes(16), b"right" * 5
    vouched = _prove_nt(office, "somchai", NtProof(bytes(8), b"right" * 5))
    assert isinstance(vouched, Vouched)
    row = _entry(office, vouched.account.account_id)
    assert (row.proven_at, row.verifier) == (None, None)
