"""Self-registration: a visitor applies, somebody approves, an account comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused, UsageError
from db.models import Account, Credential, Person, Registration
from identity.domain.admission import RegistrationState, advance, new_reference
from identity.office import Office
from identity.services import approval, audit, people, roles

GUEST_LIFETIME = timedelta(days=7)
"""How long an approved guest may come back, unless the approver says otherwise."""

PENDING_LIFETIME = timedelta(days=14)
"""An application nobody decided is closed after this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What a visitor filled in."""

    username: str
    full_name: str
    contact: str
    password: str
    purpose: str = ""
    sponsor_name: str = ""
    client_address: str | None = None
    client_mac: str | None = None
    language: str = "th"
    notice_hash: str = ""
    organisation_id: int | None = None
    """Of the network device that sent them here, when one did."""


def hash_password(office: Office, application: Application) -> str:
    """The hash of the password applied with; slow, so do it before a transaction is open.

    Raises:
        UsageError: the password is too weak or unusable.
    """
    office.passwords.check_strength(application.password)
    return office.passwords.hash(application.password)


def submit(
    session: Session, office: Office, application: Application, password_hash: str | None = None
) -> Registration:
    """Store an application as pending and return it with its reference number.

    Args:
        password_hash: of `hash_password`; made here when absent.

    Raises:
        UsageError: a field is missing or unusable; the message says which.
        Refused: the user name is taken by an account or a pending application.
    """
    username = people.free_username(application.username)
    hashed = password_hash or hash_password(office, application)
    full_name, contact = application.full_name.strip(), application.contact.strip()
    if not full_name or not contact:
        raise UsageError("a name and a way to reach you are needed")
    for value, limit in ((full_name, 200), (contact, 200), (application.purpose, 500)):
        if len(value) > limit:
            raise UsageError(f"a field is longer than {limit} characters")
    taken = session.scalar(
        select(Registration.id).where(
            Registration.username == username, Registration.state.in_(("draft", "pending"))
        )
    )
    if taken is not None or people.find(session, username) is not None:
        raise Refused("this user name is taken; choose another")
    now = office.clock()
    registration = Registration(
        reference=new_reference(),
        state=advance(RegistrationState.DRAFT, RegistrationState.PENDING),
        username=username,
        full_name=full_name,
        contact=contact,
        purpose=application.purpose.strip(),
        sponsor_name=application.sponsor_name.strip()[:200],
        password_hash=hashed,
        role_id=roles.get(session, office.config.portal.registration_role).id,
        client_address=application.client_address,
        client_mac=application.client_mac,
        language=application.language,
        notice_hash=application.notice_hash,
        organisation_id=application.organisation_id,
        created_at=now,
    )
    session.add(registration)
    try:
        session.flush()
    except IntegrityError as error:  # somebody applied for the same name at the same moment
        raise Refused("this user name is taken; choose another") from error
    audit.record(
        session, now, username, "registration:submitted", registration.reference, name=full_name
    )
    return registration


def find(session: Session, reference: str) -> Registration | None:
    """The registration with this reference number, however it was typed, or None."""
    cleaned = clean_reference(reference)
    return session.scalar(select(Registration).where(Registration.reference == cleaned))


def clean_reference(text: str) -> str:
    """A reference number as it is stored, however it was typed."""
    return text.strip().upper().replace("-", "").replace(" ", "")


def list_pending(session: Session, limit: int = 200) -> Sequence[Registration]:
    """Applications that wait for a decision, oldest first."""
    return session.scalars(
        select(Registration)
        .where(Registration.state == RegistrationState.PENDING)
        .order_by(Registration.created_at)
        .limit(limit)
    ).all()


def approve(
    session: Session,
    office: Office,
    reference: str,
    approver: str,
    *,
    role: str | None = None,
    expires_at: datetime | None = None,
) -> Account:
    """Make an account of a pending application; the approver becomes the guest's sponsor.

    A role that is for guests gives a guest account that ends after `GUEST_LIFETIME` unless
    `expires_at` says otherwise; any other role makes a person, proven in person by the
    approver.

    Raises:
        NotFound: no such application.
        Refused: it was decided before, the name was taken meanwhile, or the approver may not
            grant this role or decide on applicants of this organisation.
    """
    registration = _locked(session, reference)
    sponsor = people.get(session, approver)
    granted = roles.get(session, role) if role else registration.role
    approval.refuse_registration(session, sponsor, registration)
    approval.refuse_role(session, sponsor, granted.name)
    registration.state = advance(registration.state, RegistrationState.ACTIVE)
    if sponsor.kind != "person":
        raise Refused("only a person can approve a registration")
    if people.find(session, registration.username) is not None:
        raise Refused(f"the user name {registration.username} was taken meanwhile; reject this one")
    now = office.clock()
    organisation_id = registration.organisation_id or sponsor.organisation_id
    account = Account(
        username=registration.username,
        state="active",
        contact=registration.contact,
        organisation_id=organisation_id,
        role_id=granted.id,
        created_at=now,
        expires_at=expires_at or (now + GUEST_LIFETIME if granted.for_guests else None),
        **_belonging(session, registration, granted.for_guests, sponsor, now),
    )
    session.add(account)
    session.flush()
    session.add(
        Credential(account_id=account.id, password_hash=registration.password_hash, changed_at=now)
    )
    registration.account_id = account.id
    registration.role_id = granted.id
    registration.decided_at = now
    registration.decided_by = sponsor.username
    audit.record(
        session,
        now,
        sponsor.username,
        "registration:approved",
        registration.reference,
        username=account.username,
        role=granted.name,
    )
    return account


def _belonging(
    session: Session, registration: Registration, guest: bool, sponsor: Account, now: datetime
) -> dict[str, object]:
    if guest:
        return {
            "kind": "guest",
            "sponsor_id": sponsor.id,
            "guest_name": registration.full_name,
        }
    person = Person(
        organisation_id=registration.organisation_id or sponsor.organisation_id,
        full_name=registration.full_name,
        contact=registration.contact,
        proofing_method="in_person",
        proofed_by=sponsor.username,
        proofed_at=now,
        created_at=now,
    )
    session.add(person)
    session.flush()
    return {"kind": "person", "person_id": person.id}


def reject(session: Session, office: Office, reference: str, actor: str, reason: str) -> None:
    """Refuse a pending application; the visitor reads `reason` on the status page.

    Raises:
        NotFound: no such application, or nobody is called `actor`.
        Refused: it was decided before, or belongs to another organisation.
    """
    registration = _locked(session, reference)
    approval.refuse_registration(session, people.get(session, actor), registration)
    registration.state = advance(registration.state, RegistrationState.REJECTED)
    registration.decided_at = office.clock()
    registration.decided_by = actor
    registration.decision_reason = reason.strip()[:500]
    audit.record(
        session,
        registration.decided_at,
        actor,
        "registration:rejected",
        registration.reference,
        reason=registration.decision_reason,
    )


def follow_account(session: Session, account: Account) -> None:
    """Bring the registration of an account to the state the account is in now.

    An expired application stays so when its account is given more time later.
    """
    registration = session.scalar(select(Registration).where(Registration.account_id == account.id))
    settled = (account.state, RegistrationState.EXPIRED)
    if registration is not None and registration.state not in settled:
        registration.state = advance(registration.state, RegistrationState(account.state))


def expire_stale(session: Session, now: datetime) -> int:
    """Close applications nobody decided for `PENDING_LIFETIME`; how many there were."""
    stale = session.scalars(
        select(Registration).where(
            Registration.state.in_((RegistrationState.DRAFT, RegistrationState.PENDING)),
            Registration.created_at <= now - PENDING_LIFETIME,
        )
    ).all()
    for registration in stale:
        registration.state = advance(registration.state, RegistrationState.EXPIRED)
        audit.record(session, now, "housekeeper", "registration:expired", registration.reference)
    return len(stale)


def _locked(session: Session, reference: str) -> Registration:
    """The registration, locked, so that two approvers cannot both decide."""
    registration = find(session, reference)
    if registration is None:
        raise NotFound(f"there is no registration {reference!r}")
    session.refresh(registration, with_for_update={"of": Registration})
    return registration
