"""Takes out of an account that is over what tells whose it was (R38, R41).

Nothing is deleted that anything refers to: the account keeps its number. When an account may
be forgotten is asked with `candidates`; who is still needed by a record is the caller's to
know, because records lie in the archive as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from common.logging import get_logger
from db.models import (
    Account,
    ApiToken,
    ApproverRole,
    ApproverScope,
    AuthEvent,
    Certificate,
    Credential,
    DeviceName,
    DirectoryEntry,
    GuardianConsent,
    NetworkSession,
    OfficerLevel,
    Person,
    PortalToken,
    Registration,
    SentCode,
    TextAccepted,
    UnlockRequest,
    VerifiedContact,
    Voucher,
    VoucherDevice,
)
from identity.services import audit

ACTOR = "housekeeper"

_KEYS_A_QUERY = 400


def nameless(account_id: int) -> str:
    """The user name that an account has when its own is forgotten."""
    return f"anonymised-{account_id}"


def candidates(session: Session, ended_before: datetime, limit: int = 500) -> list[int]:
    """Accounts that ended long enough ago and stand for nobody else's, oldest end first.

    A guest's sponsor and a device's owner are named by that account: they go after it.
    """
    other = aliased(Account)
    rows = session.scalars(
        select(Account.id)
        .where(
            Account.state != "active",
            Account.ended_at <= ended_before,
            Account.anonymised_at.is_(None),
            ~select(other.id)
            .where(
                or_(other.sponsor_id == Account.id, other.owner_id == Account.id),
                other.anonymised_at.is_(None),
            )
            .exists(),
        )
        .order_by(Account.ended_at, Account.id)
        .limit(limit)
    )
    return list(rows)


def needed(session: Session, among: Collection[int]) -> set[int]:
    """Those of `among` that a record of the database names."""
    found: set[int] = set()
    for some in _pieces(sorted(among)):
        for column in (NetworkSession.account_id, AuthEvent.account_id):
            rows = session.scalars(select(column).where(column.in_(some)).distinct())
            found.update(number for number in rows if number is not None)
    return found


def forget(session: Session, now: datetime, account_ids: Iterable[int]) -> int:
    """Anonymise these accounts, and their people when no other account is theirs; how many.

    One that cannot be is logged and stays for another day; it holds up no other.
    """
    done = 0
    for number in account_ids:
        account = session.get(Account, number)
        if account is None or account.anonymised_at is not None:
            continue
        try:
            with session.begin_nested():
                _forget_account(session, account, now)
                if account.person is not None:
                    _forget_person(session, account.person)
                audit.record(session, now, ACTOR, "account:anonymised", account.username)
        except IntegrityError as error:
            get_logger(__name__).error("account_not_forgotten", account=number, error=str(error))
            continue
        done += 1
    return done


def forget_applications(session: Session, before: datetime, limit: int = 500) -> int:
    """Anonymise applications that came to nothing before that moment; how many."""
    rows = session.scalars(
        select(Registration)
        .where(
            Registration.account_id.is_(None),
            Registration.state.in_(("rejected", "expired")),
            Registration.created_at <= before,
            or_(Registration.decided_at.is_(None), Registration.decided_at <= before),
            Registration.full_name != "",
        )
        .limit(limit)
    ).all()
    for row in rows:
        _forget_registration(row, f"anonymised-r{row.id}")
    return len(rows)


def drop_unlock_requests(
    session: Session,
    before: datetime,
    spared: Sequence[tuple[datetime, datetime]] = (),
    limit: int = 500,
) -> int:
    """Delete wishes to unlock names that were decided, or asked in vain, before that moment.

    Their questions name people. That they were asked and decided is in the audit trail.

    Args:
        spared: periods of orders to keep records; what was asked in one stays.
    """
    rows = session.scalars(
        select(UnlockRequest.id)
        .where(
            func.coalesce(UnlockRequest.decided_at, UnlockRequest.asked_at) <= before,
            *(~UnlockRequest.asked_at.between(first, last) for first, last in spared),
        )
        .limit(limit)
    ).all()
    session.execute(delete(UnlockRequest).where(UnlockRequest.id.in_(rows)))
    return len(rows)


def _forget_account(session: Session, account: Account, now: datetime) -> None:
    number = account.id
    name = _free_name(session, number)
    account.username = name
    account.contact = None
    account.origin = None
    account.anonymised_at = now
    if account.guest_name is not None:
        account.guest_name = ""
    for model in (
        Credential,
        DirectoryEntry,
        ApproverScope,
        ApproverRole,
        ApiToken,
        OfficerLevel,
        PortalToken,
        VerifiedContact,
        SentCode,
        DeviceName,
    ):
        session.execute(delete(model).where(model.account_id == number))
    session.execute(
        update(Certificate)
        .where(Certificate.account_id == number)
        .values(name=name, subject="", names="", der=b"")
    )
    # That somebody accepted stays; from which device told whose it was.
    session.execute(
        update(TextAccepted)
        .where(TextAccepted.account_id == number)
        .values(client_address="", client_mac=None)
    )
    for registration in session.scalars(
        select(Registration).where(Registration.account_id == number)
    ).unique():
        _forget_registration(registration, name)
    vouchers = select(Voucher.id).where(Voucher.account_id == number)
    session.execute(delete(VoucherDevice).where(VoucherDevice.voucher_id.in_(vouchers)))


def _free_name(session: Session, number: int) -> str:
    """What the account is called now; somebody may have had that name before it was reserved."""
    name, suffix = nameless(number), 1
    with session.no_autoflush:
        while session.scalar(
            select(Account.id).where(Account.username == name, Account.id != number)
        ):
            suffix += 1
            name = f"{nameless(number)}-{suffix}"
    return name


def _forget_registration(row: Registration, name: str) -> None:
    row.username = name
    row.full_name = row.contact = row.purpose = row.sponsor_name = row.password_hash = ""
    row.client_address = row.client_mac = None
    row.decision_reason = None


def _forget_person(session: Session, person: Person) -> None:
    others = select(Account.id).where(
        Account.person_id == person.id, Account.anonymised_at.is_(None)
    )
    session.flush()
    if session.scalar(others.limit(1)) is None:
        person.full_name = ""
        person.person_code = person.class_name = person.contact = None
        person.birth_hmac = None
        # That there was a consent, how and when, stays as long as the person's row; whose does not.
        session.execute(
            update(GuardianConsent)
            .where(GuardianConsent.person_id == person.id)
            .values(guardian="", document="", withdrawn_why=None)
        )


def _pieces(numbers: Sequence[int]) -> Iterable[Sequence[int]]:
    for start in range(0, len(numbers), _KEYS_A_QUERY):
        yield numbers[start : start + _KEYS_A_QUERY]
