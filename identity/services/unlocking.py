"""Unlocking names: who wished to see them, for which question, and who agreed (R48).

One approval unlocks one question of one asker, for some hours. Nobody agrees to the own wish,
nor to that of whoever made them an officer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused
from db.models import Account, AuditEvent, OfficerLevel, UnlockRequest
from identity.office import Office
from identity.services import api_tokens, audit
from identity.services.reach import Reach

WAITING, APPROVED, REFUSED = "waiting", "approved", "refused"
MAX_NOTE = 500
MADE_WITHIN = timedelta(days=30)
"""So long an officer does not decide for whoever made the account or set its password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants unlocked. `os_user` is who has the shell at the console."""

    kind: str
    """address | mac | person | flows"""
    question: Mapping[str, object]
    case: str
    reason: str
    asker: str
    asker_id: int | None = None
    organisation_id: int | None = None
    os_user: str | None = None
    token: int | None = None
    """By which token a program asked, if one did."""


def spell(question: Mapping[str, object]) -> str:
    """The question in the one spelling by which two are compared."""
    given = {key: value for key, value in question.items() if value is not None}
    return json.dumps(given, ensure_ascii=False, sort_keys=True, default=str)


def request(session: Session, office: Office, wish: Wish) -> UnlockRequest:
    """Put a wish on record; it waits for a second officer."""
    made = UnlockRequest(
        asked_at=office.clock(),
        asker=wish.asker,
        asker_id=wish.asker_id,
        os_user=wish.os_user,
        organisation_id=wish.organisation_id,
        kind=wish.kind,
        question=spell(wish.question),
        case_reference=wish.case,
        reason=wish.reason,
        state=WAITING,
    )
    session.add(made)
    session.flush()
    token = {} if wish.token is None else {"token": wish.token}
    _record(
        session,
        office,
        wish.asker,
        "lookup:unlock_requested",
        made,
        os_user=wish.os_user,
        **token,
    )
    return made


def approve(session: Session, office: Office, number: int, officer: Account, note: str) -> None:
    """Agree to a wish: its asker may see the names until the approval ends.

    Raises:
        NotFound: there is no such wish.
        Refused: it was decided before, is the officer's own, or that of who made them one.
    """
    found = _undecided(session, office, number, officer)
    hours = timedelta(hours=office.config.lookup.approval_hours)
    found.state, found.expires_at = APPROVED, office.clock() + hours
    _decide(session, office, found, officer, note, "lookup:unlock_approved")


def open_alone(session: Session, office: Office, found: UnlockRequest) -> None:
    """Unlock without a second officer, where the site asks for none.

    Raises:
        Refused: the site asks for one.
    """
    if office.config.lookup.second_person:
        raise Refused(f"request {found.id} waits for a second officer")
    hours = timedelta(hours=office.config.lookup.approval_hours)
    found.state, found.expires_at = APPROVED, office.clock() + hours
    found.decided_by, found.decided_at = found.asker, office.clock()
    found.uses, found.last_used_at = 1, office.clock()


def refuse(session: Session, office: Office, number: int, officer: Account, note: str) -> None:
    """Say no to a wish, with the reason.

    Raises:
        NotFound: there is no such wish.
        Refused: it was decided before, is the officer's own, or that of who made them one.
    """
    found = _undecided(session, office, number, officer)
    found.state = REFUSED
    _decide(session, office, found, officer, note, "lookup:unlock_refused")


def use(session: Session, office: Office, number: int, wish: Wish) -> UnlockRequest:
    """The approval `number`, if it unlocks exactly this question for exactly this asker.

    Raises:
        NotFound: there is no such wish.
        Refused: it does not unlock this, or not now; the attempt is on record by the caller.
    """
    found = get(session, number)
    if (found.asker, found.os_user) != (wish.asker, wish.os_user):
        raise Refused(f"approval {number} was given to somebody else")
    asked = (found.kind, found.question, found.case_reference)
    if asked != (wish.kind, spell(wish.question), wish.case):
        raise Refused(
            f"approval {number} was given for another question or case; ask for a new one"
        )
    if found.state == WAITING:
        raise Refused(f"request {number} waits for a second officer (admin portal, Unlocking)")
    if found.state == REFUSED:
        raise Refused(f"request {number} was refused by {found.decided_by}: {found.note or '-'}")
    if found.expires_at is None or found.expires_at <= office.clock():
        raise Refused(f"approval {number} has ended; ask for a new one")
    found.uses += 1
    found.last_used_at = office.clock()
    return found


def get(session: Session, number: int) -> UnlockRequest:
    """One wish; NotFound when there is none."""
    found = session.get(UnlockRequest, number)
    if found is None:
        raise NotFound(f"there is no request to unlock with the number {number}")
    return found


def list_requests(
    session: Session, reach: Reach, *, asker_id: int | None = None, limit: int = 100
) -> Sequence[UnlockRequest]:
    """Wishes in reach, newest first; with `asker_id` those of one officer."""
    statement = select(UnlockRequest).where(reach.within(UnlockRequest.organisation_id))
    if asker_id is not None:
        statement = statement.where(UnlockRequest.asker_id == asker_id)
    order = (UnlockRequest.state != WAITING, UnlockRequest.id.desc())
    return session.scalars(statement.order_by(*order).limit(limit)).all()


def question_of(found: UnlockRequest) -> dict[str, str | int | float | None]:
    """The question as it was asked."""
    tree: dict[str, str | int | float | None] = json.loads(found.question)
    return tree


def _may_be_one(session: Session, office: Office, officer: Account, asker: str) -> bool:
    """Whether two accounts may be one person's: one knows password or token, or made the officer.

    Levels say who gave them as long as they last; what made the account and its password is
    looked for where the audit trail of the last days is kept.
    """
    if asker == audit.CONSOLE:
        return False
    given = select(OfficerLevel.level).where(
        OfficerLevel.account_id == officer.id, OfficerLevel.granted_by == asker
    )
    if session.scalar(given.limit(1)) is not None:
        return True
    acted = select(AuditEvent.id).where(
        AuditEvent.at >= office.clock() - MADE_WITHIN,
        AuditEvent.action.in_(("account:added", "account:password_changed", "token:created")),
        or_(
            and_(AuditEvent.actor == asker, AuditEvent.target == officer.username),
            and_(AuditEvent.actor == officer.username, AuditEvent.target == asker),
        ),
    )
    return session.scalar(acted.limit(1)) is not None


def _undecided(session: Session, office: Office, number: int, officer: Account) -> UnlockRequest:
    found = get(session, number)
    if found.asker_id == officer.id or officer.username in (found.asker, found.os_user):
        raise Refused("nobody agrees to the own wish; another officer has to")
    since = office.clock() - MADE_WITHIN
    has_token = found.asker_id is not None and api_tokens.was_made_by(
        session, found.asker_id, officer.username, since
    )
    if has_token or _may_be_one(session, office, officer, found.asker):
        raise Refused(
            f"{officer.username} and {found.asker} may be one person: the asker gave the other a"
            " level, or one made the account, the password or a token of the other lately;"
            " another officer has to decide, or the level is given anew at the console: yuenyan"
            " officer revoke, then grant"
        )
    if found.state != WAITING:
        raise Refused(f"{found.decided_by} has decided request {number} already")
    return found


def _decide(
    session: Session, office: Office, found: UnlockRequest, officer: Account, note: str, action: str
) -> None:
    found.decided_by, found.decided_at = officer.username, office.clock()
    found.note = note.strip()[:MAX_NOTE] or None
    _record(session, office, officer.username, action, found, note=found.note, asker=found.asker)


def _record(
    session: Session,
    office: Office,
    actor: str,
    action: str,
    found: UnlockRequest,
    **more: str | int | None,
) -> None:
    audit.record(
        session,
        office.clock(),
        actor,
        action,
        f"request {found.id}",
        case=found.case_reference,
        reason=found.reason,
        kind=found.kind,
        question=found.question,
        **more,
    )
