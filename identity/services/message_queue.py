"""Messages that wait: claimed for sending, finished with the outcome, listed, tried again.

At least once: a node that dies between the server's yes and its own note lets another send the
same message again. The Message-ID is the same then, so that most mailboxes show it once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, delete, select, update
from sqlalchemy.orm import Session

from common.errors import ConfigError, NotFound, Refused
from db.models import Message
from identity.domain.admission import format_code
from identity.office import Office
from identity.services import audit
from identity.services.messages import PURPOSE
from identity.services.registrations import clean_reference

LEASE = timedelta(minutes=5)
"""Longer than the slowest server may take; what a dead node had claimed is then taken up."""

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)

_OF_REGISTRATION = re.compile(r"registration ([0-9A-Z]+)")
"""What a message about a registration is about; the number without hyphen, as it is stored."""

KEPT = timedelta(days=30)
"""Of who was written to and whether it arrived; the content is gone long before."""

LONGEST_ERROR = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message as its sender needs it."""

    id: int
    attempt: int
    """Which try this is; only who makes the newest one may say what came of it."""
    channel: str
    recipient: str
    created_at: datetime
    subject: str = field(repr=False)
    body: str = field(repr=False)


def is_due(session: Session, now: datetime, channel: str) -> bool:
    """Whether any message of this channel waits to be sent."""
    return session.scalar(_due(now, channel).with_only_columns(Message.id)) is not None


def claim(session: Session, office: Office, channel: str) -> Outgoing | None:
    """Take the message that has been due longest, for this node alone until the lease ends.

    One whose time is over is finished as `late`, one that nobody can read as `failed`.
    """
    now = office.clock()
    while True:
        message = session.scalar(_due(now, channel).with_for_update(skip_locked=True))
        if message is None:
            return None
        if message.expires_at <= now:
            _end(message, "late", message.last_error)
        else:
            try:
                content = _read(office, message)
            except (ConfigError, ValueError) as error:
                _end(message, "failed", f"cannot be read: {error}")
            else:
                message.attempts += 1
                message.next_try_at = now + LEASE
                return Outgoing(
                    id=message.id,
                    attempt=message.attempts,
                    channel=message.channel,
                    recipient=message.recipient,
                    created_at=message.created_at,
                    subject=content.get("subject", ""),
                    body=content["body"],
                )
        session.flush()


def finish(session: Session, now: datetime, sent: Outgoing) -> None:
    """Note that a server has taken the message; its content is let go of."""
    message = _mine(session, sent)
    if message is not None:
        _end(message, "sent", None)
        message.sent_at = now


def give_up(session: Session, now: datetime, sent: Outgoing, error: str) -> None:
    """Note that the message can never be sent as it is.

    The content stays until its time is over: an officer may set right what was wrong.
    """
    message = _mine(session, sent)
    if message is not None:
        message.state = "failed"
        message.last_error = error[:LONGEST_ERROR]


def put_off(session: Session, now: datetime, sent: Outgoing, error: str) -> None:
    """Note that it did not go now: try again after 1, 2, 4, ... minutes."""
    message = _mine(session, sent)
    if message is not None:
        message.last_error = error[:LONGEST_ERROR]
        message.next_try_at = now + pause(message.attempts)


def pause(attempts: int) -> timedelta:
    """How long to wait after so many tries."""
    return min(FIRST_PAUSE * (1 << min(attempts - 1, 10)), LONGEST_PAUSE)


def retry(session: Session, office: Office, number: int, actor: str) -> Message:
    """Let a message be tried at once.

    Raises:
        NotFound: there is no such message.
        Refused: it has gone, or its time is over.
    """
    message = session.get(Message, number, with_for_update=True)
    if message is None:
        raise NotFound(f"there is no message {number}")
    now = office.clock()
    if message.state == "sent":
        raise Refused(f"message {number} was sent")
    if message.content_encrypted is None or message.expires_at <= now:
        raise Refused(f"the time of message {number} is over; let whoever needs it ask again")
    message.state = "waiting"
    message.next_try_at = now
    audit.record(session, now, actor, "message:retried", f"message {number}")
    return message


def list_messages(
    session: Session, state: str | None = None, limit: int = 200, wanted: str = ""
) -> Sequence[Message]:
    """Messages, newest first; never what they say. `wanted` is as for `matching`."""
    statement = select(Message).order_by(Message.id.desc()).limit(limit)
    if state:
        statement = statement.where(Message.state == state)
    if wanted:
        statement = statement.where(matching(wanted))
    return session.scalars(statement).all()


def matching(wanted: str) -> ColumnElement[bool]:
    """Holds for messages whose receiver or purpose has `wanted` in it, in any case.

    The number of a registration is found with its hyphen, as people hold it, and without.
    """
    found = Message.recipient.icontains(wanted, autoescape=True) | Message.about.icontains(
        wanted, autoescape=True
    )
    if number := clean_reference(wanted):
        found |= Message.about.icontains(f"registration {number}", autoescape=True)
    return found


def shown_about(about: str) -> str:
    """What a message is about, with the number of a registration as people hold it."""
    found = _OF_REGISTRATION.fullmatch(about)
    return f"registration {format_code(found[1])}" if found else about


def clear(session: Session, now: datetime) -> int:
    """Let go of what nobody needs: content whose time is over, messages of long ago.

    Returns:
        how many messages were deleted.
    """
    session.execute(
        update(Message)
        .where(Message.content_encrypted.is_not(None), Message.expires_at <= now)
        .where(Message.state != "waiting")
        .values(content_encrypted=None)
    )
    session.execute(
        update(Message)
        .where(Message.state == "waiting", Message.expires_at <= now, Message.next_try_at <= now)
        .values(state="late", content_encrypted=None)
    )
    gone = session.execute(
        delete(Message).where(Message.state != "waiting", Message.created_at <= now - KEPT)
    )
    return cast("CursorResult[Any]", gone).rowcount


def _due(now: datetime, channel: str) -> Any:
    return (
        select(Message)
        .where(Message.state == "waiting", Message.next_try_at <= now, Message.channel == channel)
        .order_by(Message.next_try_at, Message.id)
        .limit(1)
    )


def _read(office: Office, message: Message) -> dict[str, str]:
    if message.content_encrypted is None:
        raise ValueError("it is empty")
    content: dict[str, str] = json.loads(office.vault.decrypt(message.content_encrypted, PURPOSE))
    if not isinstance(content, dict) or not isinstance(content.get("body"), str):
        raise ValueError("it holds no text")
    return content


def _mine(session: Session, sent: Outgoing) -> Message | None:
    """The message, unless its lease ran out and somebody else has taken it up since."""
    return session.scalar(
        select(Message)
        .where(Message.id == sent.id, Message.attempts == sent.attempt, Message.state == "waiting")
        .with_for_update()
    )


def _end(message: Message, state: str, error: str | None) -> None:
    message.state = state
    message.content_encrypted = None
    message.last_error = error[:LONGEST_ERROR] if error else None
