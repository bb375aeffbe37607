"""The outbox of letters and short messages: written here, sent by the housekeeper.

A message is queued in the transaction of what it is about, so neither can be without the other.
"""

from __future__ import annotations

import json
from datetime import timedelta

from sqlalchemy.orm import Session

from common.errors import Refused
from db.models import Message
from identity.office import Office

PURPOSE = "message"
"""Of the encryption of what a message says."""

LIFETIME = timedelta(hours=24)


def queue_mail(
    session: Session,
    office: Office,
    recipient: str,
    subject: str,
    body: str,
    about: str,
    lifetime: timedelta = LIFETIME,
) -> Message:
    """Queue a letter to `recipient`, one mailbox.

    Args:
        about: what an officer reads in the list of messages; no secret.
        lifetime: after it the letter is of no use, and is not sent.

    Raises:
        Refused: [mail] names no server, so it could never leave; say so instead of promising it.
    """
    if not office.config.mail.host:
        raise Refused("no mail server is set up: name one under [mail] host")
    return _queue(session, office, "mail", recipient, subject, body, about, lifetime)


def _queue(
    session: Session,
    office: Office,
    channel: str,
    recipient: str,
    subject: str,
    body: str,
    about: str,
    lifetime: timedelta,
) -> Message:
    now = office.clock()
    content = json.dumps({"subject": subject, "body": body}, ensure_ascii=False)
    message = Message(
        channel=channel,
        recipient=recipient,
        about=about,
        content_encrypted=office.vault.encrypt(content.encode(), PURPOSE),
        state="waiting",
        created_at=now,
        next_try_at=now,
        expires_at=now + lifetime,
    )
    session.add(message)
    return message
