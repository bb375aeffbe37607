"""Self-registration: a visitor applies, somebody approves, an account comes of it.

Codes, hosts and the roster are steps of their own (registering, hosts, roster); all of them come
back here, where accounts are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused, UsageError
from db.models import Account, Credential, Person, Registration, Role
from identity.domain.admission import RegistrationState, advance, new_reference
from identity.domain.contacts import Channel, find_mailbox, mobile_number
from identity.domain.registering import Way
from identity.office import Office
from identity.services import (
    approval,
    audit,
    contacts,
    decision_letters,
    hosts,
    people,
    provisional,
    registration_ways,
    roles,
)

GUEST_LIFETIME = timedelta(days=7)
"""How long an approved guest may come back, unless the approver says otherwise."""

PENDING_LIFETIME = timedelta(days=14)
"""An application nobody decided is closed after this."""

DRAFT_LIFETIME = timedelta(days=1)
"""One whose code never came back; its user name is free again then."""


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
    role: str | None = None
    """None: that of [portal] registration_role."""


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
    """Store an application and return it with its reference number.

    It is pending, or a draft where a code or a host has to come before an officer.

    Args:
        password_hash: of `hash_password`; made here when absent.

    Raises:
        UsageError: a field is missing or unusable; the message says which.
        Refused: the user name is taken by an account or an open application, or nobody
            registers for the role in this way.
    """
    role = roles.get(session, application.role or office.config.portal.registration_role)
    choice = registration_ways.choice_of(session, office, role)
    if choice.way in (Way.CLOSED, Way.ROSTER):
        raise Refused(f"nobody registers for the role {role.name!r} with a form like this")
    username = people.free_username(application.username)
    hashed = password_hash or hash_password(office, application)
    full_name = application.full_name.strip()
    contact = _contact(office, choice.way, application.contact)
    if not full_name or not contact:
        raise UsageError("a name and a way to reach you are needed")
    if role.for_guests and not application.purpose.strip():
        raise UsageError("guests say what they need the network for")
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
    host = hosts.find_host(session, office, application.sponsor_name)
    registration = Registration(
        reference=new_reference(),
        state=_first_state(choice),
        way=choice.way.value,
        username=username,
        full_name=full_name,
        contact=contact,
        purpose=application.purpose.strip(),
        sponsor_name=application.sponsor_name.strip()[:200],
        host_id=host.id if host is not None and choice.way is Way.SPONSOR else None,
        password_hash=hashed,
        role_id=role.id,
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

    A wish from the roster opens the account that is there, with the role that it has: `role` and
    `expires_at` are for the others, and nobody gets past what they may grant by naming another.

    A role that is for guests gives a guest account that ends after `GUEST_LIFETIME` unless
    `expires_at` or the host says otherwise; any other role makes a person, proven in person by
    the approver. A host who agreed stays the sponsor.

    Raises:
        NotFound: no such application.
        Refused: it was decided before, the name was taken meanwhile, the approver may not
            grant this role or decide on applicants of this organisation, or a guest would stay
            for longer than [registration] guest_days.
    """
    registration = locked(session, reference)
    sponsor = people.get(session, approver)
    from_roster = registration.person_id is not None
    granted = roles.get(session, role) if role and not from_roster else registration.role
    approval.refuse_registration(session, sponsor, registration)
    approval.refuse_role(session, sponsor, granted.name)
    if sponsor.kind != "person":
        raise Refused("only a person can approve a registration")
    host = registration.host if registration.host_decided_at is not None else None
    if expires_at is None and registration.granted_seconds:
        expires_at = office.clock() + timedelta(seconds=registration.granted_seconds)
    return admit(
        session, office, registration, host or sponsor, granted, expires_at, sponsor.username
    )


def admit(
    session: Session,
    office: Office,
    registration: Registration,
    sponsor: Account,
    granted: Role,
    expires_at: datetime | None,
    actor: str,
) -> Account:
    """Make the account of a pending application. Who may decide that, the caller has asked.

    Args:
        sponsor: who answers for a guest, or has seen a person.
        actor: who decided, for the audit trail.

    Raises:
        Refused: it is not pending, the name was taken meanwhile, or the stay is too long.
    """
    active = advance(registration.state, RegistrationState.ACTIVE)
    now = office.clock()
    latest = registration_ways.latest_end(office, now)
    if granted.for_guests:
        expires_at = expires_at or min(now + GUEST_LIFETIME, latest)
        refuse_long_stay(office, expires_at, now)
    if registration.person_id is not None:
        account = _roster_account(session, registration)
    else:
        account = _new_account(session, registration, sponsor, granted, expires_at, now)
    session.add(
        Credential(account_id=account.id, password_hash=registration.password_hash, changed_at=now)
    )
    registration.state = active
    registration.account_id = account.id
    registration.role_id = account.role_id
    _keep_proven(session, office, registration, account)
    registration.decided_at = now
    registration.decided_by = actor
    audit.record(
        session,
        now,
        actor,
        "registration:approved",
        registration.reference,
        username=account.username,
        role=granted.name,
        sponsor=sponsor.username,
    )
    decision_letters.tell(session, office, registration, account.expires_at)
    return account


def _keep_proven(
    session: Session, office: Office, registration: Registration, account: Account
) -> None:
    """What a code has proven on the way lets its owner choose another password later."""
    if registration.contact_verified_at is not None:
        channel = Channel.SMS if registration.way == Way.SMS_CODE else Channel.MAIL
        contacts.keep(session, office, account, channel, registration.contact, "registration")


def refuse_long_stay(office: Office, expires_at: datetime | None, now: datetime) -> None:
    """Raise Refused when a guest would stay for longer than the configuration allows (R9)."""
    if expires_at is None or expires_at > registration_ways.latest_end(office, now):
        days = office.config.registration.guest_days
        raise Refused(f"a guest may stay for {days} days at most ([registration] guest_days)")


def _roster_account(session: Session, registration: Registration) -> Account:
    """The account that came with the roster and has no password yet."""
    accounts = session.scalars(
        select(Account)
        .where(Account.person_id == registration.person_id)
        .with_for_update(of=Account)
    ).all()
    if len(accounts) != 1 or session.get(Credential, accounts[0].id) is not None:
        raise Refused("this person has a password already; reject this one")
    return accounts[0]


def _new_account(
    session: Session,
    registration: Registration,
    sponsor: Account,
    granted: Role,
    expires_at: datetime | None,
    now: datetime,
) -> Account:
    if people.find(session, registration.username) is not None:
        raise Refused(f"the user name {registration.username} was taken meanwhile; reject this one")
    account = Account(
        username=registration.username,
        state="active",
        contact=registration.contact,
        organisation_id=registration.organisation_id or sponsor.organisation_id,
        role_id=granted.id,
        created_at=now,
        expires_at=expires_at,
        **_belonging(session, registration, granted.for_guests, sponsor, now),
    )
    session.add(account)
    session.flush()
    return account


def _contact(office: Office, way: Way, text: str) -> str:
    """The contact as it is stored; UsageError when a code could not reach it."""
    if way is Way.SMS_CODE:
        return mobile_number(text, office.config.sms.prefixes)
    if way is Way.MAIL_CODE:
        mailbox = find_mailbox(text)
        if mailbox is None:
            raise UsageError(f"{text!r} is no mailbox; write it like name@example.com")
        return mailbox
    return text.strip()


def _first_state(choice: registration_ways.Choice) -> RegistrationState:
    waits = choice.way.has_code or (choice.way is Way.SPONSOR and choice.needs_approval)
    if waits:
        return RegistrationState.DRAFT
    return advance(RegistrationState.DRAFT, RegistrationState.PENDING)


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
    registration = locked(session, reference)
    approval.refuse_registration(session, people.get(session, actor), registration)
    close(session, office, registration, actor, reason)


def close(
    session: Session,
    office: Office,
    registration: Registration,
    actor: str,
    reason: str,
    *,
    tells: bool = True,
) -> None:
    """Refuse an open application. Who may do that, the caller has asked.

    Args:
        tells: whether the visitor is written to, where they can be reached.

    Raises:
        Refused: it was decided before.
    """
    registration.state = advance(registration.state, RegistrationState.REJECTED)
    registration.decided_at = office.clock()
    provisional.end(session, registration.decided_at, registration, actor)
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
    if tells:
        decision_letters.tell(session, office, registration, None)


def follow_account(session: Session, account: Account) -> None:
    """Bring the registration of an account to the state the account is in now.

    An expired application stays so when its account is given more time later.
    """
    registration = session.scalar(select(Registration).where(Registration.account_id == account.id))
    settled = (account.state, RegistrationState.EXPIRED)
    if registration is not None and registration.state not in settled:
        registration.state = advance(registration.state, RegistrationState(account.state))


def expire_stale(session: Session, now: datetime) -> int:
    """Close applications nobody decided for `PENDING_LIFETIME`; how many there were.

    One that waits for its code is closed after `DRAFT_LIFETIME`.
    """
    codes = [way.value for way in Way if way.has_code]
    stale = session.scalars(
        select(Registration).where(
            Registration.state.in_((RegistrationState.DRAFT, RegistrationState.PENDING)),
            or_(
                Registration.created_at <= now - PENDING_LIFETIME,
                and_(
                    Registration.state == RegistrationState.DRAFT,
                    Registration.way.in_(codes),
                    Registration.created_at <= now - DRAFT_LIFETIME,
                ),
            ),
        )
    ).all()
    for registration in stale:
        registration.state = advance(registration.state, RegistrationState.EXPIRED)
        audit.record(session, now, "housekeeper", "registration:expired", registration.reference)
    return len(stale)


def locked(session: Session, reference: str) -> Registration:
    """The registration, locked, so that two approvers cannot both decide.

    Raises:
        NotFound: there is none.
    """
    registration = find(session, reference)
    if registration is None:
        raise NotFound(f"there is no registration {reference!r}")
    session.refresh(registration, with_for_update={"of": Registration})
    return registration
