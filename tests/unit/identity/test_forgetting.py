"""What is taken out of an account that is over, and that nothing refers into a void after it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from common.errors import UsageError
from db.append_only import lifted
from db.models import (
    Account,
    AuthEvent,
    Base,
    Certificate,
    CoaRequest,
    Credential,
    DirectoryEntry,
    OfficerLevel,
    Person,
    Registration,
    Role,
    TextAccepted,
    Voucher,
    VoucherBatch,
    VoucherDevice,
)
from identity.office import Office
from identity.services import forgetting, people
from tests.conftest import add_person

NOW = datetime(2027, 6, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=200)
PERSONAL = (
    "สมชาย", "somchai", "0812345678", "3c22fb010203", "4711", "secret-hash", "birth-hash",
    "10.5.0.77",
)  # fmt: skip
"""What must not be found anywhere after it."""


def everything(office: Office) -> str:
    """Every value of every table but the ledger and the audit trail, which go by their own time."""
    apart = {"auth_event", "audit_event", "network_session", "accounting_event"}
    found = []
    with office.database.read() as reading:
        for table in Base.metadata.sorted_tables:
            if table.name not in apart:
                found += [str(tuple(row)) for row in reading.execute(select(table))]
    return "\n".join(found)


def fill(office: Office) -> tuple[int, int, int]:
    """(person, their guest, their device), ended long ago, with everything they may leave."""
    person = add_person(office, "somchai")
    with office.database.write() as writing:
        role = writing.scalars(select(Role.id)).first()
        account = writing.get_one(Account, person)
        assert account.person is not None
        account.person.full_name, account.person.person_code = "สมชาย ใจดี", "4711"
        account.person.contact, account.contact = "0812345678", "0812345678"
        account.person.birth_hmac = "birth-hash"
        writing.add(
            TextAccepted(
                account_id=person,
                kind="acceptable-use",
                version="1",
                language="th",
                sha256="x",
                at=LONG_AGO,
                client_address="10.5.0.77",
                client_mac="3c22fb010203",
            )
        )
        writing.add(
            OfficerLevel(
                account_id=person, level="approver", granted_at=LONG_AGO, granted_by="test"
            )
        )
        credential = writing.get_one(Credential, person)
        credential.password_hash, credential.recoverable = "secret-hash", b"secret-hash"
        common = {"role_id": role, "created_at": LONG_AGO, "state": "expired"}
        guest = Account(
            username="guest-somchai",
            kind="guest",
            sponsor_id=person,
            guest_name="สมชาย",
            contact="0812345678",
            **common,
        )
        device = Account(username="3c22fb010203", kind="device", owner_id=person, **common)
        writing.add_all([guest, device])
        writing.flush()
        writing.add(
            DirectoryEntry(
                account_id=person,
                directory="office",
                dn="uid=somchai",
                name="somchai",
                refreshed_at=LONG_AGO,
            )
        )
        writing.add(
            Registration(
                reference="R1",
                state="expired",
                username="guest-somchai",
                full_name="สมชาย",
                contact="0812345678",
                purpose="visits somchai",
                sponsor_name="somchai",
                password_hash="secret-hash",
                role_id=role,
                client_mac="3c22fb010203",
                created_at=LONG_AGO,
                account_id=guest.id,
            )
        )
        writing.add(
            Certificate(
                serial="0a",
                authority="ca",
                kind="client",
                name="somchai",
                subject="CN=somchai",
                names="somchai",
                account_id=person,
                not_before=LONG_AGO,
                not_after=LONG_AGO,
                issued_at=LONG_AGO,
                issued_by="head",
                der=b"somchai",
            )
        )
        batch = VoucherBatch(
            name="b",
            role_id=role,
            issuer_id=person,
            minutes=1,
            devices=1,
            created_at=LONG_AGO,
            hard_expiry=LONG_AGO,
        )
        writing.add(batch)
        writing.flush()
        voucher = Voucher(
            batch_id=batch.id,
            code_hmac="h",
            code_encrypted=b"x",
            state="active",
            account_id=guest.id,
        )
        writing.add(voucher)
        writing.flush()
        writing.add(
            VoucherDevice(voucher_id=voucher.id, mac="3c22fb010203", first_seen_at=LONG_AGO)
        )
        writing.add(
            CoaRequest(
                created_at=LONG_AGO,
                kind="disconnect",
                session_key="k",
                nas_client_id=1,
                account_id=person,
                reason="x",
                actor="head",
                not_before=LONG_AGO,
                next_try_at=LONG_AGO,
            )
        )
        for one in (account, guest, device):
            one.state, one.ended_at = "expired", LONG_AGO
        return person, guest.id, device.id


def test_whoever_others_stand_for_is_forgotten_after_them(office_on: Office) -> None:
    person, guest, device = fill(office_on)
    with office_on.database.write() as writing:
        assert set(forgetting.candidates(writing, NOW)) == {guest, device}
        assert forgetting.forget(writing, NOW, [guest, device]) == 2
    with office_on.database.read() as reading:
        assert forgetting.candidates(reading, NOW) == [person]


def test_nothing_personal_is_left_and_every_number_is(office_on: Office) -> None:
    person, guest, device = fill(office_on)
    before = everything(office_on)
    assert all(word in before for word in PERSONAL)
    with office_on.database.write() as writing:
        assert forgetting.forget(writing, NOW, [guest, device, person]) == 3
    after = everything(office_on)
    assert [word for word in PERSONAL if word in after] == []
    with office_on.database.read() as reading:
        numbers = set(reading.scalars(select(Account.id)))
        assert {person, guest, device} <= numbers
        if office_on.database.is_sqlite:
            assert reading.execute(text("PRAGMA foreign_key_check")).all() == []


def test_forgetting_twice_is_harmless(office_on: Office) -> None:
    numbers = fill(office_on)
    with office_on.database.write() as writing:
        forgetting.forget(writing, NOW, numbers)
    once = everything(office_on)
    with office_on.database.write() as writing:
        assert forgetting.forget(writing, NOW + timedelta(days=1), numbers) == 0
    assert everything(office_on) == once


def test_a_person_with_another_account_keeps_the_name(office: Office) -> None:
    first = add_person(office, "first")
    with office.database.write() as writing:
        account = writing.get_one(Account, first)
        assert account.person is not None
        account.person.full_name = "สมชาย ใจดี"
        second = Account(
            username="second",
            kind="person",
            person_id=account.person_id,
            role_id=account.role_id,
            created_at=LONG_AGO,
        )
        writing.add(second)
        writing.flush()
        forgetting.forget(writing, NOW, [first])
        assert account.person.full_name == "สมชาย ใจดี"
        second.state, second.ended_at = "expired", LONG_AGO
        forgetting.forget(writing, NOW, [second.id])
    with office.database.read() as reading:
        assert reading.get_one(Person, account.person_id).full_name == ""


def test_active_accounts_and_those_that_ended_lately_are_no_candidates(office: Office) -> None:
    lately = add_person(office, "lately")
    add_person(office, "active")
    with office.database.write() as writing:
        account = people.set_state(writing, office, "lately", "suspended", "head")
        ended = account.ended_at
        assert ended is not None
        assert forgetting.candidates(writing, ended - timedelta(seconds=1)) == []
        assert forgetting.candidates(writing, ended) == [lately]


def test_applications_that_came_to_nothing_are_forgotten_in_time(office: Office) -> None:
    with office.database.write() as writing:
        role = writing.scalars(select(Role.id)).first()
        for state, day in (("rejected", 0), ("expired", 0), ("pending", 0), ("rejected", 150)):
            writing.add(
                Registration(
                    reference=f"{state}{day}",
                    state=state,
                    username="somchai" if state == "pending" else "x",
                    full_name="สมชาย",
                    contact="0812345678",
                    password_hash="secret-hash",
                    role_id=role,
                    created_at=LONG_AGO + timedelta(days=day),
                )
            )
        writing.flush()
        assert forgetting.forget_applications(writing, NOW - timedelta(days=90)) == 2
        assert forgetting.forget_applications(writing, NOW - timedelta(days=90)) == 0
        left = writing.scalars(select(Registration.reference).where(Registration.full_name != ""))
        assert set(left) == {"pending0", "rejected150"}


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    people_=st.lists(
        st.tuples(
            st.integers(0, 300),
            st.lists(st.tuples(st.integers(0, 300), st.integers(90, 200)), max_size=3),
        ),
        min_size=1,
        max_size=4,
    ),
    days=st.lists(st.integers(0, 700), min_size=1, max_size=6),
)
def test_on_every_timeline_a_name_is_there_while_it_is_needed_and_gone_after(
    office: Office,
    people_: list[tuple[int, list[tuple[int, int]]]],
    days: list[int],
) -> None:
    """Accounts end on some day; each record is made on a day and kept for some days."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    numbers: dict[int, tuple[int, list[tuple[int, int]]]] = {}
    with office.database.write() as writing:
        role = writing.scalars(select(Role.id)).first()
        for ends, records in people_:
            person = Person(
                full_name="สมชาย",
                proofing_method="roster",
                proofed_by="head",
                proofed_at=begin,
                created_at=begin,
            )
            writing.add(person)
            writing.flush()
            account = Account(
                username=f"user-{person.id}",
                kind="person",
                person_id=person.id,
                role_id=role,
                created_at=begin,
                state="expired",
                ended_at=begin + timedelta(days=ends),
            )
            writing.add(account)
            writing.flush()
            numbers[account.id] = (ends, records)
    for day in sorted(days):
        now = begin + timedelta(days=day)
        with office.database.write() as writing, lifted(writing):
            # The ledger as it is on that day: what was made, and is still kept.
            writing.execute(AuthEvent.__table__.delete())  # type: ignore[attr-defined]
            for number, (_ends, records) in numbers.items():
                for made, kept in records:
                    if made <= day < made + kept:
                        writing.add(
                            AuthEvent(
                                at=begin + timedelta(days=made),
                                user_name="x",
                                account_id=number,
                                method="pap",
                                outcome="accept",
                                reason="ok",
                            )
                        )
            writing.flush()
            found = forgetting.candidates(writing, now - timedelta(days=90))
            forgetting.forget(writing, now, set(found) - forgetting.needed(writing, found))
        with office.database.read() as reading:
            for number, (ends, records) in numbers.items():
                account = reading.get_one(Account, number)
                assert account.person is not None
                passed = [one for one in sorted(days) if one <= day]
                may_go = any(
                    one >= ends + 90
                    and not any(made <= one < made + kept for made, kept in records)
                    for one in passed
                )
                assert (account.person.full_name == "") == may_go
                assert account.username.startswith("anonymised-") == may_go
    with office.database.write() as writing:
        for number in numbers:
            account = writing.get_one(Account, number)
            account.anonymised_at = begin


def test_a_name_that_is_taken_holds_up_nobody_else(
    office_on: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    _person, guest, device = fill(office_on)
    taken = add_person(office_on, "placeholder")
    with office_on.database.write() as writing:
        writing.get_one(Account, taken).username = f"anonymised-{guest}"
        with monkeypatch.context() as blind:
            blind.setattr(forgetting, "_free_name", lambda _session, number: "somchai")
            assert forgetting.forget(writing, NOW, [guest]) == 0
        assert forgetting.forget(writing, NOW, [guest, device]) == 2
    with office_on.database.read() as reading:
        assert reading.get_one(Account, guest).username == f"anonymised-{guest}-2"
        assert reading.get_one(Account, device).username == f"anonymised-{device}"


@pytest.mark.parametrize("name", ["anonymised-12", "Anonymised-r7", "anonymised-12-2"])
def test_names_of_forgotten_accounts_are_nobody_s_to_take(name: str) -> None:
    with pytest.raises(UsageError, match="the system uses itself"):
        people.free_username(name)
