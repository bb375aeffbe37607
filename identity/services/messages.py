"""The outbox of letters and short messages: written here, sent by the housekeeper.

A message is queued in the transaction of what it is about, so neither can be without the other.
What visitors cause is counted here, because it costs money and may annoy somebody who asked
for nothing. identity.services.message_queue hands messages on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.orm import Session

from common.errors import Refused
from db.models import Message
from identity.domain.contacts import mobile_number
from identity.office import Office

PURPOSE = "message"
"""Of the encryption of what a message says."""

LIFETIME = timedelta(hours=24)
_DAY = timedelta(hours=24)


class TooManyMessages(Refused):
    """A bound on messages was reached; `wait` is how long until the next may go."""

    def __init__(self, message: str, wait: timedelta) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How many messages of a kind may be caused in 24 hours, and how soon one after another."""

    cool_down: timedelta
    per_recipient: int
    per_address: int
    per_day: int


def mail_bounds(office: Office) -> Bounds:
    """Of letters that visitors cause."""
    chosen = office.config.registration
    return Bounds(
        cool_down=timedelta(seconds=30),
        per_recipient=chosen.mails_per_recipient,
        per_address=chosen.mails_per_address,
        per_day=chosen.mails_per_day,
    )


def sms_bounds(office: Office) -> Bounds:
    """Of short messages: those that visitors cause, and as many others."""
    chosen = office.config.sms
    return Bounds(
        cool_down=timedelta(seconds=chosen.cool_down_seconds),
        per_recipient=chosen.per_number,
        per_address=chosen.per_address,
        per_day=chosen.per_day,
    )


def queue_mail(
    session: Session,
    office: Office,
    recipient: str,
    subject: str,
    body: str,
    about: str,
    lifetime: timedelta = LIFETIME,
    *,
    asked_from: str | None = None,
    bounds: Bounds | None = None,
) -> Message:
    """Queue a letter to `recipient`, one mailbox.

    Args:
        about: what an officer reads in the list of messages; no secret.
        lifetime: after it the letter is of no use, and is not sent.
        asked_from: the address of the visitor who caused it.
        bounds: what it is counted against; None for letters that no visitor can cause.

    Raises:
        Refused: [mail] names no server, so it could never leave; say so instead of promising it.
        TooManyMessages: a bound was reached.
    """
    if not office.config.mail.host:
        raise Refused("no mail server is set up: name one under [mail] host")
    if bounds is not None:
        refuse_too_many(session, office, "mail", recipient, asked_from, bounds)
    content = {"subject": subject, "body": body}
    return _queue(session, office, "mail", recipient, content, about, lifetime, asked_from)


def queue_sms(
    session: Session,
    office: Office,
    number: str,
    body: str,
    about: str,
    lifetime: timedelta = LIFETIME,
    *,
    asked_from: str | None = None,
    bounds: Bounds | None = None,
) -> Message:
    """Queue a short message to a mobile number, however that is written.

    Arguments as for `queue_mail`; without `bounds` those of [sms] hold.

    Raises:
        Refused: [sms] names no gateway.
        UsageError: the number is none that a message may be sent to.
        TooManyMessages: a bound was reached.
    """
    if not office.config.sms.url:
        raise Refused("no gateway for short messages is set up: name one under [sms] url")
    recipient = mobile_number(number, office.config.sms.prefixes)
    refuse_too_many(session, office, "sms", recipient, asked_from, bounds or sms_bounds(office))
    return _queue(session, office, "sms", recipient, {"body": body}, about, lifetime, asked_from)


def refuse_too_many(
    session: Session,
    office: Office,
    channel: str,
    recipient: str,
    asked_from: str | None,
    bounds: Bounds,
) -> None:
    """Raise TooManyMessages when one more would be beyond a bound.

    What is counted are messages, not sendings: that one failed is no reason to write more.
    """
    one_at_a_time(session)
    now = office.clock()
    today = (Message.channel == channel, Message.created_at > now - _DAY)
    same = func.lower(Message.recipient) == recipient.lower()
    last = session.scalar(select(func.max(Message.created_at)).where(*today, same))
    if last is not None and now - last < bounds.cool_down:
        raise TooManyMessages(
            "a message went there a moment ago; wait a little", bounds.cool_down - (now - last)
        )

    def refuse(most: int, what: str, *conditions: ColumnElement[bool]) -> None:
        count, oldest = session.execute(
            select(func.count(), func.min(Message.created_at)).where(*today, *conditions)
        ).one()
        if count >= most:
            raise TooManyMessages(
                f"{what} has had {most} messages in 24 hours, which is the most",
                oldest + _DAY - now,
            )

    refuse(bounds.per_recipient, "this mailbox or number", same)
    # What no visitor has caused is counted apart: neither side uses up the other's day.
    if asked_from:
        refuse(bounds.per_address, "this address", Message.asked_from == asked_from)
        refuse(bounds.per_day, "the site", Message.asked_from.is_not(None))
    elif channel == "sms":
        refuse(bounds.per_day, "the site", Message.asked_from.is_(None))


def count_about(session: Session, office: Office, recipient: str, about: str) -> int:
    """How many messages about one thing were queued to a mailbox or number in 24 hours."""
    one_at_a_time(session)
    found = select(func.count()).where(
        Message.created_at > office.clock() - _DAY,
        func.lower(Message.recipient) == recipient.lower(),
        Message.about == about,
    )
    return session.scalar(found) or 0


def one_at_a_time(session: Session) -> None:
    """Until the transaction ends nobody else counts: fifty at once must not find room for one.

    SQLite has one writer anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext('message'))"))


def _queue(
    session: Session,
    office: Office,
    channel: str,
    recipient: str,
    content: dict[str, str],
    about: str,
    lifetime: timedelta,
    asked_from: str | None,
) -> Message:
    now = office.clock()
    octets = json.dumps(content, ensure_ascii=False).encode()
    message = Message(
        channel=channel,
        recipient=recipient,
        about=about,
        content_encrypted=office.vault.encrypt(octets, PURPOSE),
        state="waiting",
        created_at=now,
        next_try_at=now,
        expires_at=now + lifetime,
        attempts=0,
        asked_from=asked_from,
    )
    session.add(message)
    return message
