"""The office's registers: terms, what may leave on what, and that every step is kept."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest
from sqlalchemy import select

from common.errors import NotFound, Refused, UsageError
from db.models import AuditEvent, RegisterStep
from identity.domain.registers import (
    KINDS,
    Action,
    Basis,
    Register,
    State,
    check_facts,
    due_at,
    next_state,
    why_not_approved,
)
from identity.office import Office
from identity.services import registers, requests
from identity.services.registers import Step
from tests.conftest import Site, add_person
from yuenyan.checkup.registers import check_registers

CAME = datetime(2024, 11, 20, 3, 0, tzinfo=UTC)
POLICE = {
    "office": "สภ.เมืองชัยภูมิ",
    "officer": "พ.ต.ท. สมศักดิ์ ใจตรง",
    "officer_id": "12345",
    "basis": "s18-2",
    "document_number": "ตช 0018/123",
    "scope": "ผู้ใช้หมายเลขไอพี 203.0.113.7",
    "from_at": "2567-11-01 00:00",
    "to_at": "2567-11-02 00:00",
    "about": "203.0.113.7:40001",
}
NOVEMBER = datetime(2024, 10, 31, 17, 0, tzinfo=UTC)


def add(office: Office, register: Register, facts: dict[str, str], **more: object) -> str:
    with office.database.write() as session:
        return registers.add(session, office, register, facts, "head", **more).number  # type: ignore[arg-type]


def step(office: Office, number: str, action: Action, **more: str) -> str:
    with office.database.write() as session:
        taken = registers.take_step(session, office, number, Step(action=action, **more), "head")
        return taken.state


# the rules ---------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [7, 8, 15])
def test_an_official_request_may_be_due_in_7_to_15_days(days: int) -> None:
    assert due_at(Register.REQUEST, CAME, days) == CAME + timedelta(days=days)


@pytest.mark.parametrize(
    ("register", "days"),
    [(Register.REQUEST, 6), (Register.REQUEST, 16), (Register.SUBJECT, 31), (Register.SUBJECT, 0)],
)
def test_no_other_term_is_taken(register: Register, days: int) -> None:
    with pytest.raises(UsageError, match="due within"):
        due_at(register, CAME, days)


def test_a_breach_is_due_in_72_hours_whatever_is_asked() -> None:
    assert due_at(Register.INCIDENT, CAME, 30) == CAME + timedelta(hours=72)


def test_a_complaint_has_no_term_of_its_own_because_none_is_confirmed() -> None:
    assert due_at(Register.ABUSE, CAME, None) is None


@pytest.mark.parametrize(
    ("missing", "why"),
    [
        ({"basis": "none"}, "no legal basis"),
        ({"basis": "other-act"}, "which other act"),
        ({"officer_id": ""}, "officer id"),
        ({"document_number": ""}, "document number"),
        ({"from_at": ""}, "period"),
        ({"to_at": ""}, "period"),
    ],
)
def test_a_request_that_lacks_what_the_law_wants_cannot_be_approved(
    missing: dict[str, str], why: str
) -> None:
    assert why in str(why_not_approved(Register.REQUEST, POLICE | missing))
    assert why_not_approved(Register.REQUEST, POLICE) is None


def test_every_state_and_action_is_either_a_step_or_refused() -> None:
    for register, kind in KINDS.items():
        for state in State:
            for action in Action:
                if state in kind.actions.get(action, ()):
                    assert next_state(register, state, action) in set(State)
                else:
                    with pytest.raises(Refused):
                        next_state(register, state, action)


def test_nothing_is_delivered_before_it_is_approved_or_after_it_is_done() -> None:
    for state in (State.OPEN, State.REFUSED, State.DONE):
        with pytest.raises(Refused):
            next_state(Register.REQUEST, state, Action.DELIVERED)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"office": ""}, "office is missing"),
        ({"basis": "because"}, "basis is one of"),
        ({"religion": "x"}, "has no religion"),
        ({"scope": "x" * 4001}, "longer than 4000"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(facts: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        check_facts(Register.REQUEST, POLICE | facts)


# the services ------------------------------------------------------------------------------


def test_numbers_run_within_register_and_buddhist_year(office_on: Office) -> None:
    assert add(office_on, Register.REQUEST, POLICE, received_at=CAME) == "REQ-2567-0001"
    assert add(office_on, Register.REQUEST, POLICE, received_at=CAME) == "REQ-2567-0002"
    new_year = datetime(2023, 12, 31, 17, 30, tzinfo=UTC)  # already 1 January 2567 in Bangkok
    assert add(office_on, Register.REQUEST, POLICE, received_at=new_year) == "REQ-2567-0003"
    before = new_year - timedelta(hours=1)
    assert add(office_on, Register.REQUEST, POLICE, received_at=before) == "REQ-2566-0001"
    told = {"scope": "a laptop was stolen"}
    assert add(office_on, Register.INCIDENT, told, received_at=CAME) == "INC-2567-0001"


def test_entries_that_are_made_at_once_get_different_numbers(office_on: Office) -> None:
    numbers: list[str] = []
    together = Barrier(4)

    def enter() -> None:
        together.wait(10)
        numbers.append(add(office_on, Register.REQUEST, POLICE, received_at=CAME))

    threads = [Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(numbers) == [f"REQ-2567-{number:04d}" for number in range(1, 5)]


def test_a_request_from_entry_to_delivery_leaves_its_whole_history(office_on: Office) -> None:
    number = add(office_on, Register.REQUEST, POLICE, received_at=CAME)
    with office_on.database.read() as session:
        asked = requests.open_request(session, number.lower())
    assert (asked.basis, asked.state) == (Basis.TRAFFIC_DATA, State.OPEN)
    assert asked.from_at == NOVEMBER
    assert asked.due_at == CAME + timedelta(days=7)
    assert asked.about == ("203.0.113.7:40001",)
    assert step(office_on, number, Action.APPROVED, note="s.18(2) is met") == "approved"
    sha256 = hashlib.sha256(b"bundle").hexdigest()
    with office_on.database.write() as session:
        requests.record_export(session, office_on, number, sha256, "bundle 1", "head")
    done = step(
        office_on, number, Action.DELIVERED, to_whom="พ.ต.ท. สมศักดิ์", sha256=sha256,
        document_number="ศธ 04/9",
    )  # fmt: skip
    assert done == "done"
    with office_on.database.read() as session:
        entry = registers.get(session, number)
        steps = registers.history(session, entry)
        assert [one.action for one in steps] == ["added", "approved", "exported", "delivered"]
        assert steps[3].sha256 == sha256 and steps[3].document_number == "ศธ 04/9"
        assert (entry.decided_by, entry.reason) == ("head", "s.18(2) is met")
        assert entry.finished_at is not None


def test_no_export_on_what_is_not_approved_or_wider_than_asked(office_on: Office) -> None:
    number = add(office_on, Register.REQUEST, POLICE, received_at=CAME)
    day = timedelta(days=1)
    with office_on.database.read() as session, pytest.raises(Refused, match="is open"):
        requests.authorise_export(session, number, NOVEMBER, NOVEMBER + day)
    step(office_on, number, Action.APPROVED, note="ok")
    with office_on.database.read() as session:
        allowed = requests.authorise_export(session, number, NOVEMBER, NOVEMBER + day)
        assert allowed.number == number
        for begin, end in ((NOVEMBER - day, NOVEMBER), (NOVEMBER, NOVEMBER + 2 * day)):
            with pytest.raises(Refused, match="asks for"):
                requests.authorise_export(session, number, begin, end)


def test_a_request_without_a_basis_is_kept_and_can_only_be_refused(office_on: Office) -> None:
    asked = {"office": "ไม่ทราบ", "officer": "ทางโทรศัพท์", "scope": "ใครใช้ไอพีนี้"}
    number = add(office_on, Register.REQUEST, asked, received_at=CAME)
    with pytest.raises(Refused, match="no legal basis"):
        step(office_on, number, Action.APPROVED, note="they insist")
    assert step(office_on, number, Action.REFUSED, note="no basis shown") == "refused"
    with office_on.database.read() as session, pytest.raises(Refused, match="is refused"):
        requests.authorise_export(session, number, NOVEMBER, NOVEMBER)


@pytest.mark.parametrize(
    ("action", "more", "why"),
    [
        (Action.REFUSED, {}, "say why"),
        (Action.DELIVERED, {"to_whom": "x"}, "hash"),
        (Action.DELIVERED, {"sha256": "a" * 64}, "to whom"),
        (Action.DELIVERED, {"to_whom": "x", "sha256": "A" * 64}, "64 hex digits"),
    ],
)
def test_a_step_that_says_too_little_is_not_taken(
    office: Office, action: Action, more: dict[str, str], why: str
) -> None:
    number = add(office, Register.REQUEST, POLICE, received_at=CAME)
    if action is Action.DELIVERED:
        step(office, number, Action.APPROVED, note="ok")
    with pytest.raises(UsageError, match=why):
        step(office, number, action, **more)
    with office.database.read() as session:
        kept = session.scalars(select(RegisterStep.action)).all()
    assert str(action) not in kept


def test_the_audit_trail_tells_of_every_step_and_nobody_s_name(office: Office) -> None:
    number = add(office, Register.REQUEST, POLICE, received_at=CAME)
    step(office, number, Action.REFUSED, note="สมชาย ใจดี is not ours")
    with office.database.read() as session:
        rows = session.scalars(select(AuditEvent).where(AuditEvent.target == number)).all()
    assert [row.action for row in rows] == ["register:added", "register:step"]
    assert not any("สมศักดิ์" in row.detail or "สมชาย" in row.detail for row in rows)


def test_an_unknown_number_or_account_is_not_found(office: Office) -> None:
    with office.database.read() as session, pytest.raises(NotFound):
        registers.get(session, "REQ-2567-9999")
    asked = {"person": "ก", "scope": "x", "account": "nobody"}
    with pytest.raises(NotFound, match="no account"):
        add(office, Register.SUBJECT, asked)
    number = add(office, Register.INCIDENT, {"scope": "x"})
    with office.database.read() as session, pytest.raises(NotFound, match="incident"):
        registers.get_of(session, Register.REQUEST, number)


def test_what_came_in_the_future_or_ends_before_it_begins_is_refused(office: Office) -> None:
    with pytest.raises(UsageError, match="future"):
        add(office, Register.REQUEST, POLICE, received_at=office.clock() + timedelta(days=1))
    with pytest.raises(UsageError, match="before it begins"):
        add(office, Register.REQUEST, POLICE | {"to_at": "2567-10-01 00:00"})


def test_alarms_come_before_the_due_date_and_stop_when_it_is_done(office_on: Office) -> None:
    number = add(office_on, Register.REQUEST, POLICE, received_at=CAME)
    asked = {"person": "สมชาย", "scope": "ทั้งหมด", "identity_check": "บัตร"}
    add(office_on, Register.SUBJECT, asked, received_at=CAME)

    def alarms(days: float) -> list[tuple[str, bool]]:
        with office_on.database.read() as session:
            found = registers.find_alarms(session, CAME + timedelta(days=days), 2)
        return [(alarm.number, alarm.overdue) for alarm in found]

    assert alarms(4.9) == []
    assert alarms(5) == [(number, False)]
    assert alarms(7) == [(number, True)]
    assert [one for one, _ in alarms(28)] == [number, "DSR-2567-0001"]
    step(office_on, number, Action.REFUSED, note="no")
    assert alarms(7) == [(number, True)]  # the officials still wait for the answer
    step(office_on, number, Action.CLOSED, note="answered by letter")
    assert alarms(7) == []


def test_a_breach_is_an_alarm_from_its_first_minute_until_it_is_reported(office_on: Office) -> None:
    number = add(office_on, Register.INCIDENT, {"scope": "lost laptop"}, received_at=CAME)

    def alarms(hours: float) -> list[bool]:
        with office_on.database.read() as session:
            found = registers.find_alarms(session, CAME + timedelta(hours=hours), 2)
        return [alarm.overdue for alarm in found]

    assert alarms(0.1) == [False]
    assert alarms(71.9) == [False] and alarms(72) == [True]
    step(office_on, number, Action.REPORTED, to_whom="สคส.", document_number="1")
    assert alarms(80) == []


# doctor and the command line ---------------------------------------------------------------


def test_doctor_says_who_is_not_named_and_what_is_overdue(site: Site, office: Office) -> None:
    before = [one for one in check_registers(site.config) if one.check == "coordinator"]
    assert before[0].level == "warn" and "deputy contact" in before[0].what
    number = add(office, Register.REQUEST, POLICE, received_at=office.clock() - timedelta(days=8))
    due = [one for one in check_registers(site.config) if one.check == "registers"]
    assert [one.level for one in due] == ["error"]
    assert number in due[0].what


def test_the_commands_enter_decide_deliver_and_list(site: Site, tmp_path: Path) -> None:
    added = site.yuenyan(
        "request", "add", "--office", "สภ.เมือง", "--officer", "ร.ต.อ. ก", "--officer-id", "7",
        "--basis", "s18-3", "--document", "ตช 1/2567", "--scope", "ใครใช้", "--about", "10.0.0.1",
        "--about", "10.0.0.2", "--from", "1 พ.ย. 2567", "--to", "2567-11-02", "--due-days", "15",
        "--json",
    )  # fmt: skip
    assert added.exit_code == 0, added.stderr
    tree = json.loads(added.stdout)
    number = tree["number"]
    received, due = (datetime.fromisoformat(tree[name]) for name in ("received_at", "due_at"))
    assert due - received == timedelta(days=15)
    assert tree["facts"]["about"] == "10.0.0.1\n10.0.0.2"
    assert tree["facts"]["from_at"] == "2024-11-01T00:00:00+07:00"
    assert tree["facts"]["to_at"] == "2024-11-02T23:59:59.999000+07:00"  # the day is in it
    decided = site.yuenyan("request", "decide", number, "--approve", "--reason", "ครบ")
    assert decided.exit_code == 0, decided.stderr
    bundle = tmp_path / "bundle.zip"
    bundle.write_bytes(b"evidence")
    gone = site.yuenyan(
        "request", "deliver", number, "--to", "ร.ต.อ. ก", "--file", str(bundle), "--document", "9"
    )
    assert gone.stdout == f"{number} is done\n", gone.stderr
    shown = json.loads(site.yuenyan("request", "show", number, "--json").stdout)
    assert shown["steps"][-1]["sha256"] == hashlib.sha256(b"evidence").hexdigest()
    assert json.loads(site.yuenyan("request", "list", "--open", "--json").stdout) == []
    assert number in site.yuenyan("request", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("request", "add", "--office", "x"), 2),
        (
            (
                "request",
                "add",
                "--office",
                "x",
                "--officer",
                "y",
                "--scope",
                "z",
                "--due-days",
                "6",
            ),
            2,
        ),
        (("request", "show", "REQ-2567-0001"), 1),
        (("request", "decide", "REQ-2567-0001", "--reason", "x"), 2),
        (("request", "decide", "REQ-2567-0001", "--approve", "--reason", "x"), 1),
        (("incident", "add", "--scope", "x", "--due-days", "30"), 2),
        (("incident", "add", "--scope", "x", "--received", "0001-01-01"), 2),
        (("incident", "add", "--scope", "x", "--received", "soon"), 2),
    ],
)
def test_wrong_usage_and_what_is_not_there_have_their_exit_codes(
    site: Site, arguments: tuple[str, ...], code: int
) -> None:
    assert site.yuenyan(*arguments).exit_code == code


def test_incident_and_abuse_are_registers_too(site: Site, office: Office) -> None:
    add_person(office, "somchai")
    incident = site.yuenyan("incident", "add", "--scope", "ไฟล์รายชื่อรั่ว", "--risk", "high")
    assert incident.stdout.startswith("INC-"), incident.stderr
    number = incident.stdout.split(",")[0]
    assert site.yuenyan("incident", "tell", number, "--note", "line group").exit_code == 0
    reported = site.yuenyan("incident", "report", number, "--to", "สคส.", "--document", "1/69")
    assert reported.exit_code == 0
    assert site.yuenyan("incident", "close", number, "--note", "done").stdout.endswith("is done\n")
    abuse = site.yuenyan("abuse", "add", "--complainant", "ก", "--scope", "page", "--target", "u")
    number = abuse.stdout.strip()
    assert site.yuenyan("abuse", "act", number, "--note", "taken down").exit_code == 0
    assert "taken down" in site.yuenyan("abuse", "show", number).stdout
