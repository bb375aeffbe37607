"""Some minutes on the network before a registration is through, so that a code can be read.

They are an account of their own: a guest with the name and the contact that the visitor gave,
unproven, whom the role's answerable person sponsors. It expires by itself, and the housekeeper
has the equipment end its session (identity.services.dynamic).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from common.errors import Refused
from db.models import Account, ContactCode, ProvisionalGrant, Registration
from identity.domain.admission import RegistrationState
from identity.domain.contacts import find_mailbox, find_number
from identity.domain.dynamic import Cause
from identity.domain.registering import PROVISIONAL_ROLE, Way
from identity.office import Office
from identity.services import audit, dynamic, people, registration_ways, roles

ONCE_IN = timedelta(days=1)
_KEPT = timedelta(days=2)


def minutes_for(session: Session, office: Office, registration: Registration, mac: str) -> int:
    """How many minutes this visitor may have now on this device; 0 is none.

    Once for each device and each contact in a day, and only while something is awaited that
    they might have to read.
    """
    if not mac or registration.state not in (
        RegistrationState.DRAFT,
        RegistrationState.PENDING,
    ):
        return 0
    way = Way(registration.way)
    if not way.has_code and way is not Way.SPONSOR:
        return 0
    choice = registration_ways.choice_of(session, office, registration.role)
    now = office.clock()
    if choice.way is not way or not choice.provisional_minutes:
        return 0
    if registration_ways.answerable_for(session, choice, now) is None:
        return 0
    if people.find(session, _name(registration)) is not None:
        return 0
    had = session.scalar(
        select(ProvisionalGrant.id)
        .where(
            ProvisionalGrant.granted_at > now - ONCE_IN,
            or_(
                ProvisionalGrant.mac == mac,
                ProvisionalGrant.contact_hmac == _hash(office, registration.contact),
            ),
        )
        .limit(1)
    )
    return 0 if had is not None else choice.provisional_minutes


def grant(session: Session, office: Office, registration: Registration, mac: str) -> Account:
    """The account of some minutes; the caller has locked the registration.

    Raises:
        Refused: this device or contact has had its minutes today, or there are none.
    """
    minutes = minutes_for(session, office, registration, mac)
    choice = registration_ways.choice_of(session, office, registration.role)
    now = office.clock()
    sponsor = registration_ways.answerable_for(session, choice, now)
    if not minutes or sponsor is None:
        raise Refused("this device or contact has had its minutes today")
    account = Account(
        username=_name(registration),
        kind="guest",
        state="active",
        sponsor_id=sponsor.id,
        guest_name=registration.full_name,
        contact=registration.contact,
        organisation_id=registration.organisation_id or sponsor.organisation_id,
        role_id=roles.get(session, PROVISIONAL_ROLE).id,
        created_at=now,
        expires_at=now + timedelta(minutes=minutes),
    )
    session.add(account)
    session.flush()
    session.add(
        ProvisionalGrant(
            registration_id=registration.id,
            account_id=account.id,
            mac=mac,
            contact_hmac=_hash(office, registration.contact),
            granted_at=now,
        )
    )
    audit.record(
        session,
        now,
        account.username,
        "registration:provisional",
        registration.reference,
        minutes=minutes,
        sponsor=sponsor.username,
    )
    return account


def end(session: Session, now: datetime, registration: Registration, actor: str) -> None:
    """End the minutes of a visitor who was refused."""
    row = session.scalar(
        select(ProvisionalGrant).where(ProvisionalGrant.registration_id == registration.id)
    )
    account = session.get(Account, row.account_id) if row else None
    if account is not None and account.state == "active":
        account.state = "suspended"
        account.ended_at = now
        dynamic.disconnect_accounts(session, now, [account.id], Cause.SUSPENDED, actor)


def drop_grants(session: Session, now: datetime) -> int:
    """Forget to whom minutes were given days ago; their accounts stay on record.

    Codes of that time go along: they are of no use.
    """
    session.execute(delete(ContactCode).where(ContactCode.created_at <= now - _KEPT))
    gone = session.scalars(
        delete(ProvisionalGrant)
        .where(ProvisionalGrant.granted_at <= now - _KEPT)
        .returning(ProvisionalGrant.id)
    ).all()
    return len(gone)


def _name(registration: Registration) -> str:
    return f"provisional-{registration.id}"


def _hash(office: Office, contact: str) -> str:
    """Of the contact however it was written."""
    spelling = find_mailbox(contact) or find_number(contact) or contact
    return office.vault.lookup_hash(f"provisional {spelling.casefold().strip()}")
