"""A request of officials as whoever hands data out sees it: whether it may leave, and that it did.

R64: nothing leaves without an approved request that names its basis, and nothing wider than it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from common.errors import Refused
from db.models import RegisterEntry
from identity.domain.registers import Action, Basis, Register, State, why_not_approved
from identity.office import Office
from identity.services import registers
from identity.services.registers import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialRequest:
    """One request, as it stands in the register."""

    number: str
    office: str
    officer: str
    officer_id: str
    basis: Basis
    basis_text: str
    document_number: str
    scope: str
    from_at: datetime | None
    to_at: datetime | None
    about: tuple[str, ...]
    """Accounts, addresses and devices it names; empty: it names none."""
    received_at: datetime
    due_at: datetime | None
    state: State
    decided_by: str | None
    decided_at: datetime | None
    reason: str


def open_request(session: Session, number: str) -> OfficialRequest:
    """The request of that number; NotFound when there is none."""
    return _view(registers.get_of(session, Register.REQUEST, number))


def authorise_export(
    session: Session, number: str, from_at: datetime, to_at: datetime
) -> OfficialRequest:
    """The request, when data of that period may leave on it.

    Raises:
        NotFound: there is no such request.
        Refused: it is not approved, lacks a basis, or asks for another period.
    """
    entry = registers.get_of(session, Register.REQUEST, number)
    request = _view(entry)
    if request.state is not State.APPROVED:
        raise Refused(f"{request.number} is {request.state}; decide it first: yuenyan request")
    why = why_not_approved(Register.REQUEST, registers.read_facts(entry))
    if why or request.from_at is None or request.to_at is None:
        raise Refused(f"nothing may leave on {request.number}: {why}")
    if from_at < request.from_at or to_at > request.to_at:
        raise Refused(
            f"{request.number} asks for {request.from_at.isoformat()} to"
            f" {request.to_at.isoformat()} only; export no more than that"
        )
    return request


def record_export(
    session: Session, office: Office, number: str, sha256: str, note: str, actor: str
) -> None:
    """Write that a bundle with that hash was made on the request.

    Raises:
        Refused: it is not approved (any more).
    """
    step = Step(action=Action.EXPORTED, note=note, sha256=sha256)
    registers.take_step(session, office, number, step, actor)


def _view(entry: RegisterEntry) -> OfficialRequest:
    facts = registers.read_facts(entry)
    return OfficialRequest(
        number=entry.number,
        office=facts["office"],
        officer=facts["officer"],
        officer_id=facts.get("officer_id", ""),
        basis=Basis(facts["basis"]),
        basis_text=facts.get("basis_text", ""),
        document_number=facts.get("document_number", ""),
        scope=facts["scope"],
        from_at=_moment(facts.get("from_at")),
        to_at=_moment(facts.get("to_at")),
        about=tuple(line for line in facts.get("about", "").splitlines() if line.strip()),
        received_at=entry.received_at,
        due_at=entry.due_at,
        state=State(entry.state),
        decided_by=entry.decided_by,
        decided_at=entry.decided_at,
        reason=entry.reason or "",
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
