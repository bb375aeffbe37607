"""What a visitor does on the way from an application to an account: the code comes back."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from db.models import Registration
from identity.domain.admission import RegistrationState, advance
from identity.domain.registering import CODE_STAY
from identity.office import Office
from identity.services import audit, codes, registration_ways, registrations
from identity.services.codes import Answer


def enter_code(session: Session, office: Office, registration: Registration, typed: str) -> Answer:
    """Try a code; the right one makes the account, or brings the application to the officers.

    The caller has locked the registration, and commits whatever the answer is.

    Raises:
        Refused: the user name was taken meanwhile.
    """
    if registration.state != RegistrationState.DRAFT:
        return Answer.OLD
    answer = codes.try_short(session, office, registration, typed)
    if answer is Answer.RIGHT:
        _contact_proven(session, office, registration)
    return answer


def _contact_proven(session: Session, office: Office, registration: Registration) -> None:
    now = office.clock()
    registration.contact_verified_at = now
    verified = advance(registration.state, RegistrationState.CONTACT_VERIFIED)
    registration.state = advance(verified, RegistrationState.PENDING)
    audit.record(
        session,
        now,
        registration.username,
        "registration:contact_verified",
        registration.reference,
        way=registration.way,
    )
    choice = registration_ways.choice_of(session, office, registration.role)
    # As the officer has it now, not as it was when the visitor applied.
    if choice.needs_approval or choice.way != registration.way or not choice.for_guests:
        return
    sponsor = registration_ways.answerable_for(session, choice, now)
    if sponsor is None:
        return  # who answered has left: an officer decides
    stay = min(CODE_STAY, timedelta(days=office.config.registration.guest_days))
    registrations.admit(
        session,
        office,
        registration,
        sponsor,
        registration.role,
        now + stay,
        registration.username,
    )
