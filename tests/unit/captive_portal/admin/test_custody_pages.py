"""The custody register in the admin portal: who sees it, what may be entered, the form."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from captive_portal.admin import words
from identity.office import Office
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.admin.conftest import Officer
from traffic.evidence import papers
from traffic.evidence.custody import No, Step


@pytest.fixture(autouse=True)
def _exhibit(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(papers, "to_pdf", lambda html: None)
    seed.add_exhibit(office, "case <b>.zip")


def test_every_step_and_refusal_has_words() -> None:
    assert set(words.CUSTODY_STEPS) == set(Step)
    assert set(words.CUSTODY_REFUSALS) == {no.name for no in No}


def test_an_admin_follows_an_exhibit_and_enters_its_steps(admin: Officer) -> None:
    page = admin.get("/custody/").text
    assert "12/2569" in page and "case &lt;b&gt;.zip" in page
    assert admin.get("/custody/?case=13").text.count("12/2569") == 0
    told = {"person": "ร.ต.อ. กล้า", "officer_id": "123", "document": "ศธ 1/2"}
    early = admin.follow("/custody/1/steps", "/custody/1", step="handed_over", **told)
    assert "Nobody has approved" in early
    lacking = admin.follow("/custody/1/steps", "/custody/1", step="approved", person="ผอ.")
    assert "fill in: Number of the document" in lacking
    admin.follow("/custody/1/steps", "/custody/1", step="approved", **told)
    page = admin.follow("/custody/1/steps", "/custody/1", step="handed_over", **told)
    assert "Entered." in page and "handed over" in page and "ร.ต.อ. กล้า" in page
    assert admin.post("/custody/1/steps", "/custody/1", step="created").status_code == 400
    assert admin.post("/custody/7/steps", "/custody/1", step="copied").status_code == 404
    assert admin.get("/custody/7").status_code == 404


def test_the_form_comes_as_a_file_with_the_hash_filled_in(admin: Officer) -> None:
    answer = admin.get("/custody/1/form")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="custody-1.html"'
    assert "abababab abababab" in answer.text and "แบบบันทึกการส่งต่อพยานหลักฐาน" in answer.text
    assert admin.get("/custody/7/form").status_code == 404


def test_an_auditor_sees_the_register_and_enters_nothing(
    signed_in: Callable[[str], Officer],
) -> None:
    auditor = signed_in("truat")
    assert "Enter a step" not in auditor.get("/custody/1").text
    assert auditor.post("/custody/1/steps", "/custody/1", step="copied").status_code == 403


def test_an_approver_does_not_see_it(signed_in: Callable[[str], Officer]) -> None:
    approver = signed_in("kruya")
    for path in ("/custody/", "/custody/1", "/custody/1/form"):
        assert approver.get(path).status_code == 403


def test_tampering_is_said_on_the_page(admin: Officer, office: Office) -> None:
    assert "tampered" not in admin.get("/custody/").text
    with office.database.write() as session:
        session.execute(text("UPDATE custody_step SET person = 'x'"))
    assert "tampered" in admin.get("/custody/").text


def test_the_page_is_thai_for_a_thai_officer(admin: Officer) -> None:
    page = admin.client.get("/custody/1?lang=th").text
    assert "พยานหลักฐานที่ 1" in page and "เลขบัตรประจำตัวเจ้าหน้าที่" in page
