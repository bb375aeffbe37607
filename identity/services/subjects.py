"""Everything that is held on one person, as they may ask for it (R67, R68).

No password, no key and no code is in it. Look-ups by officers are not either: a request of
officials may be secret, and who gives it away is punished. What the archive holds beside the
database is added by whoever can read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from common.clock import to_rfc3339
from db.models import (
    Account,
    AddressInterval,
    ApiToken,
    AuditEvent,
    AuthEvent,
    Base,
    Certificate,
    DeviceName,
    DirectoryEntry,
    GuardianConsent,
    Message,
    NetworkSession,
    NoticeGiven,
    ProvisionalGrant,
    RegisterEntry,
    Registration,
    SentCode,
    TextAccepted,
    UsageDay,
    VerifiedContact,
    Voucher,
    VoucherBatch,
    VoucherDevice,
)
from identity.domain.contacts import find_mailbox, find_number
from identity.domain.keeping import kept_until
from identity.office import Office
from identity.services import audit

Table = list[dict[str, Any]]

_SECRET = frozenset(
    {
        "password_hash", "recoverable", "code_hmac", "code_encrypted", "token", "verifier",
        "trace", "octets", "content_encrypted", "contact_hmac", "birth_hmac", "asked_from",
        "secret_hash",
    }
)  # fmt: skip
_LOOK_UPS = ("lookup:run", "flows:read", "sessions:searched", "register:people_read")


def collect(session: Session, office: Office, account: Account, actor: str) -> dict[str, Table]:
    """Table -> rows, all about `account`; that it was exported is recorded."""
    zone = office.config.site.timezone
    keys = select(NetworkSession.session_key).where(NetworkSession.account_id == account.id)

    def rows(model: type[Base], *where: Any) -> Table:
        found: Sequence[Base] = session.scalars(select(model).where(*where)).unique().all()
        return [_row(one, zone) for one in found]

    # One that many share is nobody's own: whose the other devices are, its holder must not learn.
    own_vouchers = (
        select(Voucher.id)
        .join(VoucherBatch, VoucherBatch.id == Voucher.batch_id)
        .where(Voucher.account_id == account.id, VoucherBatch.devices == 1)
    )
    held = {
        "account": [_row(account, zone) | {"role": account.role.name}],
        "person": [_row(account.person, zone)] if account.person else [],
        "guardian_consents": rows(
            GuardianConsent, GuardianConsent.person_id == (account.person_id or 0)
        ),
        "api_tokens": rows(ApiToken, ApiToken.account_id == account.id),
        "devices": rows(Account, Account.owner_id == account.id),
        "guests": _without_names(rows(Account, Account.sponsor_id == account.id)),
        "registrations": rows(Registration, Registration.account_id == account.id),
        "certificates": rows(Certificate, Certificate.account_id == account.id),
        "directory": rows(DirectoryEntry, DirectoryEntry.account_id == account.id),
        "vouchers": rows(Voucher, Voucher.account_id == account.id),
        "voucher_devices": rows(VoucherDevice, VoucherDevice.voucher_id.in_(own_vouchers)),
        "minutes_before": rows(ProvisionalGrant, ProvisionalGrant.account_id == account.id),
        "messages": rows(Message, func.lower(Message.recipient).in_(_reached_at(session, account))),
        "sent_codes": rows(SentCode, SentCode.account_id == account.id),
        "proven_contacts": rows(VerifiedContact, VerifiedContact.account_id == account.id),
        "device_names": rows(DeviceName, DeviceName.account_id == account.id),
        "texts_accepted": rows(TextAccepted, TextAccepted.account_id == account.id),
        "notices": rows(NoticeGiven, NoticeGiven.account_id == account.id),
        "logins": rows(AuthEvent, AuthEvent.account_id == account.id),
        "sessions": rows(NetworkSession, NetworkSession.account_id == account.id),
        "addresses": rows(AddressInterval, AddressInterval.session_key.in_(keys)),
        "usage": rows(UsageDay, UsageDay.account_id == account.id),
        "done_about_it": rows(
            AuditEvent,
            AuditEvent.target == account.username,
            AuditEvent.action.not_in(_LOOK_UPS),
        ),
        "own_requests": rows(
            RegisterEntry,
            RegisterEntry.account_id == account.id,
            RegisterEntry.register == "subject",
        ),
    }
    audit.record(
        session,
        office.clock(),
        actor,
        "subject:exported",
        account.username,
        rows=sum(len(table) for table in held.values()),
    )
    return held


def kept_until_of(session: Session, office: Office, account: Account) -> datetime | None:
    """Until when the identity behind `account` is kept; None: the account has not ended."""
    newest = [
        session.scalar(select(func.max(AuthEvent.at)).where(AuthEvent.account_id == account.id)),
        session.scalar(
            select(func.max(NetworkSession.last_heard_at)).where(
                NetworkSession.account_id == account.id
            )
        ),
    ]
    last = max((moment for moment in newest if moment is not None), default=None)
    return kept_until(account.ended_at, last, office.config.archive.retention_days)


def _without_names(guests: Table) -> Table:
    """Guests are people of their own: their host gets to know how many and when, not who."""
    kept = ("id", "kind", "state", "created_at", "expires_at", "ended_at")
    return [{name: row[name] for name in kept} for row in guests]


def _reached_at(session: Session, account: Account) -> set[str]:
    """Mailboxes and telephones of the account, as messages name them, in small letters."""
    proven = session.scalars(
        select(VerifiedContact.address).where(VerifiedContact.account_id == account.id)
    )
    known = (
        *proven,
        account.contact,
        account.person.contact if account.person is not None else None,
    )
    found = (find_mailbox(text) or find_number(text) for text in known if text)
    return {one.lower() for one in found if one}


def _row(one: Base, zone: str) -> dict[str, Any]:
    return {
        column.name: _plain(getattr(one, column.name), zone)
        for column in one.__table__.columns
        if column.name not in _SECRET
    }


def _plain(value: Any, zone: str) -> Any:
    if isinstance(value, datetime):
        return to_rfc3339(value, zone)
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
