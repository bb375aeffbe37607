"""The registers an office keeps: what each entry says, when it is due, what may become of it.

Pure. Four registers of one shape: requests of officials (R63), requests of data subjects (R68),
breaches of personal data (R72), complaints and take-down notices (R74). Nothing here decides
what is lawful: it sees that the basis is written down before anything leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from common.errors import Refused, UsageError

MAXIMUM_TEXT = 4_000
LEAST_REQUEST_DAYS, MOST_REQUEST_DAYS = 7, 15
"""What an officer may set for an answer, by section 18 as amended in B.E. 2560."""
MOST_SUBJECT_DAYS = 30
BREACH_HOURS = 72


class Register(StrEnum):
    REQUEST = "request"
    SUBJECT = "subject"
    INCIDENT = "incident"
    ABUSE = "abuse"


class State(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"
    DONE = "done"


class Basis(StrEnum):
    """On what an official's request rests."""

    QUESTION = "s18-1"
    TRAFFIC_DATA = "s18-2"
    USER_DATA = "s18-3"
    COURT_ORDER = "court-order"
    OTHER_ACT = "other-act"
    NONE = "none"
    """Nothing was shown. It is written down, and nothing may leave on it."""


class Right(StrEnum):
    """What somebody asks about their own data."""

    ACCESS = "access"
    COPY = "copy"
    CORRECT = "correct"
    ERASE = "erase"
    OBJECT = "object"
    RESTRICT = "restrict"
    MOVE = "move"
    COMPLAIN = "complain"


class Risk(StrEnum):
    """Of a breach, to the people whose data it is."""

    UNKNOWN = "unknown"
    UNLIKELY = "unlikely"
    RISK = "risk"
    HIGH = "high"


class Notice(StrEnum):
    """What an entry of the abuse register rests on."""

    COMPLAINT = "complaint"
    SECTION_15 = "s15-notice"
    SECTION_20 = "s20-order"
    OTHER = "other"


class Action(StrEnum):
    """A step of an entry; its history is a list of them."""

    ADDED = "added"
    NOTED = "noted"
    APPROVED = "approved"
    REFUSED = "refused"
    EXPORTED = "exported"
    DELIVERED = "delivered"
    REPORTED = "reported"
    """To the authority: the Office of the PDPC, or whoever sent the notice."""
    TOLD = "told"
    """The people concerned."""
    ACTED = "acted"
    CLOSED = "closed"


class Form(StrEnum):
    TEXT = "text"
    CHOICE = "choice"
    MOMENT = "moment"
    LINES = "lines"


@dataclass(frozen=True, slots=True)
class Field:
    """One thing an entry says."""

    name: str
    form: Form = Form.TEXT
    needed: bool = False
    choices: tuple[str, ...] = ()
    default: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One register."""

    register: Register
    prefix: str
    """Of its numbers: REQ-2569-0001."""
    fields: tuple[Field, ...]
    title: tuple[str, ...]
    """The fields that name an entry in a list."""
    actions: Mapping[Action, frozenset[State]]
    """What may be done, and in which states."""


_ANY = frozenset(State)
_UNDECIDED = frozenset({State.OPEN})
_GRANTED = frozenset({State.APPROVED})
_DECIDED = frozenset({State.APPROVED, State.REFUSED})
_LIVE = frozenset({State.OPEN, State.APPROVED, State.REFUSED})

_PERIOD = (Field("from_at", Form.MOMENT), Field("to_at", Form.MOMENT))
_DECISIONS = {Action.NOTED: _ANY, Action.APPROVED: _UNDECIDED, Action.REFUSED: _UNDECIDED}

KINDS: Mapping[Register, Kind] = {
    kind.register: kind
    for kind in (
        Kind(
            register=Register.REQUEST,
            prefix="REQ",
            fields=(
                Field("office", needed=True),
                Field("officer", needed=True),
                Field("officer_id"),
                Field("basis", Form.CHOICE, True, tuple(Basis), Basis.NONE),
                Field("basis_text"),
                Field("document_number"),
                Field("scope", needed=True),
                *_PERIOD,
                Field("about", Form.LINES),
            ),
            title=("office", "document_number"),
            actions={
                **_DECISIONS,
                Action.EXPORTED: _GRANTED,
                Action.DELIVERED: _GRANTED,
                Action.CLOSED: _DECIDED,
            },
        ),
        Kind(
            register=Register.SUBJECT,
            prefix="DSR",
            fields=(
                Field("person", needed=True),
                Field("account"),
                Field("right", Form.CHOICE, True, tuple(Right), Right.ACCESS),
                Field("contact"),
                Field("identity_check"),
                Field("scope", needed=True),
            ),
            title=("person", "right"),
            actions={
                **_DECISIONS,
                Action.EXPORTED: _GRANTED,
                Action.DELIVERED: _GRANTED,
                Action.CLOSED: _DECIDED,
            },
        ),
        Kind(
            register=Register.INCIDENT,
            prefix="INC",
            fields=(
                Field("scope", needed=True),
                Field("risk", Form.CHOICE, True, tuple(Risk), Risk.UNKNOWN),
                *_PERIOD,
                Field("data_kinds"),
                Field("about", Form.LINES),
                Field("measures"),
            ),
            title=("scope",),
            actions={
                Action.NOTED: _ANY,
                Action.REPORTED: _UNDECIDED,
                Action.TOLD: _UNDECIDED,
                Action.CLOSED: _UNDECIDED,
            },
        ),
        Kind(
            register=Register.ABUSE,
            prefix="ABU",
            fields=(
                Field("complainant", needed=True),
                Field("notice", Form.CHOICE, True, tuple(Notice), Notice.COMPLAINT),
                Field("document_number"),
                Field("scope", needed=True),
                Field("target"),
            ),
            title=("complainant", "target"),
            actions={
                Action.NOTED: _ANY,
                Action.ACTED: _UNDECIDED,
                Action.REPORTED: _UNDECIDED,
                Action.CLOSED: _UNDECIDED,
            },
        ),
    )
}

_NEXT = {
    Action.APPROVED: State.APPROVED,
    Action.REFUSED: State.REFUSED,
    Action.DELIVERED: State.DONE,
    Action.CLOSED: State.DONE,
}


def next_state(register: Register, state: State, action: Action) -> State:
    """The state after a step.

    Raises:
        Refused: the step does not belong there.
    """
    allowed = KINDS[register].actions.get(action)
    if allowed is None:
        raise Refused(f"an entry of the register {register} is never {action}")
    if state not in allowed:
        raise Refused(f"it is {state}; only what is {_either(allowed)} can be {action}")
    return _NEXT.get(action, state)


def check_facts(register: Register, facts: Mapping[str, str]) -> dict[str, str]:
    """What an entry says, cleaned: every field that was filled in.

    Raises:
        UsageError: something needed is missing, too long, or not among the choices.
    """
    known = {field.name: field for field in KINDS[register].fields}
    strange = sorted(set(facts) - set(known))
    if strange:
        raise UsageError(f"an entry of the register {register} has no {strange[0]}")
    kept = {}
    for name, field in known.items():
        value = (facts.get(name) or "").strip() or field.default
        if not value:
            if field.needed:
                raise UsageError(f"{name.replace('_', ' ')} is missing")
            continue
        if len(value) > MAXIMUM_TEXT:
            raise UsageError(f"{name.replace('_', ' ')} is longer than {MAXIMUM_TEXT} characters")
        if field.choices and value not in field.choices:
            raise UsageError(f"{name} is one of {', '.join(field.choices)}")
        kept[name] = value
    return kept


def due_at(register: Register, received_at: datetime, days: int | None) -> datetime | None:
    """When an entry is due; None for a complaint without a term, whose law is not settled here.

    Raises:
        UsageError: the term is not one that the law allows.
    """
    if register is Register.INCIDENT:
        return received_at + timedelta(hours=BREACH_HOURS)
    if days is None:
        return None
    low, high = {
        Register.REQUEST: (LEAST_REQUEST_DAYS, MOST_REQUEST_DAYS),
        Register.SUBJECT: (1, MOST_SUBJECT_DAYS),
        Register.ABUSE: (1, 365),
    }[register]
    if not low <= days <= high:
        raise UsageError(f"it is due within {low} to {high} days")
    return received_at + timedelta(days=days)


def why_not_approved(register: Register, facts: Mapping[str, str]) -> str | None:
    """What is missing before personal data may leave on an entry; None: nothing.

    R64: no export without a basis, and none wider than what was asked.
    """
    if register is Register.REQUEST:
        basis = facts.get("basis", Basis.NONE)
        if basis == Basis.NONE:
            return "it names no legal basis"
        if basis == Basis.OTHER_ACT and not facts.get("basis_text"):
            return "it does not say which other act it rests on (basis text)"
        for name in ("officer_id", "document_number"):
            if not facts.get(name):
                return f"it has no {name.replace('_', ' ')}"
        if not facts.get("from_at") or not facts.get("to_at"):
            return "it has no period (from, to): what is not asked for must not leave"
    if register is Register.SUBJECT and not facts.get("identity_check"):
        return "it does not say how the identity of who asks was checked"
    return None


def format_number(register: Register, year: int, running: int) -> str:
    """The number of an entry, with the Buddhist year that offices count in."""
    return f"{KINDS[register].prefix}-{year}-{running:04d}"


def _either(states: frozenset[State]) -> str:
    return " or ".join(state for state in State if state in states)
