"""The letter that the postman makes goes to the mailbox that was counted, and to no other."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest

from common.config_mail import Mail
from common.errors import Refused
from identity.office import Office
from identity.services.message_queue import Outgoing
from yuenyan.processes import postman

NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)


def outgoing(recipient: str) -> Outgoing:
    return Outgoing(
        id=1,
        channel="mail",
        recipient=recipient,
        subject="a code",
        body="123456\n",
        created_at=NOW,
        attempt=1,
    )


@pytest.mark.parametrize(
    "recipient",
    ["=?utf-8?q?v=69ctim?=@home.example", "a@b.example, c@d.example", "A <a@b.example>", ""],
)
def test_a_recipient_that_a_header_would_read_otherwise_is_refused(
    office: Office, recipient: str
) -> None:
    with pytest.raises(Refused, match="no mailbox"):
        postman.make_letter(office.config, outgoing(recipient))


def test_the_envelope_has_the_mailbox_itself(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[tuple[str, str]] = []

    def take(_mail: Mail, letter: EmailMessage, recipient: Any) -> None:
        handed.append((str(letter["To"]), recipient))

    monkeypatch.setattr(postman, "send_letter", take)
    postman.deliver(office.config, outgoing("a=b?c@home.example"))
    assert handed == [("a=b?c@home.example", "a=b?c@home.example")]
