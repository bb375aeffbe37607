"""Consent of guardians: recorded, asked for at every login where a role needs it, withdrawn."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from common.errors import NotFound, Refused, UsageError
from db.models import (
    AuditEvent,
    CoaRequest,
    Credential,
    GuardianConsent,
    NetworkSession,
    Person,
)
from identity.domain.access import NO_CONSENT, UNCHANGED, Denied, Granted, Method, Reason
from identity.domain.guardians import How, Relation, read_given
from identity.office import Office
from identity.services import (
    dynamic,
    forgetting,
    guardians,
    my_data,
    nas,
    people,
    roles,
    roster,
    subjects,
)
from identity.services.login import check_password
from identity.services.reach import EVERYWHERE
from identity.stores.sql import SqlStore
from tests.conftest import Site, add_person
from tests.unit.radius_server.process.script import NOW, account

FIELDS = {
    "guardian": "นางสมศรี ใจดี", "relation": "mother", "how": "paper", "given_on": "1/11/2568",
    "text_version": "2568-1", "document": "ศธ 04001/77",
}  # fmt: skip
HEADINGS = ",".join(guardians.COLUMNS)
PASSWORD = "green elephant 77"


@pytest.fixture
def pupil(office_on: Office) -> Office:
    """An office whose role student needs a consent, with one pupil."""
    office = office_on
    add_pupil(office, "malee", "45120")
    return office


def add_pupil(office: Office, name: str, code: str) -> None:
    with office.database.write() as session:
        if code == "45120":
            roles.add_organisation(session, office, "S1", "โรงเรียน", "test")
            roles.set_guardian_consent(session, office, "student", True, "test")
            session.flush()
        people.add_user(
            session,
            office,
            people.NewUser(
                username=name, password_hash=office.passwords.hash(PASSWORD), role="student",
                full_name="ด.ญ.มาลี ดีงาม", organisation="S1", person_code=code,
            ),
            "test",
        )  # fmt: skip


def give(office: Office, code: str = "45120", **more: str) -> int:
    with office.database.write() as session:
        given = guardians.read_line(FIELDS | more, "Asia/Bangkok", office.clock())
        person = guardians.find_person(session, EVERYWHERE, "S1", code)
        made = guardians.record(session, office, person, given, "head")
        assert made is not None
        return made.id


def told(office: Office, name: str = "malee") -> Reason | None:
    decision = check_password(office, name, PASSWORD)
    if isinstance(decision, Denied):
        return decision.reason
    assert isinstance(decision, Granted)
    return None


def test_a_pupil_without_one_is_refused_by_portal_and_radius_until_it_is_recorded(
    pupil: Office,
) -> None:
    add_person(pupil, "somchai")
    with pupil.database.write() as session:
        dynamic.change_role(session, pupil, people.get(session, "somchai"), "staff", "test")
    store = SqlStore(pupil)
    try:
        found = store.accounts(["malee", "somchai"])
        assert (found["malee"].state, found["somchai"].state) == (NO_CONSENT, "active")
        assert found["malee"].refusal(pupil.clock()) is Reason.NO_CONSENT
        assert told(pupil) is Reason.NO_CONSENT
        before = store.revision()
        number = give(pupil)
        assert store.revision() > before, "workers drop what they have in memory"
        assert store.accounts(["malee"])["malee"].state == "active"
        assert told(pupil) is None
        with pupil.database.write() as session:
            guardians.withdraw(session, pupil, number, "หนังสือที่ 9/2569", "head")
        assert store.accounts(["malee"])["malee"].state == NO_CONSENT
        assert told(pupil) is Reason.NO_CONSENT
        with pupil.database.write() as session:
            people.set_state(session, pupil, "malee", "suspended", "head")
        assert store.accounts(["malee"])["malee"].state == "suspended"
        assert told(pupil) is Reason.SUSPENDED
    finally:
        store.close()


def test_it_is_asked_before_the_password_that_is_to_be_changed(pupil: Office) -> None:
    with pupil.database.write() as session:
        hashed = pupil.passwords.hash(PASSWORD)
        people.set_password(session, pupil, "malee", hashed, "head", must_change=True)
    passwords = pupil.config.passwords.model_copy(update={"unchanged_by_radius": "refuse"})
    config = pupil.config.model_copy(update={"passwords": passwords})
    store = SqlStore(replace(pupil, config=config))
    try:
        assert store.accounts(["malee"])["malee"].state == NO_CONSENT
        give(pupil)
        assert store.accounts(["malee"])["malee"].state == UNCHANGED
    finally:
        store.close()
    over = account(state=NO_CONSENT, expires_at=NOW)
    assert over.refusal(NOW) is Reason.EXPIRED


def test_a_wrong_password_is_not_told_what_is_missing(pupil: Office) -> None:
    decision = check_password(pupil, "malee", "guess", Method.PORTAL)
    assert isinstance(decision, Denied) and decision.reason is Reason.WRONG_PASSWORD


def test_withdrawing_ends_open_sessions_and_is_done_once(pupil: Office) -> None:
    number = give(pupil)
    now = pupil.clock()
    with pupil.database.write() as session:
        ap = nas.add_nas(session, pupil, "ap", "10.0.0.1/32", "a very long secret", "test")
        session.flush()
        session.add(
            NetworkSession(
                session_key="k" * 32, nas_client_id=ap.id, nas_identity="ap",
                acct_session_id="1", user_name="malee",
                account_id=people.get(session, "malee").id, started_at=now, last_heard_at=now,
                session_seconds=1, stop_seen=0, input_octets=0, output_octets=0,
            )
        )  # fmt: skip
    with pupil.database.write() as session, pytest.raises(UsageError, match="say on what"):
        guardians.withdraw(session, pupil, number, " ", "head")
    with pupil.database.write() as session:
        guardians.withdraw(session, pupil, number, "letter 9", "head")
    with pupil.database.write() as session, pytest.raises(Refused, match="before"):
        guardians.withdraw(session, pupil, number, "letter 9", "head")
    with pupil.database.write() as session, pytest.raises(NotFound, match="consent list"):
        guardians.withdraw(session, pupil, 999, "letter 9", "head")
    with pupil.database.read() as session:
        (order,) = session.scalars(select(CoaRequest)).all()
        actions = session.scalars(
            select(AuditEvent.action).where(AuditEvent.action.startswith("consent:"))
        ).all()
        target = session.scalar(
            select(AuditEvent.target).where(AuditEvent.action == "consent:withdrawn")
        )
    assert order.reason == "guardian_consent_withdrawn"
    waits = order.not_before - order.created_at
    assert waits == dynamic.SEEN_AFTER, "until every worker refuses who comes straight back"
    assert (sorted(actions), target) == (["consent:recorded", "consent:withdrawn"], "malee")


def test_a_role_that_asks_for_none_lets_everybody_in(pupil: Office) -> None:
    with pupil.database.write() as session:
        roles.set_guardian_consent(session, pupil, "student", False, "head")
    assert told(pupil) is None
    with pupil.database.read() as session:
        assert guardians.count_missing(session) == 0


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_schools_own_list_is_read_in_thai_whatever_separates_its_cells(
    pupil: Office, separator: str
) -> None:
    cells = ("S1", "45120", "นายดี", "บิดา", "เอกสาร", "22/11/2568", "2568-1", "ศธ 1")
    lines = (separator.join(guardians.COLUMNS), separator.join(cells))
    with pupil.database.write() as session:
        found = guardians.import_csv(session, pupil, "\r\n".join(lines).encode(), "head")
        (made,) = session.scalars(select(GuardianConsent)).all()
    assert (found.recorded, found.bad) == (1, ())
    assert (made.relation, made.how) == ("father", "paper")


@pytest.mark.parametrize(
    ("octets", "says"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf\r\n", "the file is empty"),
        (HEADINGS.encode("utf-16"), "save as CSV UTF-8"),
    ],
)
def test_a_file_that_holds_no_list_says_how_to_save_it(
    pupil: Office, octets: bytes, says: str
) -> None:
    with pupil.database.write() as session, pytest.raises(UsageError, match=says):
        guardians.import_csv(session, pupil, octets, "head")


def test_a_school_that_is_not_there_is_told_from_a_number_that_is_not(pupil: Office) -> None:
    with pupil.database.read() as session:
        with pytest.raises(NotFound, match="there is no organisation 'NOPE'; see: yuenyan org"):
            guardians.find_person(session, EVERYWHERE, "NOPE", "45120")
        with pytest.raises(NotFound, match="has the number '9' at S1"):
            guardians.find_person(session, EVERYWHERE, "S1", "9")


def test_a_file_is_taken_in_line_by_line_and_twice_is_harmless(pupil: Office) -> None:
    add_pupil(pupil, "nok", "45121")
    good = "S1,45120,นางสมศรี ใจดี,mother,paper,1/11/2568,2568-1,77"
    lines = [
        HEADINGS, good, "S1,45121,นายสมชาย,father,in-person,2025-11-01,2568-1,78",
        "S1,99999,นายก,father,paper,1/11/2568,2568-1,79",
        "S2,45120,นายข,father,paper,1/11/2568,2568-1,80",
        "S1,45120,นายค,uncle,paper,1/11/2568,2568-1,81",
        "S1,45120,นายง,father,paper,1/11/2599,2568-1,82",
        "S1,45120,,father,paper,1/11/2568,2568-1,83",
    ]  # fmt: skip
    octets = "\n".join(lines).encode("cp874")
    with pupil.database.write() as session:
        found = guardians.import_csv(session, pupil, octets, "head")
    assert (found.recorded, found.known) == (2, 0)
    assert [one.row for one in found.bad] == [4, 5, 6, 7, 8]
    assert "นาย" not in repr(found.bad)
    with pupil.database.write() as session:
        again = guardians.import_csv(session, pupil, octets, "head")
        rows = session.scalars(select(GuardianConsent)).all()
    assert (again.recorded, again.known, len(rows)) == (0, 2, 2)
    assert rows[0].guardian == "นางสมศรี ใจดี"
    assert rows[0].given_at == datetime(2025, 10, 31, 17, tzinfo=UTC)
    with pupil.database.write() as session:
        for broken in (b"a,b\n1,2", b"", b"\x00"):
            with pytest.raises(UsageError):
                guardians.import_csv(session, pupil, broken, "head")


@pytest.mark.parametrize(
    ("name", "value"),
    [("guardian", " "), ("document", ""), ("text_version", "x" * 201), ("relation", "aunt"),
     ("how", "telephone")],
)  # fmt: skip
def test_a_consent_that_could_not_be_shown_later_is_not_recorded(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=name):
        read_given(FIELDS | {name: value}, NOW, NOW)
    given = read_given(FIELDS, NOW, NOW)
    assert (given.relation, given.how) == (Relation.MOTHER, How.PAPER)


def test_it_is_in_the_copy_of_the_pupils_data_and_its_names_go_with_the_pupils(
    pupil: Office,
) -> None:
    give(pupil)
    with pupil.database.write() as session:
        who = people.get(session, "malee")
        held = subjects.collect(session, pupil, who, "malee")
        assert held["guardian_consents"][0]["guardian"] == "นางสมศรี ใจดี"
        assert "guardian_consents" in {one.kind for one in my_data.held(session, who)}
        people.set_state(session, pupil, "malee", "suspended", "head")
        assert forgetting.forget(session, pupil.clock(), [who.id]) == 1
        row = session.scalars(select(GuardianConsent)).one()
        assert (row.guardian, row.document, row.how) == ("", "", "paper")


def test_the_roster_says_so_to_who_proves_the_birth_date_and_to_nobody_else(
    pupil: Office,
) -> None:
    add_pupil(pupil, "nok", "45121")
    born = datetime(2012, 12, 31, tzinfo=UTC).date()
    with pupil.database.write() as session:
        person = session.scalars(select(Person).where(Person.person_code == "45121")).one()
        person.birth_hmac = roster.birth_hash(pupil, person.id, born)
        person.class_name = "ม.1/1"
        session.delete(session.get_one(Credential, people.get(session, "nok").id))
    claim = roster.Claim(organisation="S1", person_code="45121", role="student")
    with pupil.database.write() as session:
        proven = replace(claim, birth_date="31/12/2555")
        found = roster.apply(session, pupil, proven, "hash")
        assert isinstance(found, roster.NoConsent)
        by_class = roster.apply(session, pupil, replace(claim, class_name="ม.1/1"), "hash")
        assert not isinstance(by_class, roster.NoConsent)
    give(pupil, "45121")
    with pupil.database.write() as session:
        found = roster.apply(session, pupil, proven, "hash")
        assert not isinstance(found, roster.NoConsent | roster.NotOnRoster)


def test_the_console_records_lists_imports_and_withdraws(
    site: Site, office: Office, tmp_path: Path
) -> None:
    add_pupil(office, "malee", "45120")
    told_role = site.yuenyan("role", "list", "--json").stdout
    by_name = {one["name"]: one["guardian_consent"] for one in json.loads(told_role)}
    assert (by_name["student"], by_name["staff"]) == (True, False)
    missing = json.loads(site.yuenyan("consent", "list", "--missing", "--json").stdout)
    assert [one["username"] for one in missing] == ["malee"]
    options = [
        word for name, value in FIELDS.items() for word in (f"--{name.replace('_', '-')}", value)
    ]
    add = ("consent", "add", "--org", "S1", "--person-code", "45120", *options)
    made = site.yuenyan(*add)
    assert made.stdout == "consent 1 is recorded\n", made.stderr
    again = site.yuenyan(*add)
    assert (again.exit_code, "already" in again.stderr) == (1, True)
    file = tmp_path / "consents.csv"
    file.write_text(f"{HEADINGS}\nS1,1,a,father,paper,1/11/2568,1,1\n", encoding="utf-8")
    taken = site.yuenyan("consent", "import", str(file))
    assert (taken.exit_code, "row 2: nobody, or more than one, has the number" in taken.stderr) == (
        1,
        True,
    )
    (listed,) = json.loads(site.yuenyan("consent", "list", "--json").stdout)
    assert (listed["guardian"], listed["withdrawn_at"]) == ("นางสมศรี ใจดี", None)
    ended = site.yuenyan("consent", "withdraw", "1", "--reason", "letter 9")
    assert ended.stdout == "consent 1 is withdrawn; sessions being ended: 0\n"
    off = site.yuenyan("role", "set", "student", "--guardian-consent", "not-required")
    assert off.exit_code == 0 and told(office) is None
