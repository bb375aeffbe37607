"""Enters, decides and finishes what the office's registers hold; every step is kept.

Rules are in identity.domain.registers. Texts of an entry never go into the audit trail: its
readers need to know that something was done, not about whom.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.clock import to_rfc3339
from common.errors import NotFound, Refused, UsageError
from common.thai_time import read_bound
from db.models import RegisterEntry, RegisterStep
from identity.domain.registers import (
    KINDS,
    Action,
    Form,
    Register,
    State,
    check_facts,
    due_at,
    format_number,
    next_state,
    why_not_approved,
)
from identity.office import Office
from identity.services import audit
from identity.services.named import account_id_of

_BUDDHIST_ERA = 543
_TRIES = 20
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is done to an entry."""

    action: Action
    note: str = ""
    to_whom: str = ""
    document_number: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An entry that is due soon, or was."""

    register: Register
    number: str
    due_at: datetime
    overdue: bool


def add(
    session: Session,
    office: Office,
    register: Register,
    facts: Mapping[str, str],
    actor: str,
    *,
    received_at: datetime | None = None,
    days: int | None = None,
) -> RegisterEntry:
    """A new entry, numbered within its Buddhist year.

    Args:
        facts: field -> text, as identity.domain.registers names them; moments as people write.
        received_at: when it came; None: now.
        days: until it is due; None: as the configuration says.

    Raises:
        UsageError: something is missing or makes no sense.
        NotFound: the account of a data subject does not exist.
    """
    now, zone = office.clock(), office.config.site.timezone
    received_at = received_at or now
    if received_at > now + timedelta(minutes=1):
        raise UsageError("it cannot have been received in the future")
    cleaned = _read_moments(register, check_facts(register, facts), zone, now)
    if days is None:
        days = {
            Register.REQUEST: office.config.office.request_days,
            Register.SUBJECT: office.config.office.subject_days,
        }.get(register)
    entry = RegisterEntry(
        register=register,
        state=State.OPEN,
        received_at=received_at,
        due_at=due_at(register, received_at, days),
        account_id=_account_id(session, cleaned.get("account")),
        facts=json.dumps(cleaned, ensure_ascii=False, sort_keys=True),
        entered_by=actor,
        entered_at=now,
    )
    _number(session, entry, received_at.astimezone(ZoneInfo(zone)).year + _BUDDHIST_ERA)
    session.add(_step(entry, now, actor, Step(action=Action.ADDED)))
    audit.record(session, now, actor, "register:added", entry.number)
    return entry


def take_step(
    session: Session, office: Office, number: str, step: Step, actor: str
) -> RegisterEntry:
    """Decide, note, deliver, report or close; the entry as it then is.

    Raises:
        NotFound: there is no such entry.
        Refused: the step does not belong there, or the entry lacks what it needs.
        UsageError: the step lacks what it needs.
    """
    entry = get(session, number, lock=True)
    register = Register(entry.register)
    state = next_state(register, State(entry.state), step.action)
    _check_step(step)
    if step.action is Action.APPROVED and (why := why_not_approved(register, read_facts(entry))):
        raise Refused(f"{entry.number} cannot be approved: {why}")
    now = office.clock()
    entry.state = state
    if step.action in (Action.APPROVED, Action.REFUSED):
        entry.decided_at, entry.decided_by, entry.reason = now, actor, step.note.strip()
    if state is State.DONE and entry.finished_at is None:
        entry.finished_at = now
    session.add(_step(entry, now, actor, step))
    session.flush()
    audit.record(
        session, now, actor, "register:step", entry.number, step=step.action, sha256=step.sha256
    )
    return entry


def record_reading(
    session: Session, office: Office, entry: RegisterEntry, people: int, actor: str
) -> None:
    """Write that somebody read who is behind an entry: how many people, never who."""
    audit.record(
        session, office.clock(), actor, "register:people_read", entry.number, people=people
    )


def get(session: Session, number: str, *, lock: bool = False) -> RegisterEntry:
    """The entry of that number; NotFound when there is none."""
    statement = select(RegisterEntry).where(RegisterEntry.number == number.strip().upper())
    entry = session.scalar(statement.with_for_update() if lock else statement)
    if entry is None:
        raise NotFound(f"no register has an entry {number!r}")
    return entry


def get_of(session: Session, register: Register, number: str) -> RegisterEntry:
    """The entry of that number in that register; NotFound when there is none."""
    entry = get(session, number)
    if entry.register != register:
        raise NotFound(f"{entry.number} stands in the register {entry.register}")
    return entry


def find(
    session: Session, register: Register, *, only_open: bool = False, limit: int = 1000
) -> Sequence[RegisterEntry]:
    """Entries of one register, the newest first."""
    statement = select(RegisterEntry).where(RegisterEntry.register == register)
    if only_open:
        statement = statement.where(RegisterEntry.state != State.DONE)
    return session.scalars(statement.order_by(RegisterEntry.id.desc()).limit(limit)).all()


def history(session: Session, entry: RegisterEntry) -> Sequence[RegisterStep]:
    """Every step of an entry, oldest first."""
    return session.scalars(
        select(RegisterStep).where(RegisterStep.entry_id == entry.id).order_by(RegisterStep.id)
    ).all()


def read_facts(entry: RegisterEntry) -> dict[str, str]:
    """What an entry says: field -> text; moments as RFC 3339."""
    facts: dict[str, str] = json.loads(entry.facts)
    return facts


def title_of(entry: RegisterEntry) -> str:
    """What names an entry in a list."""
    facts = read_facts(entry)
    names = KINDS[Register(entry.register)].title
    return " · ".join(facts[name] for name in names if facts.get(name))


def find_alarms(session: Session, now: datetime, warn_days: int) -> list[Alarm]:
    """What is due within `warn_days` or overdue and not done, the most urgent first.

    A breach is urgent from its first hour: 72 leave no days to wait for a reminder. It stays so
    until it was reported to the authority or closed.
    """
    reported = select(RegisterStep.entry_id).where(RegisterStep.action == Action.REPORTED)
    rows = session.scalars(
        select(RegisterEntry)
        .where(
            RegisterEntry.state != State.DONE,
            RegisterEntry.due_at.is_not(None),
            (RegisterEntry.due_at <= now + timedelta(days=warn_days))
            | (RegisterEntry.register == Register.INCIDENT),
            (RegisterEntry.register != Register.INCIDENT) | RegisterEntry.id.not_in(reported),
        )
        .order_by(RegisterEntry.due_at)
    )
    return [
        Alarm(
            register=Register(entry.register),
            number=entry.number,
            due_at=entry.due_at,
            overdue=entry.due_at <= now,
        )
        for entry in rows
        if entry.due_at is not None
    ]


def _read_moments(
    register: Register, facts: dict[str, str], zone: str, now: datetime
) -> dict[str, str]:
    for field in KINDS[register].fields:
        if field.form is Form.MOMENT and field.name in facts:
            is_end = field.name == "to_at"
            moment = read_bound(facts[field.name], zone, now=now, end=is_end)
            facts[field.name] = to_rfc3339(moment, zone)
    if "from_at" in facts and "to_at" in facts:
        begin, end = (datetime.fromisoformat(facts[name]) for name in ("from_at", "to_at"))
        if begin > end:
            raise UsageError("the period ends before it begins")
    return facts


def _account_id(session: Session, username: str | None) -> int | None:
    if not username:
        return None
    found = account_id_of(session, username)
    if found is None:
        raise NotFound(f"there is no account {username!r}")
    return found


def _number(session: Session, entry: RegisterEntry, year: int) -> None:
    """Give `entry` the next number; who else takes it at the same moment makes us try again."""
    for _ in range(_TRIES):
        newest = session.scalar(
            select(func.max(RegisterEntry.running)).where(
                RegisterEntry.register == entry.register, RegisterEntry.year == year
            )
        )
        entry.year, entry.running = year, (newest or 0) + 1
        entry.number = format_number(Register(entry.register), year, entry.running)
        try:
            with session.begin_nested():
                session.add(entry)
                session.flush()
        except IntegrityError:
            continue
        return
    raise Refused("too many entries are being made at once; try again")


def _check_step(step: Step) -> None:
    if step.action in (Action.APPROVED, Action.REFUSED, Action.NOTED, Action.CLOSED) and not (
        step.note.strip()
    ):
        raise UsageError("say why, or what: --note TEXT")
    if step.action in (Action.DELIVERED, Action.REPORTED) and not step.to_whom.strip():
        raise UsageError("say to whom: --to TEXT")
    if step.action is Action.DELIVERED and not step.sha256:
        raise UsageError("give the hash of what was delivered: --file FILE or --sha256 HEX")
    if step.sha256 and not _SHA256.match(step.sha256):
        raise UsageError("a SHA-256 has 64 hex digits in lower case")


def _step(entry: RegisterEntry, now: datetime, actor: str, step: Step) -> RegisterStep:
    return RegisterStep(
        entry_id=entry.id,
        at=now,
        actor=actor,
        action=step.action,
        note=step.note.strip(),
        to_whom=step.to_whom.strip() or None,
        document_number=step.document_number.strip() or None,
        sha256=step.sha256 or None,
    )
