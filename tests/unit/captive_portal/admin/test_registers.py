"""The registers as officers meet them: in two languages, step by step, and on the first page."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from captive_portal.admin import register_words
from captive_portal.admin.language import speaking
from common.errors import NetAccessError
from identity.domain.registers import KINDS, Action, Register, State
from identity.office import Office
from identity.services import registers
from tests.unit.captive_portal.admin.conftest import Officer
from traffic.clock.judgement import State as ClockState
from traffic.clock.judgement import Verdict
from traffic.clock.sampling import Sample, store_sample
from yuenyan.checkup.clocks import ADVICE

POLICE = {
    "office": "สภ.เมืองชัยภูมิ",
    "officer": "ร.ต.อ. สมศักดิ์",
    "officer_id": "12345",
    "basis": "s18-2",
    "document_number": "ตช 0018/123",
    "scope": "ผู้ใช้ 203.0.113.7",
    "from_at": "2569-11-01 00:00",
    "to_at": "2569-11-02 00:00",
}


def test_every_code_of_the_registers_has_words() -> None:
    assert set(register_words.REGISTERS) == set(register_words.LEADS) == set(Register)
    assert set(register_words.STATES) == set(State)
    assert set(register_words.ACTIONS) == set(Action)
    assert set(register_words.STEPS) == set(Action) - {Action.ADDED, Action.EXPORTED}
    fields = [field for kind in KINDS.values() for field in kind.fields]
    assert set(register_words.FIELDS) == {field.name for field in fields}
    assert set(register_words.CHOICES) == {one for field in fields for one in field.choices}
    assert set(ADVICE) <= set(register_words.CLOCK)


def test_an_officer_enters_approves_and_delivers_a_request(admin: Officer) -> None:
    entered = admin.follow("/registers/request/new", "/registers/request/new", **POLICE)
    assert "Entered as REQ-" in entered and "ผู้ใช้ 203.0.113.7" in entered
    number = entered.split("Entered as ")[1].split(".")[0]
    page = f"/registers/request/{number}"
    assert "Delivered" not in admin.get(page).text
    approved = admin.follow(f"{page}/step", page, action="approved", note="ครบถ้วน")
    assert "approved, not delivered" in approved
    sha256 = hashlib.sha256(b"x").hexdigest()
    done = admin.follow(
        f"{page}/step", page, action="delivered", to_whom="ร.ต.อ. สมศักดิ์", sha256=sha256
    )
    assert sha256 in done and 'class="badge soft">done' in done
    assert number not in admin.get("/registers/request/").text
    assert number in admin.get("/registers/request/?show=all").text


@pytest.mark.parametrize(
    ("changes", "english", "thai"),
    [
        ({"officer": ""}, "Please fill in: Officer", "โปรดกรอก: เจ้าหน้าที่ผู้ขอ"),
        ({"days": "6"}, "7 to 15 days.", "กำหนดได้ 7 ถึง 15 วัน"),
        ({"days": "x"}, "Write the days as a number.", "จำนวนวันเป็นตัวเลข"),
        ({"received": "soon"}, "Write the time like", "โปรดกรอกเวลาในรูปแบบ"),
        ({"to_at": "2569-10-01"}, "ends before it begins", "อยู่ก่อนเวลาเริ่มต้น"),
    ],
)
def test_a_refusal_says_in_either_language_what_to_mend_and_keeps_what_was_typed(
    admin: Officer, changes: dict[str, str], english: str, thai: str
) -> None:
    for language, expected in (("en", english), ("th", thai)):
        page = f"/registers/request/new?lang={language}"
        refused = admin.post(page, page, **(POLICE | changes))
        assert refused.status_code == 422
        assert expected in refused.text
        assert "สภ.เมืองชัยภูมิ" in refused.text


def test_a_request_without_a_basis_is_told_why_it_cannot_be_approved(admin: Officer) -> None:
    entered = admin.follow(
        "/registers/request/new", "/registers/request/new", **(POLICE | {"basis": "none"})
    )
    number = entered.split("Entered as ")[1].split(".")[0]
    page = f"/registers/request/{number}"
    refused = admin.post(f"{page}/step", page, action="approved", note="they insist")
    assert refused.status_code == 422 and "It names no legal basis." in refused.text
    for action in ("added", "exported", "nonsense"):
        assert admin.post(f"{page}/step", page, action=action, note="x").status_code == 400
    assert admin.get(f"/registers/incident/{number}").status_code == 404


def test_an_auditor_reads_the_registers_and_changes_nothing(
    office: Office, signed_in: Callable[[str], Officer]
) -> None:
    with office.database.write() as session:
        number = registers.add(session, office, Register.REQUEST, POLICE, "head").number
    auditor = signed_in("truat")
    page = auditor.get(f"/registers/request/{number}").text
    assert "ตช 0018/123" in page and "Go on" not in page
    assert "Enter one" not in auditor.get("/registers/request/").text


def test_the_first_page_warns_of_what_is_due_and_of_who_is_not_named(
    office: Office, admin: Officer, signed_in: Callable[[str], Officer]
) -> None:
    came = datetime.now(UTC) - timedelta(days=8)
    with office.database.write() as session:
        number = registers.add(
            session, office, Register.REQUEST, POLICE, "head", received_at=came
        ).number
    page = admin.get("/").text
    assert f"{number} was due" in page and f"/registers/request/{number}" in page
    assert "Nobody is named who gives information to officials" in page
    assert number not in signed_in("kruya").get("/").text


def test_the_first_page_tells_how_the_clock_stands(office: Office, admin: Officer) -> None:
    before = admin.get("/").text
    assert "The clock of this machine: not shown to be right: never measured." in before
    own = Verdict(
        state=ClockState.SYNCHRONISED, method="chrony", source="a", offset_us=-400, error_us=2_600
    )
    store_sample(office.config, "node", Sample(at=datetime.now(UTC), own=own, servers={}))
    page = admin.get("/").text
    assert "at most 3.0 ms wrong" in page and "The clock of this machine" not in page


def test_what_nobody_wrote_words_for_is_still_told() -> None:
    with speaking("th", "Asia/Bangkok"):
        assert "something new" in register_words.explain(NetAccessError("something new"))
