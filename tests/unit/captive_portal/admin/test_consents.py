"""Consent of guardians at a desk: one by one, by a file, withdrawn, and within one's school."""

from __future__ import annotations

import io
from collections.abc import Callable

from sqlalchemy import select

from db.models import GuardianConsent, Person
from identity.office import Office
from identity.services import guardians, roles
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.admin.conftest import _TOKEN, Officer

FIELDS = {
    "org": seed.SCHOOL, "person_code": "45120", "guardian": "นางสมศรี น้ำผึ้งป่า",
    "relation": "mother", "how": "paper", "given_on": "1/11/2568", "text_version": "2568-1",
    "document": "ศธ 04001/77",
}  # fmt: skip


def stored(office: Office) -> list[GuardianConsent]:
    with office.database.read() as session:
        return list(session.scalars(select(GuardianConsent)))


def test_a_school_records_a_consent_sees_who_lacks_one_and_withdraws_it(
    office: Office, signed_in: Callable[[str], Officer]
) -> None:
    seed.add_school_day(office)
    with office.database.write() as session:
        roles.set_guardian_consent(session, office, "student", True, "head")
    officer = signed_in("rongrian")
    assert "Refused for want of a consent: 3" in officer.get("/consents/").text
    page = officer.follow("/consents/new", "/consents/new", **FIELDS)
    assert "นางสมศรี น้ำผึ้งป่า" in page and "Refused for want of a consent: 2" in page
    again = officer.post("/consents/new", "/consents/new", **FIELDS)
    assert again.status_code == 422 and "recorded already" in again.text
    wrong = officer.post("/consents/new", "/consents/new", **FIELDS | {"person_code": "9"})
    assert "No pupil within your reach" in wrong.text
    wrong = officer.post("/consents/new", "/consents/new", **FIELDS | {"person_code": ""})
    assert "Enter the pupil&#39;s number, or the user name." in wrong.text
    named = {"person_code": "", "username": "Thanyarat", "document": "78"}
    assert "Refused for want of a consent: 1" in officer.follow(
        "/consents/new", "/consents/new", **FIELDS | named
    )
    wrong = officer.post("/consents/new", "/consents/new", **FIELDS | {"username": "head"})
    assert "Nobody within your reach has this user name." in wrong.text
    wrong = officer.post("/consents/new", "/consents/new", **FIELDS | {"given_on": "someday"})
    assert wrong.status_code == 422
    assert "Write the date like 22/11/2569 or 2026-11-22." in wrong.text
    assert "Say on what" in officer.follow("/consents/1/withdraw", "/consents/", why=" ")
    assert "is withdrawn" in officer.follow("/consents/1/withdraw", "/consents/", why="หนังสือ 9")
    assert "withdrawn before" in officer.follow("/consents/1/withdraw", "/consents/", why="x")
    assert stored(office)[0].withdrawn_why == "หนังสือ 9"
    assert "ความยินยอมของผู้ปกครอง" in officer.get("/consents/?lang=th").text


def test_what_the_console_did_is_not_said_in_the_name_of_a_person(
    office: Office, signed_in: Callable[[str], Officer]
) -> None:
    seed.add_school_day(office)
    officer = signed_in("rongrian")
    officer.follow("/consents/new", "/consents/new", **FIELDS)
    with office.database.write() as session:
        session.scalars(select(GuardianConsent)).one().recorded_by = "command-line"
    shown = officer.get("/consents/?lang=th").text
    assert "คำสั่งที่เครื่องแม่ข่าย" in shown and "command-line" not in shown


def test_another_schools_pupils_are_out_of_reach(
    office: Office, signed_in: Callable[[str], Officer]
) -> None:
    seed.add_school_day(office)
    with office.database.write() as session:
        roles.add_organisation(session, office, "KRT2", "อีกโรงเรียน", "test")
    signed_in("head").follow("/consents/new", "/consents/new", **FIELDS)
    with office.database.write() as session:
        one = session.scalars(select(GuardianConsent)).one()
        person = session.get_one(Person, one.person_id)
        person.organisation_id = roles.get_organisation(session, "KRT2").id
    officer = signed_in("rongrian")
    assert "นางสมศรี" not in officer.get("/consents/").text
    assert officer.post("/consents/1/withdraw", "/consents/new", why="x").status_code == 404
    assert stored(office)[0].withdrawn_at is None


def test_a_file_is_taken_in_and_its_wrong_rows_are_named(
    office: Office, signed_in: Callable[[str], Officer]
) -> None:
    seed.add_school_day(office)
    officer = signed_in("rongrian")
    lines = [",".join(FIELDS), ",".join(FIELDS.values()), "KRT1,9,a,father,paper,1/1/2568,1,1"]
    found = _TOKEN.search(officer.get("/consents/").text)
    assert found is not None
    sent = officer.client.post(
        "/consents/import",
        data={
            "csrf_token": found[1],
            "file": (io.BytesIO("\n".join(lines).encode()), "consents.csv"),
        },
        headers={"Accept-Language": "en"},
    )
    page = officer.get(sent.location).text
    assert "Recorded: 1, known already: 0." in page and "rows 3." in page
    assert len(stored(office)) == 1


def test_the_sample_file_has_the_columns_and_is_understood(admin: Officer, office: Office) -> None:
    sent = admin.get("/consents/sample.csv")
    assert sent.headers["Content-Type"].startswith("text/csv")
    assert sent.data.startswith(b"\xef\xbb\xbf")
    with office.database.write() as session:
        found = guardians.import_csv(session, office, sent.data, "head")
    assert found.recorded == 0
    assert [one.reason for one in found.bad] == [
        "there is no organisation 'NNS'; see: yuenyan org list"
    ]
