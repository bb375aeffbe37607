"""identity.services.directory_login and directory_accounts, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from common.errors import BackendUnavailable, Refused
from db.models import Account, AuditEvent, CoaRequest, Credential, DirectoryEntry
from identity.domain.access import (
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
from identity.services import directory_login, login, people
from identity.stores.sql import SqlStore
from tests.conftest import add_person
from tests.unit.identity.fake_directory import (
    PASSWORD,
    Clock,
    FakeDirectory,
    admitted,
    entry_of,
    known_as,
    prove,
    reason_of,
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


def test_the_first_proof_makes_an_account_with_its_origin(office: Office) -> None:
    account = admitted(office, "somchai")
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
    first = admitted(office, "somchai")
    before = entry_of(office, first.account_id).proven_at
    clock.advance(minutes=30)
    assert admitted(office, "somchai") == first
    assert entry_of(office, first.account_id).proven_at == before
    clock.advance(minutes=40)
    admitted(office, "somchai")
    assert entry_of(office, first.account_id).proven_at == clock.now


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
    assert reason_of(told)[0] is Reason.UNKNOWN_ACCOUNT
    assert school.tried == 0


def test_a_name_of_a_directory_may_have_its_marks_in_any_order(
    office: Office, school: FakeDirectory
) -> None:
    stored, typed = "คร\u0e39\u0e49", "คร\u0e49\u0e39"
    school.add(stored)
    first = prove(office, typed)
    assert isinstance(first, Vouched) and first.account.username == stored
    again = directory_login.prove(office, first.account, typed, PASSWORD)
    assert isinstance(again, Vouched) and again.account.account_id == first.account.account_id


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
        assert reason_of(prove(office, name)) == expected
    wrong = (Reason.WRONG_PASSWORD, "directory:wrong_password=school")
    assert reason_of(prove(office, "idle", b"wrong")) == wrong
    with office.database.read() as session:
        assert session.scalar(select(func.count()).select_from(DirectoryEntry)) == 0


def test_a_name_in_another_spelling_counts_as_not_found(
    office: Office, school: FakeDirectory
) -> None:
    add_person(office, "wipa", "a password of here")
    school.add("wipa")
    school.nt_key, school.nt_response = bytes(16), b"right" * 5
    school.spelt = {"wípa": "wipa"}
    told = reason_of(prove(office, "wípa"))
    assert told == (Reason.UNKNOWN_ACCOUNT, "directory:other_spelling=school")
    assert school.dummies == school.tried == 1
    assert _prove_nt(office, "wípa", NtProof(bytes(8), b"right" * 5)) is None
    admitted(office, "somchai")
    school.add("sömchai", entryuuid="id-of-somchai")
    del school.entries["somchai"]
    school.spelt = {"somchai": "sömchai"}
    told = reason_of(prove(office, "somchai"))
    assert told == (Reason.DIRECTORY_GONE, "directory:other_spelling=school")


def test_a_name_in_another_spelling_does_not_hide_it_in_the_next_directory(
    office_on: Office, school: FakeDirectory, clock: Clock
) -> None:
    second = FakeDirectory("second")
    second.add("sömchai")
    school.spelt = {"sömchai": "somchai"}
    with with_directories(office_on, {"school": school, "second": second}, clock) as office:
        assert admitted(office, "sömchai").origin == "directory:second"


def test_an_unknown_name_costs_a_bind_too(office: Office, school: FakeDirectory) -> None:
    prove(office, "nobody")
    school.twice.add("twin")
    prove(office, "twin")
    assert school.dummies == school.tried == 2


def test_role_and_name_follow_the_directory_and_sessions_are_told(
    office: Office, school: FakeDirectory, clock: Clock
) -> None:
    account = admitted(office, "somchai")
    with office.database.write() as session:
        session.add(session_of(account.account_id, clock))
    school.add("somchai", role="student", displayname="สมชาย ใจดี")
    again = admitted(office, "somchai")
    assert (again.account_id, again.role.name) == (account.account_id, "student")
    with office.database.read() as session:
        assert session.get_one(Account, account.account_id).full_name == "สมชาย ใจดี"
        (reason,) = session.scalars(select(CoaRequest.reason)).all()
    assert reason == Cause.ROLE_CHANGED


def test_who_is_disabled_there_is_suspended_here_and_comes_back_with_the_directory(
    office: Office, school: FakeDirectory, clock: Clock
) -> None:
    account = admitted(office, "somchai")
    with office.database.write() as session:
        session.add(session_of(account.account_id, clock))
    school.add("somchai", useraccountcontrol="514")
    assert reason_of(prove(office, "somchai"))[0] is Reason.DIRECTORY_DISABLED
    known = known_as(office, "somchai")
    assert known is not None and known.state == "suspended"
    with office.database.read() as session:
        assert session.scalars(select(CoaRequest.reason)).all() == [Cause.SUSPENDED]
    assert entry_of(office, account.account_id).verifier is None
    school.add("somchai", useraccountcontrol="512")
    assert admitted(office, "somchai").state == "active"


def test_what_an_officer_suspends_the_directory_does_not_enable(
    office: Office, school: FakeDirectory
) -> None:
    admitted(office, "somchai")
    with office.database.write() as session:
        people.set_state(session, office, "somchai", "suspended", "head")
    assert admitted(office, "somchai").state == "suspended"
    school.add("somchai", useraccountcontrol="514")
    prove(office, "somchai")
    school.add("somchai")
    assert admitted(office, "somchai").state == "suspended"
    decision = login.check_password(office, "somchai", PASSWORD.decode())
    assert isinstance(decision, Denied) and decision.reason is Reason.SUSPENDED


def test_local_accounts_never_reach_a_directory(office: Office, school: FakeDirectory) -> None:
    add_person(office, "wipa", "a password of here")
    school.add("wipa")
    assert isinstance(login.check_password(office, "wipa", "a password of here"), Granted)
    decision = login.check_password(office, "wipa", PASSWORD.decode())
    assert isinstance(decision, Denied) and decision.reason is Reason.WRONG_PASSWORD
    assert school.tried == 0


def test_a_password_of_a_directory_is_not_set_here(office: Office) -> None:
    admitted(office, "somchai")
    with pytest.raises(Refused, match="directory:school"), office.database.write() as session:
        people.set_password(session, office, "somchai", "hash", "head")


def test_a_role_that_keeps_secrets_keeps_none_of_a_directory(office: Office) -> None:
    with office.database.write() as session:
        from identity.domain.recoverable import Recoverable
        from identity.services import recoverable

        recoverable.choose_for_role(session, office, "staff", Recoverable.NT_HASH, "head")
    assert admitted(office, "somchai").to_keep == "none"
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
    admitted(office, "somchai")
    school.is_down = True
    vouched = prove(office, "somchai")
    assert isinstance(vouched, Vouched) and vouched.step == "directory:from_memory=school"
    told = reason_of(prove(office, "somchai", b"a guess"))
    assert told == (Reason.WRONG_PASSWORD, "directory:not_from_memory=school")
    with pytest.raises(BackendUnavailable):
        prove(office, "wipa")
    clock.advance(days=2)
    with pytest.raises(BackendUnavailable):
        prove(office, "somchai")


def test_a_remembered_password_that_is_refused_is_forgotten(
    office: Office, school: FakeDirectory
) -> None:
    admitted(office, "somchai")
    school.passwords["somchai"] = b"another one"
    prove(office, "somchai", b"a typing error")
    school.is_down = True
    assert isinstance(prove(office, "somchai"), Vouched), "a typing error proves no change"
    school.is_down = False
    assert reason_of(prove(office, "somchai"))[0] is Reason.WRONG_PASSWORD
    school.is_down = True
    with pytest.raises(BackendUnavailable):
        prove(office, "somchai")


def test_nothing_is_remembered_where_nobody_asked_for_it(
    office_on: Office, school: FakeDirectory, clock: Clock
) -> None:
    with with_directories(office_on, {"school": school}, clock) as office:
        account = admitted(office, "somchai")
        assert entry_of(office, account.account_id).verifier is None
        school.is_down = True
        with pytest.raises(BackendUnavailable):
            prove(office, "somchai")


def test_directories_are_asked_in_order_and_a_silent_one_ends_it(
    office_on: Office, school: FakeDirectory, clock: Clock
) -> None:
    second = FakeDirectory("second")
    second.add("somchai", role="guest")
    second.add("nida", role="guest")
    both = {"school": school, "second": second}
    with with_directories(office_on, both, clock) as office:
        assert admitted(office, "somchai").origin == "directory:school"
        assert admitted(office, "nida").origin == "directory:second"
        told = reason_of(prove(office, "nobody"))
        assert told == (Reason.UNKNOWN_ACCOUNT, "directory:not_found=school,second")
        school.is_down = True
        second.add("wipa")
        with pytest.raises(BackendUnavailable):
            prove(office, "wipa")
        assert isinstance(prove(office, "nida"), Vouched), "it is known whose she is"


def test_an_account_of_a_directory_that_is_configured_no_more_is_refused(
    office: Office, clock: Clock
) -> None:
    admitted(office, "somchai")
    other = FakeDirectory("other")
    other.add("somchai")
    with with_directories(office, {"other": other}, clock) as changed:
        told = reason_of(prove(changed, "somchai"))
    assert told == (Reason.DIRECTORY_GONE, "directory:not_configured=school")
    assert other.tried == 0


def _prove_nt(office: Office, name: str, proof: NtProof | None = None) -> Vouched | Denied | None:
    return directory_login.prove_nt(office, known_as(office, name), name, proof)


def test_a_method_without_the_password_names_the_directory_that_keeps_it(
    office: Office, school: FakeDirectory
) -> None:
    keeps = (Reason.NOT_RECOVERABLE, "directory:keeps_password=school")
    for proof in (None, NtProof(bytes(8), bytes(24))):
        told = _prove_nt(office, "somchai", proof)
        assert told is not None and reason_of(told) == keeps
    assert _prove_nt(office, "nobody") is None
    admitted(office, "somchai")
    school.is_down = True
    told = _prove_nt(office, "somchai")
    assert told is not None and reason_of(told) == keeps


def test_mschapv2_is_proven_where_the_directory_can(office: Office, school: FakeDirectory) -> None:
    school.nt_key, school.nt_response = bytes(range(16)), b"right" * 5
    good, bad = NtProof(bytes(8), b"right" * 5), NtProof(bytes(8), b"wrong" * 5)
    told = _prove_nt(office, "somchai", bad)
    assert told is not None and reason_of(told)[0] is Reason.WRONG_PASSWORD
    vouched = _prove_nt(office, "somchai", good)
    assert isinstance(vouched, Vouched)
    assert (vouched.nt_key, vouched.account.role.name) == (bytes(range(16)), "staff")
    school.add("somchai", useraccountcontrol="514")
    told = _prove_nt(office, "somchai", good)
    assert told is not None and reason_of(told)[0] is Reason.DIRECTORY_DISABLED


def test_a_proof_without_the_password_renews_nothing_that_is_remembered(
    office: Office, school: FakeDirectory, clock: Clock
) -> None:
    account = admitted(office, "somchai")
    before = entry_of(office, account.account_id)
    school.nt_key, school.nt_response = bytes(16), b"right" * 5
    school.passwords["somchai"] = b"a new password"
    clock.advance(days=1)
    assert isinstance(_prove_nt(office, "somchai", NtProof(bytes(8), b"right" * 5)), Vouched)
    school.add("somchai", role="student")
    assert isinstance(_prove_nt(office, "somchai", NtProof(bytes(8), b"right" * 5)), Vouched)
    after = entry_of(office, account.account_id)
    assert (after.proven_at, after.verifier) == (before.proven_at, before.verifier)
    clock.advance(days=1)
    school.is_down = True
    with pytest.raises(BackendUnavailable):
        prove(office, "somchai")


def test_a_first_proof_without_the_password_leaves_nothing_to_remember(
    office: Office, school: FakeDirectory
) -> None:
    school.nt_key, school.nt_response = bytes(16), b"right" * 5
    vouched = _prove_nt(office, "somchai", NtProof(bytes(8), b"right" * 5))
    assert isinstance(vouched, Vouched)
    row = entry_of(office, vouched.account.account_id)
    assert (row.proven_at, row.verifier) == (None, None)
