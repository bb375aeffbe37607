"""A host's word about a visitor who named them: who waits, yes for so long, no with a reason.

A link in a letter only shows; the decision is a form that the host sends while signed in,
because filters of mail servers open every link.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused, UsageError
from db.models import Account, Registration
from identity.domain.admission import RegistrationState, advance
from identity.domain.registering import STAYS, Way
from identity.office import Office
from identity.services import audit, hosts, registration_ways, registrations
from identity.services.messages import TooManyMessages

LISTED = 100
OPEN_FROM_ADDRESS = 30
"""Unanswered, to one host: fewer than a list holds, and a parents' evening to a class teacher."""

_UNDECIDED = (RegistrationState.DRAFT, RegistrationState.PENDING)


def waiting_for(session: Session, host: Account) -> Sequence[Registration]:
    """Visitors who named this host and have no answer yet, oldest first."""
    return session.scalars(
        select(Registration)
        .where(Registration.host_id == host.id, *_unanswered())
        .order_by(Registration.created_at)
        .limit(LISTED)
    ).all()


def find_waiting(session: Session, host: Account, reference: str) -> Registration | None:
    """One of them, or None; whose it is not learns nothing."""
    wanted = registrations.clean_reference(reference)
    return session.scalar(
        select(Registration).where(
            Registration.reference == wanted, Registration.host_id == host.id, *_unanswered()
        )
    )


def refuse_too_many(session: Session, row: Registration) -> None:
    """Raise TooManyMessages when as many from one address wait for the same host already.

    Counted by what was typed, so that nothing tells who is a host.
    """
    if not row.client_address:
        return
    others = session.scalar(
        select(func.count())
        .select_from(Registration)
        .where(
            Registration.id != row.id,
            Registration.client_address == row.client_address,
            func.lower(Registration.sponsor_name) == row.sponsor_name.lower(),
            *_unanswered(),
        )
    )
    if (others or 0) >= OPEN_FROM_ADDRESS:
        raise TooManyMessages(
            f"{others} visitors from this address wait for this host", timedelta(days=1)
        )


def agree(session: Session, office: Office, reference: str, host: Account, stay: str) -> None:
    """Let a visitor in as this host's guest for one of STAYS.

    Where an officer decides as well, the application goes on to the officers.

    Raises:
        NotFound: no such visitor waits for this host.
        UsageError: the stay is none of STAYS.
        Refused: this person may not receive guests, or somebody decided before.
    """
    span = STAYS.get(stay)
    if span is None:
        raise UsageError(f"a guest stays for one of {', '.join(STAYS)}")
    row = _locked(session, office, reference, host)
    now = office.clock()
    choice = registration_ways.choice_of(session, office, row.role)
    row.host_decided_at = now
    row.granted_seconds = int(span.total_seconds())
    audit.record(session, now, host.username, "registration:host_agreed", row.reference, stay=stay)
    # As the officer has it now, not as it was when the visitor applied.
    if choice.needs_approval or choice.way is not Way.SPONSOR or not choice.for_guests:
        if row.state == RegistrationState.DRAFT:
            row.state = advance(row.state, RegistrationState.PENDING)
        return
    registrations.admit(session, office, row, host, row.role, now + span, host.username)


def decline(session: Session, office: Office, reference: str, host: Account, reason: str) -> None:
    """Refuse a visitor; the reason is what the visitor reads.

    Raises: as `agree`; UsageError when no reason is given.
    """
    if not reason.strip():
        raise UsageError("give a reason; the visitor reads it")
    row = _locked(session, office, reference, host)
    row.host_decided_at = office.clock()
    registrations.close(session, office, row, host.username, reason)


def decline_all(session: Session, office: Office, host: Account, newest: int, reason: str) -> int:
    """Refuse everybody on the list up to the application `newest`; how many.

    Who came after the host looked is not refused unseen.

    Raises: as `decline`.
    """
    if not reason.strip():
        raise UsageError("give a reason; the visitor reads it")
    seen = [row.reference for row in waiting_for(session, host) if row.id <= newest]
    for reference in seen:
        decline(session, office, reference, host, reason)
    return len(seen)


def name_host(session: Session, office: Office, reference: str, text: str) -> Registration:
    """Let a visitor name somebody else while nobody has answered.

    Raises:
        NotFound: no such application.
        Refused: it is decided, or its way has no host.
    """
    row = registrations.locked(session, reference)
    if row.way != Way.SPONSOR or row.host_decided_at is not None or row.state not in _UNDECIDED:
        raise Refused(f"registration {row.reference} waits for no host")
    row.sponsor_name = text.strip()[:200]
    host = hosts.find_host(session, office, row.sponsor_name)
    row.host_id = host.id if host else None
    audit.record(session, office.clock(), row.username, "registration:host_named", row.reference)
    session.flush()
    session.refresh(row)
    return row


def _locked(session: Session, office: Office, reference: str, host: Account) -> Registration:
    found = find_waiting(session, host, reference)
    if found is None:
        raise NotFound("no such visitor waits for your answer")
    row = registrations.locked(session, found.reference)
    if row.host_id != host.id or row.host_decided_at or row.state not in _UNDECIDED:
        raise Refused("this visitor was answered before")
    if not hosts.may_receive(session, host, office.clock()):
        raise Refused(f"{host.username} may not receive guests")
    return row


def _unanswered() -> tuple[ColumnElement[bool], ...]:
    return (
        Registration.way == Way.SPONSOR,
        Registration.host_decided_at.is_(None),
        Registration.state.in_(_UNDECIDED),
    )
