"""Some minutes on the network before a registration is through, so that a code can be read.

They are an account of their own: a guest with the name and the contact that the visitor gave,
unproven, whom the role's answerable person sponsors. It expires by itself, and the housekeeper
has the equipment end its session (identity.services.dynamic).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.orm import Session

from common.errors import Refused
from db.models import Account, ProvisionalGrant, Registration
from identity.domain.admission import RegistrationState
from identity.domain.contacts import find_mailbox, find_number
from identity.domain.dynamic import Cause
from identity.domain.registering import PROVISIONAL_ROLE, Way
from identity.office import Office
from identity.services import audit, codes, dynamic, people, registration_ways, roles

ONCE_IN = timedelta(days=1)

OPEN_AT_ONCE, A_DAY = 20, 100
"""At one school: a meeting's guests come one after another, and none needs it for longer than
its code takes. Devices and contacts are free to invent, so something must end it."""
OPEN_AT_SITE, A_DAY_AT_SITE = 60, 300
_KEPT = timedelta(days=2)


def minutes_for(session: Session, office: Office, registration: Registration, mac: str) -> int:
    """How many minutes this visitor may have now on this device; 0 is none.

    Once for each device and each contact in a day, only while something is awaited that they
    might have to read, and as long as the school and the site have not had their fill.
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
    # For hosts nothing of the kind: it would tell who is one.
    if way.has_code and not codes.was_sent(session, registration):
        return 0
    if _is_full(session, now, registration):
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
        Refused: this device or contact has had its minutes today, the school or the site has
            given as many as it may, or there are none.
    """
    if session.get_bind().dialect.name == "postgresql":
        # Fifty at once are not all to find room for one; SQLite has one writer anyway.
        session.execute(select(func.pg_advisory_xact_lock(func.hashtext("provisional"))))
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
    """Forget to whom minutes were given days ago; their accounts stay on record."""
    gone = session.scalars(
        delete(ProvisionalGrant)
        .where(ProvisionalGrant.granted_at <= now - _KEPT)
        .returning(ProvisionalGrant.id)
    ).all()
    return len(gone)


def _name(registration: Registration) -> str:
    return f"provisional-{registration.id}"


def _is_full(session: Session, now: datetime, registration: Registration) -> bool:
    """Whether the school of this application, or the site, has given as many as it may."""

    def count(*conditions: ColumnElement[bool]) -> int:
        found = session.scalar(
            select(func.count())
            .select_from(ProvisionalGrant)
            .join(Account, Account.id == ProvisionalGrant.account_id)
            .join(Registration, Registration.id == ProvisionalGrant.registration_id)
            .where(ProvisionalGrant.granted_at > now - ONCE_IN, *conditions)
        )
        return found or 0

    is_open = (Account.state == "active", Account.expires_at > now)
    here = Registration.organisation_id == registration.organisation_id
    return (
        count(here, *is_open) >= OPEN_AT_ONCE
        or count(here) >= A_DAY
        or count(*is_open) >= OPEN_AT_SITE
        or count() >= A_DAY_AT_SITE
    )


def _hash(office: Office, contact: str) -> str:
    """Of the contact however it was written; `a+b@c.example` is the mailbox `a@c.example`."""
    mailbox = find_mailbox(contact)
    if mailbox is not None:
        local, _at, domain = mailbox.rpartition("@")
        mailbox = f"{local.partition('+')[0] or local}@{domain}"
    spelling = mailbox or find_number(contact) or contact
    return office.vault.lookup_hash(f"provisional {spelling.casefold().strip()}")
