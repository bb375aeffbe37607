"""What is kept about somebody, told to that person: how much of each kind, and for how long.

The download is identity.services.subjects' export; here is who may have it how often, and the
requests a person makes about their data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from common.errors import Refused
from db.models import (
    Account,
    AddressInterval,
    ApiToken,
    AuditEvent,
    AuthEvent,
    Base,
    Certificate,
    DeviceName,
    GuardianConsent,
    NetworkSession,
    NoticeGiven,
    RegisterEntry,
    Registration,
    TextAccepted,
    UsageDay,
    VerifiedContact,
    VoucherDevice,
)
from db.models import Voucher as VoucherRow
from identity.domain.registers import Register, Right, State
from identity.office import Office
from identity.services import letters, registers
from identity.services.subjects import Table, collect

DOWNLOADS_A_DAY = 3
OPEN_REQUESTS = 5
"""More at a time is nobody's wish; an office of one officer answers each within 30 days."""

ASKABLE = (Right.CORRECT, Right.ERASE, Right.COPY, Right.OBJECT, Right.RESTRICT)
"""What is asked for on the page; whoever wants something else writes or comes."""


class Kept(StrEnum):
    """How long something is kept."""

    IDENTITY = "identity"
    """Until 90 days after the account has ended and no record names it any more."""
    TRAFFIC = "traffic"
    """For the retention of traffic data."""
    PROOF = "proof"
    """As long as it must be shown that it was so."""
    QUOTA = "quota"
    """Until the quotas it counts for are over: some weeks."""


@dataclass(frozen=True, slots=True)
class Held:
    """How much of one kind is kept."""

    kind: str
    rows: int
    kept: Kept


def held(session: Session, account: Account) -> Sequence[Held]:
    """Every kind that anything is held of, in the order in which people think of them."""
    number = account.id
    keys = select(NetworkSession.session_key).where(NetworkSession.account_id == number)
    vouchers = select(VoucherRow.id).where(VoucherRow.account_id == number)

    def count(model: type[Base], *where: Any) -> int:
        return session.scalar(select(func.count()).select_from(model).where(*where)) or 0

    found = (
        Held("account", 1, Kept.IDENTITY),
        Held(
            "mailbox", count(VerifiedContact, VerifiedContact.account_id == number), Kept.IDENTITY
        ),
        Held(
            "registrations", count(Registration, Registration.account_id == number), Kept.IDENTITY
        ),
        Held(
            "guardian_consents",
            count(GuardianConsent, GuardianConsent.person_id == (account.person_id or 0)),
            Kept.IDENTITY,
        ),
        Held("api_tokens", count(ApiToken, ApiToken.account_id == number), Kept.IDENTITY),
        Held("devices", count(Account, Account.owner_id == number), Kept.IDENTITY),
        Held(
            "device_names",
            count(DeviceName, DeviceName.account_id == number)
            + count(VoucherDevice, VoucherDevice.voucher_id.in_(vouchers)),
            Kept.IDENTITY,
        ),
        Held("certificates", count(Certificate, Certificate.account_id == number), Kept.IDENTITY),
        Held("logins", count(AuthEvent, AuthEvent.account_id == number), Kept.TRAFFIC),
        Held("sessions", count(NetworkSession, NetworkSession.account_id == number), Kept.TRAFFIC),
        Held(
            "addresses",
            count(AddressInterval, AddressInterval.session_key.in_(keys)),
            Kept.TRAFFIC,
        ),
        Held("usage", count(UsageDay, UsageDay.account_id == number), Kept.QUOTA),
        Held(
            "accepted",
            count(TextAccepted, TextAccepted.account_id == number)
            + count(NoticeGiven, NoticeGiven.account_id == number),
            Kept.PROOF,
        ),
        Held(
            "requests",
            count(
                RegisterEntry,
                RegisterEntry.account_id == number,
                RegisterEntry.register == Register.SUBJECT,
            ),
            Kept.PROOF,
        ),
    )
    return [one for one in found if one.rows]


def download(session: Session, office: Office, account: Account) -> dict[str, Table]:
    """Everything of the database that is held on the account, as its owner's copy; on record.

    Raises:
        Refused: they have had enough copies for a day.
    """
    now = office.clock()
    # Locked, so that of several at the same moment each counts those before it.
    session.get_one(Account, account.id, with_for_update={"of": Account})
    before = session.scalar(
        select(func.count())
        .select_from(AuditEvent)
        .where(
            AuditEvent.at > now - timedelta(days=1),
            AuditEvent.action == "subject:exported",
            AuditEvent.actor == account.username,
            AuditEvent.target == account.username,
        )
    )
    if (before or 0) >= DOWNLOADS_A_DAY:
        raise Refused(f"a copy may be had {DOWNLOADS_A_DAY} times a day; try again tomorrow")
    return collect(session, office, account, account.username)


def own_requests(session: Session, account_id: int) -> Sequence[RegisterEntry]:
    """What the account's owner asked for about their data, the newest first."""
    return session.scalars(
        select(RegisterEntry)
        .where(RegisterEntry.account_id == account_id, RegisterEntry.register == Register.SUBJECT)
        .order_by(RegisterEntry.id.desc())
    ).all()


def ask(
    session: Session, office: Office, account: Account, right: Right, scope: str, checked: str
) -> RegisterEntry:
    """Enter a request of the account's owner in the register of data subjects.

    Args:
        checked: how it is known that it is the owner who asks.

    Raises:
        Refused: several are open already.
        UsageError: it is not said what is asked for.
    """
    session.get_one(Account, account.id, with_for_update={"of": Account})
    live = [one for one in own_requests(session, account.id) if one.state != State.DONE]
    if len(live) >= OPEN_REQUESTS:
        raise Refused(f"{OPEN_REQUESTS} requests are open already; the office answers them first")
    contact = letters.proven(session, account.id)
    entry = registers.add(
        session,
        office,
        Register.SUBJECT,
        {
            "person": account.full_name or account.username,
            "account": account.username,
            "right": right,
            "contact": contact.address if contact is not None else "",
            "identity_check": checked,
            "scope": scope,
        },
        account.username,
    )
    session.flush()
    return entry
