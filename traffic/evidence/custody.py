"""The custody register: every bundle made, and every step of it through hands (R57).

A step carries the hash of the step before it, of whatever exhibit, so that none can be altered,
left out or put in later without every one after it saying so; the newest hash stands in the
audit trail, which goes into the sealed archive. Does not move files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.config import Config
from common.errors import NotFound, Refused, UsageError
from db.engine import Database
from db.models import AuditEvent, CustodyStep, Exhibit
from db.models.base import to_micros
from identity.services import audit
from traffic.archive.entries import GENESIS, canonical
from traffic.archive.kinds import ADMIN
from traffic.archive.tables import TableArchive
from traffic.collectors.paths import node_name

T = TypeVar("T")

ENTERED = "custody:entered"
"""The audit event of every step; its detail has the hash of the step."""

_ALL = 1_000_000
"""More steps than any office enters in the half year that its audit trail is kept."""

_TRIES = 5
"""Two officers may enter a step at the same moment: the second takes the first for the one
before it, and tries again."""


class Step(StrEnum):
    """What happened to an exhibit."""

    CREATED = "created"
    APPROVED = "approved"
    HANDED_OVER = "handed_over"
    COPIED = "copied"
    RETURNED = "returned"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStep:
    """A step as somebody enters it."""

    step: Step
    person: str = ""
    officer_id: str = ""
    document: str = ""
    place: str = ""
    note: str = ""


_NEEDED = {
    Step.APPROVED: {
        "person": "who approved it (--person)",
        "document": "the document (--document)",
    },
    Step.HANDED_OVER: {
        "person": "who received it (--person)",
        "officer_id": "the number of their officer card or warrant (--officer-id)",
        "document": "the number of the letter (--document)",
    },
    Step.COPIED: {"person": "who made or holds the copy (--person)"},
    Step.RETURNED: {"person": "who gave it back (--person)"},
    Step.DESTROYED: {"person": "who destroyed it (--person)", "note": "how and why (--note)"},
}


class No(StrEnum):
    """Why a step cannot follow; the value is the sentence for the console."""

    MADE_BY_EXPORT = "an export makes the first step itself"
    DESTROYED = "the exhibit was destroyed: nothing can happen to it any more"
    NOT_APPROVED = "nobody has approved that it is handed over: enter the step 'approved' first"
    NOT_HANDED_OVER = "it was handed over to nobody, so nobody can give it back"


def refusal(before: Sequence[Step], step: Step) -> No | None:
    """Why `step` cannot follow what happened `before` to an exhibit; None: it can."""
    if step is Step.CREATED:
        return No.MADE_BY_EXPORT
    if Step.DESTROYED in before:
        return No.DESTROYED
    if step is Step.HANDED_OVER and Step.APPROVED not in before:
        return No.NOT_APPROVED
    if step is Step.RETURNED and Step.HANDED_OVER not in before:
        return No.NOT_HANDED_OVER
    return None


def missing(new: NewStep) -> list[str]:
    """Names of the fields that a step must have and this one lacks."""
    return [name for name in _NEEDED.get(new.step, {}) if not getattr(new, name).strip()]


def step_hash(row: CustodyStep) -> str:
    """SHA-256, in hex, of everything in a step but its number and the hash itself."""
    tree = {
        name: getattr(row, name)
        for name in (
            *("exhibit_id", "actor", "step", "person", "officer_id"),
            *("document", "place", "note", "prev"),
        )
    }
    return hashlib.sha256(canonical({**tree, "at": to_micros(row.at)})).hexdigest()


def append(
    session: Session, now: datetime, exhibit_id: int, new: NewStep, actor: str
) -> CustodyStep:
    """Chain a step behind the last one; the caller has checked that it may follow."""
    last = session.scalar(select(CustodyStep.hash).order_by(CustodyStep.id.desc()).limit(1))
    row = CustodyStep(
        exhibit_id=exhibit_id,
        at=now,
        actor=actor,
        step=str(new.step),
        person=new.person.strip(),
        officer_id=new.officer_id.strip(),
        document=new.document.strip(),
        place=new.place.strip(),
        note=new.note.strip(),
        prev=last or GENESIS,
    )
    row.hash = step_hash(row)
    session.add(row)
    session.flush()
    audit.record(
        session,
        now,
        actor,
        ENTERED,
        f"exhibit {exhibit_id}",
        step=row.step,
        person=row.person,
        document=row.document,
        hash=row.hash,
    )
    return row


def add_step(
    database: Database, now: datetime, exhibit_id: int, new: NewStep, actor: str
) -> CustodyStep:
    """Enter a step of an exhibit.

    Raises:
        NotFound: there is no such exhibit.
        UsageError: something that this step needs is missing; the message says what.
        Refused: it cannot follow what happened before.
    """
    lacking = [_NEEDED[new.step][name] for name in missing(new)]
    if lacking:
        raise UsageError(f"say {', and '.join(lacking)}")

    def work(session: Session) -> CustodyStep:
        if session.get(Exhibit, exhibit_id) is None:
            raise NotFound(f"there is no exhibit {exhibit_id}")
        before = [Step(row.step) for row in steps_of(session, exhibit_id)]
        if no := refusal(before, new.step):
            raise Refused(no)
        return append(session, now, exhibit_id, new, actor)

    return in_turn(database, work)


def enter_exhibit(session: Session, exhibit: Exhibit) -> CustodyStep:
    """Enter a new exhibit and its first step, which holds the bundle's SHA-256."""
    session.add(exhibit)
    session.flush()
    new = NewStep(step=Step.CREATED, person=exhibit.created_by, note=exhibit.sha256)
    return append(session, exhibit.created_at, exhibit.id, new, exhibit.created_by)


def in_turn(database: Database, work: Callable[[Session], T]) -> T:
    """Do `work`, which appends a step, in a transaction of its own; again when another came first.

    Raises:
        BackendUnavailable: the database does not answer.
    """
    for left in reversed(range(_TRIES)):
        try:
            with database.write() as session:
                return work(session)
        except IntegrityError:
            if not left:
                raise
    raise AssertionError("unreachable")


def steps_of(session: Session, exhibit_id: int) -> list[CustodyStep]:
    """The steps of one exhibit, oldest first."""
    query = select(CustodyStep).where(CustodyStep.exhibit_id == exhibit_id).order_by(CustodyStep.id)
    return list(session.scalars(query))


def archived_steps(config: Config) -> list[str]:
    """Details of the audit events of steps that have moved into the archive.

    Raises:
        ArchiveError: it cannot be read.
    """
    archive = TableArchive(config.data_dir / "archive", node_name())
    rows = archive.read(ADMIN, "action = ?", [ENTERED], limit=_ALL)
    return [str(row.values["detail"]) for row in rows]


def find_break(session: Session, archived: Sequence[str]) -> str:
    """What is wrong with the chain of the register; empty: nothing.

    Args:
        archived: `archived_steps`; the audit trail keeps a week in the database.
    """
    before, hashes = GENESIS, set()
    made: dict[int, str] = {}
    for row in session.scalars(select(CustodyStep).order_by(CustodyStep.id)):
        if row.prev != before:
            return f"step {row.id} does not follow the one before it"
        if row.hash != step_hash(row):
            return f"step {row.id} was altered"
        before = row.hash
        hashes.add(row.hash)
        if row.step == Step.CREATED:
            made[row.exhibit_id] = row.note
    for number, sha256 in session.execute(select(Exhibit.id, Exhibit.sha256).order_by(Exhibit.id)):
        if made.pop(number, None) != sha256:
            return f"exhibit {number} is not as it was entered"
    if made:
        return f"exhibit {min(made)} is missing"
    audited = select(AuditEvent.detail).where(AuditEvent.action == ENTERED)
    for detail in (*archived, *session.scalars(audited)):
        if json.loads(detail)["hash"] not in hashes:
            return "a step that stands in the audit trail is missing"
    return ""


def list_exhibits(session: Session, case: str | None = None) -> list[Exhibit]:
    """Exhibits, newest first; those of one case."""
    query = select(Exhibit).order_by(Exhibit.id.desc())
    if case:
        query = query.where(Exhibit.case_reference == case)
    return list(session.scalars(query))
