"""Consent of guardians: recorded, withdrawn, imported, and asked for where a role needs it.

A role says whether its people need one (`yuenyan role set ROLE --guardian-consent required`). Where
it does, a person without one is refused with that reason, at every login; their records are kept
all the same, because those need no consent. Reads no file and prints nothing.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from common.errors import NetAccessError, NotFound, Refused, UsageError
from common.thai_time import read_bound
from db.models import Account, GuardianConsent, Organisation, Person, Role
from identity.domain.dynamic import Cause
from identity.domain.guardians import LONGEST_TEXT, Given, read_given
from identity.office import Office
from identity.services import audit, dynamic
from identity.services.consent_terms import MISSING as MISSING
from identity.services.consent_terms import in_force
from identity.services.named import account_id_of
from identity.services.reach import EVERYWHERE, Reach

COLUMNS = (
    "org",
    "person_code",
    "guardian",
    "relation",
    "how",
    "given_on",
    "text_version",
    "document",
)
OPTIONAL_COLUMN = "username"
"""Of people from a directory, who have no number here; where it is filled in it counts."""

MOST_OCTETS = 16 << 20
"""A consent of each pupil of an area office is 6 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line that is not taken in, and why; never a name."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of a file."""

    recorded: int
    known: int
    """Lines whose consent was there already, so that a file can be sent twice."""
    bad: tuple[BadLine, ...]


def lacks(session: Session, account: Account) -> bool:
    """Whether this account needs a consent that is not there."""
    if not account.role.guardian_consent or account.kind != "person":
        return False
    return not session.scalar(select(in_force(account.person_id)))


def record(
    session: Session, office: Office, person: Person, given: Given, actor: str
) -> GuardianConsent | None:
    """Enter a consent, on record; None when exactly this one stands already."""
    known = session.scalar(
        select(GuardianConsent.id).where(
            GuardianConsent.person_id == person.id,
            GuardianConsent.document == given.document,
            GuardianConsent.text_version == given.text_version,
            GuardianConsent.relation == given.relation.value,
            GuardianConsent.withdrawn_at.is_(None),
        )
    )
    if known is not None:
        return None
    made = GuardianConsent(
        person_id=person.id,
        guardian=given.guardian,
        relation=given.relation.value,
        how=given.how.value,
        given_at=given.given_at,
        text_version=given.text_version,
        document=given.document,
        recorded_at=office.clock(),
        recorded_by=actor,
    )
    session.add(made)
    session.flush()
    audit.record(
        session,
        office.clock(),
        actor,
        "consent:recorded",
        _told(session, person),
        consent=made.id,
        relation=made.relation,
        how=made.how,
        document=made.document,
        text_version=made.text_version,
    )
    return made


def withdraw(session: Session, office: Office, consent_id: int, why: str, actor: str) -> int:
    """End a consent; where the role needs one, open connections end. How many are to.

    Raises:
        NotFound: there is no such consent.
        Refused: it was withdrawn before.
        UsageError: it is not said on what.
    """
    found = session.get(GuardianConsent, consent_id)
    if found is None:
        raise NotFound(f"there is no consent {consent_id}; see: yuenyan consent list")
    if found.withdrawn_at is not None:
        raise Refused(f"consent {consent_id} was withdrawn before")
    reason = " ".join(why.split())
    if not reason or len(reason) > LONGEST_TEXT:
        raise UsageError(f"say on what it is withdrawn, in at most {LONGEST_TEXT} characters")
    now = office.clock()
    found.withdrawn_at, found.withdrawn_by, found.withdrawn_why = now, actor, reason
    session.flush()
    person = session.get_one(Person, found.person_id)
    audit.record(
        session,
        now,
        actor,
        "consent:withdrawn",
        _told(session, person),
        consent=consent_id,
        why=reason,
    )
    refused = session.scalars(
        select(Account.id)
        .join(Role, Role.id == Account.role_id)
        .where(Account.person_id == person.id, MISSING)
    ).all()
    return dynamic.disconnect_accounts(session, now, refused, Cause.CONSENT, actor)


def of_person(session: Session, person_id: int) -> Sequence[GuardianConsent]:
    """Every consent of somebody, the newest first."""
    mine = select(GuardianConsent).where(GuardianConsent.person_id == person_id)
    return session.scalars(mine.order_by(GuardianConsent.id.desc())).all()


def list_consents(
    session: Session, reach: Reach = EVERYWHERE, limit: int = 200
) -> Sequence[tuple[GuardianConsent, Person]]:
    """Consents of people in reach, the newest first."""
    rows = session.execute(
        select(GuardianConsent, Person)
        .join(Person, Person.id == GuardianConsent.person_id)
        .where(reach.within(Person.organisation_id))
        .order_by(GuardianConsent.id.desc())
        .limit(limit)
    )
    return [(consent, person) for consent, person in rows]


def list_missing(
    session: Session, reach: Reach = EVERYWHERE, limit: int = 200
) -> Sequence[Account]:
    """Active accounts in reach whose role needs a consent that is not there, by name."""
    return (
        session.scalars(
            select(Account)
            .where(_is_missing(), reach.accounts())
            .order_by(Account.username)
            .limit(limit)
        )
        .unique()
        .all()
    )


def count_missing(session: Session, reach: Reach = EVERYWHERE) -> int:
    """How many there are of them."""
    return (
        session.scalar(select(func.count(Account.id)).where(_is_missing(), reach.accounts())) or 0
    )


def find_person(
    session: Session, reach: Reach, organisation: str, person_code: str, username: str = ""
) -> Person:
    """The one pupil of this school with this number, or whose user name this is.

    Raises:
        NotFound: there is none in reach, or more than one.
    """
    if username.strip():
        account = session.scalar(
            select(Account).where(Account.id == account_id_of(session, username), reach.accounts())
        )
        if account is None or account.person is None:
            raise NotFound("no person within reach has this user name")
        return account.person
    if not person_code.strip():
        raise UsageError("give the pupil's number, or the user name")
    code, number = organisation.strip(), person_code.strip()
    school = session.scalar(select(Organisation.id).where(Organisation.code == code))
    if school is None and code:
        raise NotFound(f"there is no organisation {code!r}; see: yuenyan org list")
    found = session.scalars(
        select(Person)
        .where(
            Person.organisation_id == school,
            Person.person_code == number,
            reach.within(Person.organisation_id),
        )
        .limit(2)
    ).all()
    if len(found) != 1:
        place = f"at {code}" if code else "without a school"
        raise NotFound(f"nobody, or more than one, has the number {number!r} {place}")
    return found[0]


def read_line(fields: dict[str, str], zone: str, now: datetime) -> Given:
    """A consent as a form or a line of a file gives it.

    Raises:
        UsageError: something is missing or cannot be.
    """
    day = fields.get("given_on", "").strip()
    if not day:
        raise UsageError("given_on is missing")
    return read_given(fields, read_bound(day, zone, now=now), now)


def import_csv(
    session: Session, office: Office, octets: bytes, actor: str, reach: Reach = EVERYWHERE
) -> Imported:
    """Take in a file of consents; a line that is wrong is left out and told by its row.

    Raises:
        UsageError: it is no such file.
    """
    if len(octets) > MOST_OCTETS:
        raise UsageError(f"a file of consents has at most {MOST_OCTETS >> 20} MB")
    if octets.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UsageError("the file is UTF-16; save as CSV UTF-8")
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = octets.decode("cp874", "replace")
    if not text.strip():
        raise UsageError("the file is empty")
    first = text.lstrip().partition("\n")[0]
    # A spreadsheet writes what its country is used to; the headings show which.
    separator = max(",;\t", key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        there = [str(name).strip() for name in reader.fieldnames or ()]
        if missing := [name for name in COLUMNS if name not in there]:
            raise UsageError(f"columns are missing: {', '.join(missing)}")
        reader.fieldnames = there
        recorded = known = 0
        bad: list[BadLine] = []
        for number, line in enumerate(reader, start=2):
            fields = {name: str(line.get(name) or "") for name in (*COLUMNS, OPTIONAL_COLUMN)}
            try:
                given = read_line(fields, office.config.site.timezone, office.clock())
                person = find_person(
                    session, reach, fields["org"], fields["person_code"], fields["username"]
                )
            except NetAccessError as error:
                bad.append(BadLine(row=number, reason=str(error)))
                continue
            if record(session, office, person, given, actor) is None:
                known += 1
            else:
                recorded += 1
    except csv.Error as error:
        raise UsageError(f"this is no CSV file: {error}") from error
    return Imported(recorded=recorded, known=known, bad=tuple(bad))


def _is_missing() -> ColumnElement[bool]:
    needs = select(Role.id).where(Role.guardian_consent)
    return (
        (Account.kind == "person")
        & (Account.state == "active")
        & Account.role_id.in_(needs)
        & ~in_force(Account.person_id)
    )


def _told(session: Session, person: Person) -> str:
    """Whose it is, as the audit trail names people: by user name where there is one."""
    name = session.scalar(
        select(Account.username).where(Account.person_id == person.id).order_by(Account.id)
    )
    return name or f"person {person.id}"
