"""Registering from the roster: somebody whom the school has imported chooses a first password.

What a pupil's friends know as well (number, class) proves nobody. So this only says *which*
person it is; a birth date gives a first password to the one account that has none, a class
alone brings the wish to an officer. Whoever has a password already gets none here.
"""

from __future__ import annotations

import hmac
import unicodedata
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.errors import Refused, UsageError
from db.models import Account, Credential, Organisation, Person, Registration, Role
from identity.domain.admission import RegistrationState, advance, new_reference
from identity.domain.birth_dates import read_birth_date
from identity.domain.registering import Way
from identity.office import Office
from identity.services import audit, guardians, registration_ways, registrations, roster_guard

_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")


class NotOnRoster(Refused):
    """Nothing was found. One sentence for every cause, so that nobody learns who is a pupil."""

    def __init__(self) -> None:
        super().__init__("the roster has no such person without a password")


class NoConsent(Refused):
    """The person is known, and proven, but a guardian's consent is needed first."""

    def __init__(self) -> None:
        super().__init__("the consent of a guardian is needed first; ask the teacher for the form")


class TooManyTries(Refused):
    """This number was tried too often today."""

    def __init__(self) -> None:
        super().__init__("this number was tried too often today; ask the teacher")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who somebody says to be."""

    organisation: str
    """Its code; empty: the person belongs to none."""
    person_code: str
    birth_date: str = field(default="", repr=False)
    class_name: str = ""
    role: str
    client_address: str | None = None
    client_mac: str | None = None
    language: str = "th"
    notice_hash: str = ""


def birth_hash(office: Office, person_id: int, born: date) -> str:
    """What is kept of a birth date: it can be compared, not read."""
    return office.vault.lookup_hash(f"birth {person_id} {born.isoformat()}")


def apply(
    session: Session, office: Office, claim: Claim, password_hash: str
) -> Registration | NotOnRoster | NoConsent | TooManyTries:
    """The application of somebody on the roster, done or waiting for an officer.

    A refusal is a value here: the caller commits, so that no try is forgotten.

    Raises:
        UsageError: neither a birth date nor a class is given, or the date cannot be read.
    """
    number = claim.person_code.strip().translate(_DIGITS)
    if not number or not (claim.birth_date.strip() or claim.class_name.strip()):
        raise UsageError("a number is needed, and a birth date or a class")
    born = read_birth_date(claim.birth_date) if claim.birth_date.strip() else None
    now = office.clock()
    school = session.scalar(select(Organisation).where(Organisation.code == claim.organisation))
    target = roster_guard.target_of(office, school, number)
    roster_guard.lock(session)
    if roster_guard.is_used_up(session, now, target):
        return TooManyTries()
    account = _find(session, office, claim, school, number, born)
    if account is None:
        roster_guard.record_miss(session, now, target, claim.client_address or "")
        return NotOnRoster()
    # Who knows a class alone is not told: it would say that somebody is a pupil.
    if born is not None and guardians.lacks(session, account):
        return NoConsent()
    guessed = roster_guard.is_guessed(session, now, school)
    return _store(
        session, office, claim, account, password_hash, proven=born is not None, guessed=guessed
    )


def _find(
    session: Session,
    office: Office,
    claim: Claim,
    school: Organisation | None,
    number: str,
    born: date | None,
) -> Account | None:
    """The one account without a password of the one person who fits, or None."""
    # Each person under one school only, or each could be tried under several.
    statement = select(Person).where(
        Person.person_code == number,
        Person.organisation_id == (school.id if school is not None else None),
    )
    found = session.scalars(statement.limit(2)).all()
    person = found[0] if len(found) == 1 else None
    if born is not None:
        wanted = birth_hash(office, person.id if person else 0, born)
        known = person.birth_hmac if person is not None else None
        fits = hmac.compare_digest(wanted, known or "-")
    else:
        wanted = _class(claim.class_name)
        fits = person is not None and bool(wanted) and wanted == _class(person.class_name or "")
    if person is None or not fits:
        return None
    accounts = session.scalars(select(Account).where(Account.person_id == person.id)).all()
    if len(accounts) != 1:
        return None
    account = accounts[0]
    is_good = registration_ways.is_present(account, office.clock()) and account.origin is None
    if not is_good or session.get(Credential, account.id) is not None:
        return None
    role = session.get_one(Role, account.role_id)
    return account if role.name == claim.role else None


def _store(
    session: Session,
    office: Office,
    claim: Claim,
    account: Account,
    password_hash: str,
    *,
    proven: bool,
    guessed: bool,
) -> Registration | NotOnRoster:
    person = account.person
    assert person is not None, "only people's accounts are found"
    now = office.clock()
    registration = Registration(
        reference=new_reference(),
        state=advance(RegistrationState.DRAFT, RegistrationState.PENDING),
        way=Way.ROSTER.value,
        username=account.username,
        full_name=person.full_name,
        contact=person.contact or "",
        password_hash=password_hash,
        role_id=account.role_id,
        person_id=person.id,
        birth_proven=proven,
        client_address=claim.client_address,
        client_mac=claim.client_mac,
        language=claim.language,
        notice_hash=claim.notice_hash,
        organisation_id=account.organisation_id,
        created_at=now,
    )
    if proven:
        _close_weaker(session, office, person)
    try:
        with session.begin_nested():
            session.add(registration)
            session.flush()
    except IntegrityError:  # one waits already; it is not told whose
        return NotOnRoster()
    audit.record(
        session,
        now,
        account.username,
        "registration:submitted",
        registration.reference,
        name=person.full_name,
        proven_by="birth date" if proven else "class",
        guessed=guessed,
    )
    session.refresh(registration)
    choice = registration_ways.choice_of(session, office, account.role)
    # While somebody guesses, a birth date that fits may be a guess that hit.
    if proven and not guessed and not choice.needs_approval:
        registrations.admit(
            session,
            office,
            registration,
            account,
            account.role,
            account.expires_at,
            account.username,
        )
    return registration


def _close_weaker(session: Session, office: Office, person: Person) -> None:
    """Close what waits for an officer with a class alone: a classmate may have been first."""
    waiting = session.scalars(
        select(Registration).where(
            Registration.person_id == person.id,
            Registration.state == RegistrationState.PENDING,
            Registration.way == Way.ROSTER,
            Registration.birth_proven.is_(False),
        )
    ).all()
    for row in waiting:
        reason = "somebody proved the birth date"
        registrations.close(session, office, row, "roster", reason, tells=False)
    session.flush()


def _class(text: str) -> str:
    """A class however it was typed: `ม. ๒/๑` is `ม.2/1`."""
    folded = unicodedata.normalize("NFKC", text).translate(_DIGITS).casefold()
    return "".join(symbol for symbol in folded if not symbol.isspace() and symbol not in ".")
