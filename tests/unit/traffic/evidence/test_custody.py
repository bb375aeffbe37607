"""The custody register: what may follow what, and that nothing in it can be altered unseen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused, UsageError
from db.append_only import lifted
from db.models import AuditEvent, CustodyStep, Exhibit
from identity.office import Office
from identity.services import disclosures
from traffic.archive.kinds import ADMIN
from traffic.archive.tables import TableArchive
from traffic.evidence import custody
from traffic.evidence.custody import NewStep, Step
from traffic.moments import to_milliseconds

NOW = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)
COMPLETE = {
    Step.APPROVED: NewStep(step=Step.APPROVED, person="ผอ.", document="บันทึก 5/2569"),
    Step.HANDED_OVER: NewStep(
        step=Step.HANDED_OVER, person="ร.ต.อ. กล้า", officer_id="1234567", document="ศธ 1/2"
    ),
    Step.COPIED: NewStep(step=Step.COPIED, person="ร.ต.อ. กล้า"),
    Step.RETURNED: NewStep(step=Step.RETURNED, person="ร.ต.อ. กล้า"),
    Step.DESTROYED: NewStep(step=Step.DESTROYED, person="สมศรี", note="ลบถาวร"),
}


def exhibit(office: Office, number: int = 1) -> int:
    """A new exhibit in the register."""

    def enter(session: Session) -> int:
        row = Exhibit(
            created_at=NOW,
            created_by="head",
            case_reference=f"{number}/2569",
            reason="court",
            from_at=NOW,
            to_at=NOW,
            scope="{}",
            file_name="a.zip",
            sha256=f"{number:064x}",
            octets=1,
            records=1,
            key_fingerprint="ab",
        )
        return custody.enter_exhibit(session, row).exhibit_id

    return custody.in_turn(office.database, enter)


def add(office: Office, number: int, *steps: Step) -> None:
    for step in steps:
        custody.add_step(office.database, NOW, number, COMPLETE[step], "head")


def broken(office: Office) -> str:
    with office.database.read() as session:
        return custody.find_break(session, custody.archived_steps(office.config))


def test_an_exhibit_goes_its_way_step_by_step(office_on: Office) -> None:
    number = exhibit(office_on)
    add(office_on, number, Step.APPROVED, Step.HANDED_OVER, Step.COPIED, Step.RETURNED)
    add(office_on, number, Step.DESTROYED)
    with office_on.database.read() as session:
        steps = custody.steps_of(session, number)
    assert [step.step for step in steps] == list(Step)
    assert [step.prev for step in steps[1:]] == [step.hash for step in steps[:-1]]
    assert steps[0].note == f"{1:064x}"
    assert broken(office_on) == ""


@pytest.mark.parametrize(
    ("before", "step", "said"),
    [
        pytest.param([], Step.HANDED_OVER, "approved", id="handed-over-without-approval"),
        pytest.param([Step.APPROVED], Step.RETURNED, "handed over", id="returned-by-nobody"),
        pytest.param([Step.DESTROYED], Step.COPIED, "destroyed", id="after-the-end"),
    ],
)
def test_a_step_that_cannot_follow_is_refused(
    office: Office, before: list[Step], step: Step, said: str
) -> None:
    number = exhibit(office)
    add(office, number, *before)
    with pytest.raises(Refused, match=said):
        add(office, number, step)
    with pytest.raises(Refused, match="export"):
        custody.add_step(office.database, NOW, number, NewStep(step=Step.CREATED), "head")


@pytest.mark.parametrize(
    ("new", "said"),
    [
        pytest.param(NewStep(step=Step.HANDED_OVER, person="x"), "--officer-id", id="officer"),
        pytest.param(NewStep(step=Step.APPROVED, person="x"), "--document", id="document"),
        pytest.param(NewStep(step=Step.DESTROYED, person="x"), "--note", id="how"),
        pytest.param(NewStep(step=Step.COPIED, person="  "), "--person", id="who"),
    ],
)
def test_a_step_says_what_it_lacks(office: Office, new: NewStep, said: str) -> None:
    number = exhibit(office)
    with pytest.raises(UsageError, match=said):
        custody.add_step(office.database, NOW, number, new, "head")


def test_a_step_of_no_exhibit_is_refused(office: Office) -> None:
    with pytest.raises(NotFound):
        add(office, 77, Step.APPROVED)


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param("UPDATE custody_step SET person = 'x' WHERE id = 2", id="altered"),
        pytest.param("UPDATE custody_step SET at = at + 1 WHERE id = 2", id="another-time"),
        pytest.param("DELETE FROM custody_step WHERE id = 2", id="left-out"),
        pytest.param("DELETE FROM custody_step WHERE id = 4", id="cut-off-at-the-end"),
        pytest.param("UPDATE exhibit SET sha256 = 'ff' WHERE id = 1", id="another-bundle"),
        pytest.param("DELETE FROM exhibit WHERE id = 2", id="exhibit-gone"),
    ],
)
def test_tampering_with_the_register_is_found(office: Office, tamper: str) -> None:
    first = exhibit(office)
    add(office, first, Step.APPROVED)
    exhibit(office, 2)
    add(office, first, Step.COPIED)
    assert broken(office) == ""
    with office.database.write() as session:
        # Within the transaction, as whoever has the file itself is not held up by foreign keys.
        session.execute(text("PRAGMA defer_foreign_keys = ON"))
        if "exhibit WHERE" in tamper and "DELETE" in tamper:
            session.execute(text("UPDATE custody_step SET exhibit_id = 1 WHERE exhibit_id = 2"))
        session.execute(text(tamper))
    assert broken(office) != ""


def test_a_register_that_was_emptied_is_found_when_the_audit_trail_has_moved(
    office: Office,
) -> None:
    exhibit(office)
    with office.database.write() as session, lifted(session):
        row = session.scalars(select(AuditEvent).where(AuditEvent.action == custody.ENTERED)).one()
        moved = {name: getattr(row, name) for name in ("actor", "action", "target", "detail")}
        for table in ("audit_event", "custody_step", "exhibit"):
            session.execute(text(f"DELETE FROM {table}"))
    archive = TableArchive(office.config.data_dir / "archive", "node")
    archive.append(ADMIN, [{"received_at": to_milliseconds(NOW), **moved}])
    assert broken(office) == "a step that stands in the audit trail is missing"


def test_every_step_is_in_the_audit_trail_with_its_hash(office: Office) -> None:
    number = exhibit(office)
    add(office, number, Step.APPROVED)
    with office.database.read() as session:
        audited = session.scalars(
            select(AuditEvent.detail).where(AuditEvent.action == custody.ENTERED)
        ).all()
        hashes = session.scalars(select(CustodyStep.hash)).all()
    assert len(audited) == 2
    assert all(one in detail for one, detail in zip(hashes, audited, strict=True))


def together(*works: Callable[[], object]) -> None:
    failed: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []


def test_two_officers_at_once_make_one_chain(office_on: Office) -> None:
    number = exhibit(office_on)
    together(*(lambda: add(office_on, number, Step.COPIED) for _ in range(4)))
    with office_on.database.read() as session:
        assert len(custody.steps_of(session, number)) == 5
    assert broken(office_on) == ""


def test_a_person_is_told_who_was_shown_their_identity_unless_it_is_secret_yet(
    office: Office,
) -> None:
    with office.database.write() as session:
        for case, secret in (("1", None), ("2", NOW + timedelta(days=30))):
            showing = disclosures.Showing(
                shown_by="head",
                case=case,
                reason="court",
                means="export",
                recipient="สภ.เมือง",
                secret_until=secret,
            )
            disclosures.record(session, NOW, showing, [5, 6, 5])
    with office.database.read() as session:
        now = [one.case_reference for one in disclosures.told_to(session, 5, NOW)]
        later = disclosures.told_to(session, 5, NOW + timedelta(days=31))
        assert disclosures.told_to(session, 7, NOW) == []
    assert now == ["1"]
    assert [one.case_reference for one in later] == ["2", "1"]
