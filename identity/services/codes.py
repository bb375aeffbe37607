"""Codes that go out by mail or short message and work once: sent, found or tried, used up.

A long code finds its owner by itself: whoever forgot a password brings nothing else. A short one,
which is tried at one registration alone, is worn after a few tries. Only HMACs are stored.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, delete, select, update
from sqlalchemy.orm import Session

from common.net import site_of
from db.models import Account, Credential, Registration, SentCode
from identity.domain.admission import ALPHABET
from identity.domain.contacts import Channel
from identity.domain.registering import (
    CODE_ATTEMPTS,
    CODE_LIFETIME,
    find_contact_code,
    new_contact_code,
)
from identity.office import Office
from identity.services import messages
from identity.services.messages import Bounds, TooManyMessages

KEPT = timedelta(days=1)
"""Then housekeeping may drop it: limits a day are counted from these rows."""

LENGTH = 12
"""59 bits: with the limits on tries nobody hits one of a school's codes by guessing."""

_DAY = timedelta(days=1)
_THAI_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")


class Purpose(StrEnum):
    RESET = "reset"
    CONTACT = "contact"
    REGISTRATION = "registration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How many codes one owner is sent in a day; what all messages are bounded by holds as well."""

    a_day: int | None = None
    from_one_place: int | None = None
    to_one_mailbox: int | None = None
    """None, here and above: what [registration] and [sms] say of one mailbox or number."""
    pauses: bool
    """Whether a letter has to wait a little for the one before; a short message always has."""


LIMITS = {
    # The mailbox is proven. One who only knows the name does not use up the owner's, and a mailbox
    # that is flooded hides the letter that matters.
    Purpose.RESET: Limit(a_day=12, from_one_place=3, to_one_mailbox=24, pauses=False),
    # Whoever is signed in may type anybody's mailbox.
    Purpose.CONTACT: Limit(a_day=5, pauses=False),
    Purpose.REGISTRATION: Limit(pauses=True),
}


class Answer(StrEnum):
    """What came of a code that somebody typed."""

    RIGHT = "right"
    WRONG = "wrong"
    WORN = "worn"
    """Tried too often: a new one is needed, even if this one was right."""
    OLD = "old"
    """Its time is over, or none was sent."""


@dataclass(frozen=True, slots=True)
class Text:
    """What a message says; a short message has no subject."""

    subject: str = field(repr=False)
    body: str = field(repr=False)


Compose = Callable[[str], Text]
"""Puts a code into words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """Whom a code is for, where it goes, and who asked for it."""

    purpose: Purpose
    owner: Account | Registration
    channel: Channel
    recipient: str
    about: str
    """What an officer reads in the list of messages."""
    client_address: str
    """Of whoever asked; empty when it is not known."""


def send(session: Session, office: Office, errand: Errand, compose: Compose) -> None:
    """Queue a fresh code; those before it, of the same owner and purpose, are void.

    Raises:
        Refused: nothing is set up to send it with.
        TooManyMessages: a bound was reached.
        UsageError: the number is none that a message may be sent to.
    """
    messages.one_at_a_time(session)
    _refuse_too_many(session, office, errand)
    code = _fresh(errand.purpose)
    _queue(session, office, errand, compose(_printed(code)))
    now = office.clock()
    session.execute(
        update(SentCode)
        .where(
            *_of(errand.purpose, errand.owner),
            SentCode.used_at.is_(None),
            SentCode.expires_at > now,
        )
        .values(expires_at=now)
        .execution_options(synchronize_session=False)
    )
    is_visitor = isinstance(errand.owner, Registration)
    session.add(
        SentCode(
            purpose=errand.purpose,
            account_id=None if is_visitor else errand.owner.id,
            registration_id=errand.owner.id if is_visitor else None,
            channel=errand.channel,
            recipient=errand.recipient,
            code_hmac=_hash(office, errand.purpose, errand.owner, code),
            client_address=errand.client_address,
            created_at=now,
            expires_at=now + CODE_LIFETIME,
            attempts=0,
        )
    )


def find(session: Session, office: Office, purpose: Purpose, typed: str) -> SentCode | None:
    """The long code in what somebody typed while it is good; None otherwise.

    A code from before the password's last change is none: it may be what made that needed.
    """
    code = _clean(typed)
    if code is None:
        return None
    row = session.scalar(
        select(SentCode).where(
            SentCode.code_hmac == _hash(office, purpose, None, code),
            SentCode.purpose == purpose,
            SentCode.used_at.is_(None),
            SentCode.expires_at > office.clock(),
        )
    )
    if row is None:
        return None
    credential = session.get(Credential, row.account_id)
    if credential is not None and credential.changed_at > row.created_at:
        return None
    return row


def use_up(session: Session, office: Office, row: SentCode) -> bool:
    """Whether this use was the first; of two at the same moment one is."""
    return _changed_one(
        session,
        update(SentCode)
        .where(SentCode.id == row.id, SentCode.used_at.is_(None))
        .values(used_at=office.clock()),
    )


def void_resets(session: Session, office: Office, account: Account, channel: Channel) -> None:
    """End the codes for a new password that went where the owner is not written to any more."""
    now = office.clock()
    session.execute(
        update(SentCode)
        .where(
            *_of(Purpose.RESET, account),
            SentCode.channel == channel,
            SentCode.used_at.is_(None),
            SentCode.expires_at > now,
        )
        .values(expires_at=now)
    )


def try_short(session: Session, office: Office, registration: Registration, typed: str) -> Answer:
    """Compare what was typed with the newest code; a try is counted before it is compared.

    The caller commits whatever the answer is, so that no try is forgotten.
    """
    now = office.clock()
    row = session.scalar(
        select(SentCode)
        .where(*_of(Purpose.REGISTRATION, registration))
        .order_by(SentCode.id.desc())
        .limit(1)
    )
    if row is None or row.used_at is not None or row.expires_at <= now:
        return Answer.OLD
    # One statement: of fifty tries at once five are counted, and the others are too late.
    is_counted = _changed_one(
        session,
        update(SentCode)
        .where(SentCode.id == row.id, SentCode.attempts < CODE_ATTEMPTS)
        .where(SentCode.used_at.is_(None))
        .values(attempts=SentCode.attempts + 1),
    )
    if not is_counted:
        return Answer.WORN
    session.refresh(row)
    code = find_contact_code(typed) or ""
    if hmac.compare_digest(_hash(office, Purpose.REGISTRATION, registration, code), row.code_hmac):
        row.used_at = now
        return Answer.RIGHT
    return Answer.WORN if row.attempts >= CODE_ATTEMPTS else Answer.WRONG


def was_sent(session: Session, registration: Registration) -> bool:
    """Whether a code ever went to this visitor: without one there is nothing to read."""
    conditions = _of(Purpose.REGISTRATION, registration)
    return session.scalar(select(SentCode.id).where(*conditions).limit(1)) is not None


def drop_old(session: Session, now: datetime) -> int:
    """Delete codes that have been dead for a day; how many there were."""
    result: Any = session.execute(delete(SentCode).where(SentCode.expires_at <= now - KEPT))
    return int(result.rowcount)


def _queue(session: Session, office: Office, errand: Errand, text: Text) -> None:
    asked_from = site_of(errand.client_address) or None
    if errand.channel is Channel.SMS:
        messages.queue_sms(
            session,
            office,
            errand.recipient,
            text.body,
            errand.about,
            CODE_LIFETIME,
            asked_from=asked_from,
        )
        return
    limit, usual = LIMITS[errand.purpose], messages.mail_bounds(office)
    messages.queue_mail(
        session,
        office,
        errand.recipient,
        text.subject,
        text.body,
        errand.about,
        CODE_LIFETIME,
        asked_from=asked_from,
        bounds=Bounds(
            cool_down=usual.cool_down if limit.pauses else timedelta(0),
            per_recipient=limit.to_one_mailbox or usual.per_recipient,
            per_address=usual.per_address,
            per_day=usual.per_day,
        ),
    )


def _refuse_too_many(session: Session, office: Office, errand: Errand) -> None:
    limit, now = LIMITS[errand.purpose], office.clock()
    earlier = session.execute(
        select(SentCode.client_address, SentCode.created_at)
        .where(*_of(errand.purpose, errand.owner), SentCode.created_at > now - _DAY)
        .order_by(SentCode.created_at)
    ).all()
    here = site_of(errand.client_address)
    from_here = [row.created_at for row in earlier if site_of(row.client_address) == here]
    for made, most in (
        ([row.created_at for row in earlier], limit.a_day),
        (from_here, limit.from_one_place),
    ):
        if most is not None and len(made) >= most:
            raise TooManyMessages(
                f"{most} codes have gone out in 24 hours, which is the most", made[0] + _DAY - now
            )


def _of(purpose: Purpose, owner: Account | Registration) -> tuple[ColumnElement[bool], ...]:
    is_visitor = isinstance(owner, Registration)
    column = SentCode.registration_id if is_visitor else SentCode.account_id
    return (SentCode.purpose == purpose, column == owner.id)


def _changed_one(session: Session, statement: Any) -> bool:
    result = session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", result).rowcount == 1


def _fresh(purpose: Purpose) -> str:
    if purpose is Purpose.REGISTRATION:
        return new_contact_code()
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def _printed(code: str) -> str:
    """A long code in groups of four."""
    if len(code) != LENGTH:
        return code
    return "-".join(code[at : at + 4] for at in range(0, LENGTH, 4))


def _hash(office: Office, purpose: Purpose, owner: Account | Registration | None, code: str) -> str:
    """A long code is looked for by its hash; a short one is one of a single registration."""
    if purpose is Purpose.REGISTRATION and owner is not None:
        return office.vault.lookup_hash(f"contact code {owner.id} {code}")
    return office.vault.lookup_hash(f"{purpose} {code}")


def _clean(typed: str) -> str | None:
    cleaned = "".join(
        symbol for symbol in typed.translate(_THAI_DIGITS).upper() if symbol not in " -\u200b\t"
    )
    if len(cleaned) == LENGTH and all(symbol in ALPHABET for symbol in cleaned):
        return cleaned
    return None
