"""Codes that prove a mailbox or a telephone to be the visitor's: sent, and asked back.

A code is stored as an HMAC under a key outside the database, and compared in constant time.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from db.models import ContactCode, Registration
from identity.domain.registering import (
    CODE_ATTEMPTS,
    CODE_LIFETIME,
    Way,
    find_contact_code,
    new_contact_code,
)
from identity.office import Office
from identity.services import messages


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
"""Puts a code into the words of the visitor's language."""


def send_code(
    session: Session,
    office: Office,
    registration: Registration,
    compose: Compose,
    asked_from: str | None,
) -> None:
    """Queue a fresh code to the contact of `registration`; the codes before it are worn.

    Raises:
        Refused: nothing is set up to send it with.
        TooManyMessages: a bound was reached.
    """
    code = new_contact_code()
    text = compose(code)
    about = f"registration {registration.reference}"
    if registration.way == Way.SMS_CODE:
        messages.queue_sms(
            session,
            office,
            registration.contact,
            text.body,
            about,
            CODE_LIFETIME,
            asked_from=asked_from,
        )
    else:
        messages.queue_mail(
            session,
            office,
            registration.contact,
            text.subject,
            text.body,
            about,
            CODE_LIFETIME,
            asked_from=asked_from,
            bounds=messages.mail_bounds(office),
        )
    session.flush()
    now = office.clock()
    session.execute(
        update(ContactCode)
        .where(ContactCode.registration_id == registration.id, ContactCode.used_at.is_(None))
        .values(expires_at=now)
        .execution_options(synchronize_session=False)
    )
    session.add(
        ContactCode(
            registration_id=registration.id,
            code_hmac=_hash(office, registration, code),
            created_at=now,
            expires_at=now + CODE_LIFETIME,
            attempts=0,
        )
    )


def try_code(session: Session, office: Office, registration: Registration, typed: str) -> Answer:
    """Compare what was typed with the newest code; a try is counted before it is compared.

    The caller commits whatever the answer is, so that no try is forgotten.
    """
    now = office.clock()
    row = session.scalar(
        select(ContactCode)
        .where(ContactCode.registration_id == registration.id)
        .order_by(ContactCode.id.desc())
        .limit(1)
    )
    if row is None or row.used_at is not None or row.expires_at <= now:
        return Answer.OLD
    # One statement: of fifty tries at once five are counted, and the others are too late.
    counted = cast(
        "CursorResult[Any]",
        session.execute(
            update(ContactCode)
            .where(ContactCode.id == row.id, ContactCode.attempts < CODE_ATTEMPTS)
            .where(ContactCode.used_at.is_(None))
            .values(attempts=ContactCode.attempts + 1)
            .execution_options(synchronize_session=False)
        ),
    )
    if counted.rowcount != 1:
        return Answer.WORN
    session.refresh(row)
    code = find_contact_code(typed) or ""
    if hmac.compare_digest(_hash(office, registration, code), row.code_hmac):
        row.used_at = now
        return Answer.RIGHT
    return Answer.WORN if row.attempts >= CODE_ATTEMPTS else Answer.WRONG


def _hash(office: Office, registration: Registration, code: str) -> str:
    return office.vault.lookup_hash(f"contact code {registration.id} {code}")
