"""How visitors may register for each role, as an officer chose it.

A role nobody chose anything for is closed; only the one of [portal] registration_role is open,
by approval, so that a new site works.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.errors import Refused, UsageError
from db.models import Account, Role, RoleRegistration
from identity.domain.registering import LONGEST_PROVISIONAL_MINUTES, PROVISIONAL_ROLE, Way
from identity.office import Office
from identity.services import audit, people, roles

USUAL_MINUTES = 10

_PROVISIONAL_LIMITS: dict[str, int | str | None] = {
    "down_kbps": 2_000,
    "up_kbps": 1_000,
    "simultaneous": 1,
}
"""Enough for mail, not for a film; an administrator may change them like any role's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What holds for one role."""

    role_id: int
    role: str
    for_guests: bool
    way: Way
    needs_approval: bool = False
    provisional_minutes: int = 0
    answerable: str | None = None
    may_sponsor: bool = False


def choice_of(session: Session, office: Office, role: Role) -> Choice:
    """How visitors may register for `role`."""
    row = session.get(RoleRegistration, role.id)
    if row is None:
        is_first = role.name == office.config.portal.registration_role
        way = Way.APPROVAL if is_first else Way.CLOSED
        return Choice(role_id=role.id, role=role.name, for_guests=role.for_guests, way=way)
    return Choice(
        role_id=role.id,
        role=role.name,
        for_guests=role.for_guests,
        way=Way(row.way),
        needs_approval=row.needs_approval,
        provisional_minutes=row.provisional_minutes,
        answerable=row.answerable.username if row.answerable else None,
        may_sponsor=row.may_sponsor,
    )


def open_choices(session: Session, office: Office) -> Sequence[Choice]:
    """The roles somebody may register for; that of the configuration comes first."""
    first = office.config.portal.registration_role
    rows = session.scalars(select(Role).order_by(Role.name != first, Role.name)).all()
    found = [choice_of(session, office, role) for role in rows]
    return [choice for choice in found if choice.way is not Way.CLOSED]


def answerable_for(session: Session, choice: Choice, now: datetime) -> Account | None:
    """Who is the sponsor on record of guests whom no person let in; None: nobody is any more."""
    account = people.find(session, choice.answerable) if choice.answerable else None
    return account if account is not None and is_present(account, now) else None


def is_present(account: Account, now: datetime) -> bool:
    """Whether this is a person whose account is good at the moment."""
    is_over = account.expires_at is not None and account.expires_at <= now
    return account.kind == "person" and account.state == "active" and not is_over


def latest_end(office: Office, now: datetime) -> datetime:
    """When a guest's account that is made or prolonged now ends at the latest (R9)."""
    return now + timedelta(days=office.config.registration.guest_days)


def set_choice(
    session: Session,
    office: Office,
    name: str,
    actor: str,
    *,
    way: Way | None = None,
    needs_approval: bool | None = None,
    provisional_minutes: int | None = None,
    answerable: str | None = None,
    may_sponsor: bool | None = None,
) -> Choice:
    """Change what is given of how visitors register for a role; the rest stays.

    Args:
        answerable: user name of a person; empty: nobody.

    Raises:
        NotFound: there is no such role or account.
        UsageError: the minutes are out of range.
        Refused: somebody would get in whom nobody answers for or has seen.
    """
    role = roles.get(session, name)
    before = choice_of(session, office, role)
    sponsor = before.answerable if answerable is None else answerable.strip() or None
    account = people.get(session, sponsor) if sponsor else None
    wanted_way = before.way if way is None else way
    if provisional_minutes is None:
        is_new = wanted_way is not before.way and (wanted_way.has_code or wanted_way is Way.SPONSOR)
        usual = USUAL_MINUTES if account is not None and role.for_guests else 0
        provisional_minutes = usual if is_new else before.provisional_minutes
        if not (wanted_way.has_code or wanted_way is Way.SPONSOR):
            provisional_minutes = 0
    chosen = Choice(
        role_id=role.id,
        role=role.name,
        for_guests=role.for_guests,
        way=wanted_way,
        needs_approval=before.needs_approval if needs_approval is None else needs_approval,
        provisional_minutes=provisional_minutes,
        answerable=account.username if account else None,
        may_sponsor=before.may_sponsor if may_sponsor is None else may_sponsor,
    )
    _refuse(chosen, account, office.clock())
    row = session.get(RoleRegistration, role.id)
    if row is None:
        row = RoleRegistration(role_id=role.id)
        session.add(row)
    row.way = chosen.way.value
    row.needs_approval = chosen.needs_approval
    row.provisional_minutes = chosen.provisional_minutes
    row.answerable_id = account.id if account else None
    row.may_sponsor = chosen.may_sponsor
    if chosen.provisional_minutes:
        _make_provisional_role(session, office, actor)
    audit.record(
        session,
        office.clock(),
        actor,
        "role:registration_set",
        name,
        way=chosen.way,
        approval=chosen.needs_approval,
        minutes=chosen.provisional_minutes,
        answerable=chosen.answerable,
        may_sponsor=chosen.may_sponsor,
    )
    session.flush()
    return chosen


def _refuse(chosen: Choice, answerable: Account | None, now: datetime) -> None:
    way, role = chosen.way, chosen.role
    if role in ("device", PROVISIONAL_ROLE) and way is not Way.CLOSED:
        raise Refused(f"nobody registers for the role {role!r}")
    if answerable is not None and not is_present(answerable, now):
        raise Refused(f"{answerable.username} is no active person; name somebody who answers")
    if way is Way.ROSTER and chosen.for_guests:
        raise Refused(f"guests are on no roster; choose another way for the role {role!r}")
    by_itself = way.has_code or way is Way.SPONSOR
    if by_itself and not chosen.for_guests and not chosen.needs_approval:
        raise Refused(
            f"{role!r} is no role for guests: a code or a host proves nobody to be one of them;"
            " let an officer approve as well (--approval)"
        )
    if way.has_code and not chosen.needs_approval and answerable is None:
        raise Refused(
            "guests need a sponsor on record: name who answers for them (--answerable NAME),"
            " or let an officer approve as well (--approval)"
        )
    if not 0 <= chosen.provisional_minutes <= LONGEST_PROVISIONAL_MINUTES:
        raise UsageError(f"the minutes must be 0..{LONGEST_PROVISIONAL_MINUTES}")
    if chosen.provisional_minutes and not by_itself:
        raise Refused("minutes to read mail are for the ways with a code or a host")
    if chosen.provisional_minutes and answerable is None:
        raise Refused("somebody answers for the minutes before a code: --answerable NAME")


def _make_provisional_role(session: Session, office: Office, actor: str) -> None:
    if session.scalar(select(Role.id).where(Role.name == PROVISIONAL_ROLE)) is None:
        role = roles.set_role(session, office, PROVISIONAL_ROLE, _PROVISIONAL_LIMITS, actor)
        role.for_guests = True
        session.flush()
