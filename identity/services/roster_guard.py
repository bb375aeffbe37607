"""Against guessing at the roster: what did not fit is counted in the database, for a day.

Five tries for a pupil stop nobody who goes on to the next pupil, so the misses of a school and
of the site are counted as well. Beyond those a birth date alone opens nothing any more: an
officer looks at each wish. What was typed is not kept (it may be a national ID), only a keyed
hash of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from db.models import AuditEvent, Organisation
from identity.domain.registering import ROSTER_MISSES_SCHOOL, ROSTER_MISSES_SITE, ROSTER_TRIES
from identity.office import Office
from identity.services import audit

MISSED = "registration:roster_missed"
_DAY = timedelta(days=1)
_HASH_DIGITS = 16


def lock(session: Session) -> None:
    """Count one after another: fifty tries at once are not to find the count at four."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer anyway
        session.execute(select(func.pg_advisory_xact_lock(func.hashtext("roster"))))


def target_of(office: Office, organisation: Organisation | None, number: str) -> str:
    """What a try is counted under: the same for every spelling of a school that has no such one."""
    hashed = office.vault.lookup_hash(f"roster number {number}")[:_HASH_DIGITS]
    return f"{_prefix(organisation)}{hashed}"


def record_miss(session: Session, now: datetime, target: str, address: str) -> None:
    """Note a try that did not fit."""
    audit.record(session, now, "roster", MISSED, target, address=address)


def is_used_up(session: Session, now: datetime, target: str) -> bool:
    """Whether this pupil was tried too often today."""
    return _count(session, now, AuditEvent.target == target) >= ROSTER_TRIES


def is_guessed(session: Session, now: datetime, organisation: Organisation | None) -> bool:
    """Whether so much did not fit today that a birth date must be looked at by an officer."""
    return is_site_guessed(session, now) or _is_school_guessed(session, now, organisation)


def is_site_guessed(session: Session, now: datetime) -> bool:
    """Whether the whole site has had too many misses today."""
    return _count(session, now) >= ROSTER_MISSES_SITE


def guessed_schools(session: Session, now: datetime) -> Sequence[Organisation]:
    """The organisations that have had too many misses today."""
    if _count(session, now) < ROSTER_MISSES_SCHOOL:
        return []
    every = session.scalars(select(Organisation).order_by(Organisation.code))
    return [one for one in every if _is_school_guessed(session, now, one)]


def _is_school_guessed(session: Session, now: datetime, organisation: Organisation | None) -> bool:
    here = AuditEvent.target.startswith(_prefix(organisation), autoescape=True)
    return _count(session, now, here) >= ROSTER_MISSES_SCHOOL


def _prefix(organisation: Organisation | None) -> str:
    return f"{organisation.code if organisation is not None else '-'}/"


def _count(session: Session, now: datetime, *conditions: ColumnElement[bool]) -> int:
    found = session.scalar(
        select(func.count())
        .select_from(AuditEvent)
        .where(AuditEvent.at > now - _DAY, AuditEvent.action == MISSED, *conditions)
    )
    return found or 0
