"""Notices by version: three readers, two languages, and who was given which text."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from captive_portal.public import create_app
from db.models import Account, NoticeText, Organisation, Registration
from identity.office import Office
from identity.services import notices
from identity.services.notices import Audience, Text
from tests.conftest import Site, add_person

NOW = datetime(2026, 11, 28, tzinfo=UTC)
NEEDED = {
    "th": ("90 วัน", "120 วัน", "MAC|เครื่องไหน", "แก้", "พนักงานเจ้าหน้าที่|เจ้าหน้าที่ที่กฎหมาย"),
    "en": ("90 days", "120 days", "MAC|which device", "correct", "official"),
}


@pytest.mark.parametrize("language", ["th", "en"])
@pytest.mark.parametrize("audience", list(Audience))
def test_each_notice_lists_data_purpose_period_recipients_rights_and_contact(
    site: Site, audience: Audience, language: str
) -> None:
    text = site.config_file.read_text(encoding="utf-8")
    site.config_file.write_text(
        text + '[office]\nname = "สพม.ทดสอบ"\ndata_protection_contact = "ห้อง 12 โทร. 99"\n',
        encoding="utf-8",
    )
    arguments = ("notice", "show", "--for", str(audience), "--language", language)
    shown = site.yuenyan(*arguments).stdout
    for needed in NEEDED[language]:
        assert any(one in shown for one in needed.split("|")), needed
    assert "สพม.ทดสอบ" in shown and "ห้อง 12 โทร. 99" in shown
    body, _, tail = shown.rpartition("\n<!-- ")
    assert hashlib.sha256(body.encode()).hexdigest() in tail


@pytest.mark.parametrize("audience", ["everybody", "guardian"])
def test_who_is_told_that_destinations_are_kept_is_told_why(site: Site, audience: str) -> None:
    thai = site.yuenyan("notice", "show", "--for", audience).stdout
    english = site.yuenyan("notice", "show", "--for", audience, "--language", "en").stdout
    assert "ปลายทางใช้เพื่อแยกผู้ที่ใช้หมายเลขไอพีสาธารณะเดียวกัน" in thai
    assert "Destinations serve only to tell apart who used one public address" in english


def test_guardians_are_told_the_basis_and_that_consent_is_for_what_is_optional(site: Site) -> None:
    thai = site.yuenyan("notice", "show", "--for", "guardian").stdout
    assert "มาตรา 24 (6)" in thai and "ไม่ต้องขอความยินยอม" in thai and "ไม่เกิน 10 ปี" in thai
    pupil = site.yuenyan("notice", "show", "--for", "pupil").stdout
    assert len(pupil) < len(thai) * 0.8


def test_the_portal_offers_each_reader_their_version(office: Office) -> None:
    client = create_app(office).test_client()
    seen = set()
    for audience in ("", "?for=pupil", "?for=guardian"):
        joint = "&" if audience else "?"
        page = client.get(f"/notice{audience}{joint}lang=th").text
        seen.add(page.split("SHA-256 ")[1][:64])
        assert "ฉบับย่อสำหรับนักเรียน" in page and "สำหรับผู้ปกครอง" in page
    assert len(seen) == 3
    assert client.get("/notice?for=<x>").status_code == 200


def test_a_text_is_kept_once_by_its_hash(office_on: Office) -> None:
    text = Text(
        sha256="a" * 64, version="1", audience=Audience.PUPIL, language="th", text="<p>ก</p>"
    )
    notices.store(office_on, text)
    notices.store(office_on, text)
    with office_on.database.read() as session:
        (kept,) = session.scalars(select(NoticeText)).all()
    assert (kept.text, kept.audience) == ("<p>ก</p>", "pupil")


def test_a_class_is_given_the_notice_once_and_that_is_on_record(site: Site, office: Office) -> None:
    numbers = [add_person(office, name) for name in ("somchai", "somying", "staff")]
    with office.database.write() as session:
        school = Organisation(code="KRT1", name="โรงเรียนหนึ่ง", created_at=NOW)
        session.add(school)
        session.flush()
        for number, class_name in zip(numbers, ("ม.1/1", "ม.1/1", None), strict=True):
            account = session.get_one(Account, number)
            account.organisation_id = school.id
            assert account.person is not None
            account.person.class_name = class_name
    arguments = ("notice", "give", "--org", "KRT1", "--class", "ม.1/1", "--for", "pupil")
    first = site.yuenyan(*arguments, "--how", "แจกในชั้นเรียน")
    assert first.stdout.startswith("2 of 2 had not"), first.stderr
    assert site.yuenyan(*arguments, "--how", "อีกครั้ง").stdout.startswith("0 of 2 had not")
    given = json.loads(site.yuenyan("notice", "given", "somchai", "--json").stdout)
    assert [(one["how"], one["version"]) for one in given] == [("แจกในชั้นเรียน", "2026-11.2")]
    listed = json.loads(site.yuenyan("notice", "list", "--json").stdout)
    assert given[0]["sha256"] in {one["sha256"] for one in listed}
    with office.database.read() as session:
        assert notices.find_untold(session) == ["head", "staff"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("notice", "give", "--how", "x"), 2),
        (("notice", "give", "head", "--org", "A", "--how", "x"), 2),
        (("notice", "give", "--class", "x", "--how", "x"), 2),
        (("notice", "give", "head"), 2),
        (("notice", "give", "nobody", "--how", "x"), 1),
        (("notice", "give", "--org", "NOWHERE", "--how", "x"), 2),
    ],
)
def test_a_notice_that_nobody_was_given_is_not_written_down(
    site: Site, arguments: tuple[str, ...], code: int
) -> None:
    assert site.yuenyan(*arguments).exit_code == code


def test_what_a_visitor_accepted_on_the_portal_counts_as_given(office: Office) -> None:
    number = add_person(office, "somchai")
    with office.database.write() as session:
        account = session.get_one(Account, number)
        session.add(
            Registration(
                reference="ABCDEFGH", state="active", username="somchai", full_name="ก",
                contact="1", password_hash="", role_id=account.role_id, notice_hash="b" * 64,
                created_at=NOW, account_id=number,
            )
        )  # fmt: skip
    with office.database.read() as session:
        (given,) = notices.given_to(session, session.get_one(Account, number))
        assert (given.sha256, given.how) == ("b" * 64, "accepted on the portal")
        assert "somchai" not in notices.find_untold(session)
