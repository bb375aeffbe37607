"""What tests of somebody's own pages share: sign in, read forms, sessions of several people."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import select

from common.config_mail import Mail
from db.models import AddressInterval, Message, NetworkSession
from identity.office import Office
from identity.services.messages import PURPOSE
from tests.unit.captive_portal.public.conftest import Visitor, make_app

PASSWORD = "password of theirs"


def sign_in(visitor: Visitor, username: str = "somchai", password: str = PASSWORD) -> str:
    """The signed text of a new sign-in, as the address of the next page carries it."""
    answer = visitor.fill("/?lang=en", username=username, password=password)
    assert answer.status_code == 303, answer.text
    return sign_in_of(answer.location)


def sign_in_of(location: str) -> str:
    """The sign-in that an address carries."""
    return parse_qs(urlsplit(location).query)["s"][0]


def my(path: str, s: str) -> str:
    """The address of an own page in English, without any cookie."""
    return f"{path}?lang=en&s={s}"


def with_mail(office: Office, public_url: str = "") -> Office:
    """The office with a mail server set up; nothing is sent to it here."""
    mail = Mail.model_validate({"host": "127.0.0.1", "start_tls": False, "from": "wifi@x.example"})
    portal = office.config.portal.model_copy(update={"public_url": public_url})
    config = office.config.model_copy(update={"mail": mail, "portal": portal})
    return replace(office, config=config)


def visitor_of(office: Office) -> Visitor:
    """A visitor of this office's portal."""
    return Visitor(make_app(office))


def letters(office: Office) -> list[tuple[str, str]]:
    """(mailbox, body) of every letter that waits to be sent, oldest first."""
    with office.database.read() as session:
        rows = session.scalars(select(Message).order_by(Message.id)).all()
    return [
        (
            row.recipient,
            json.loads(office.vault.decrypt(row.content_encrypted or b"", PURPOSE))["body"],
        )
        for row in rows
    ]


def add_session(
    office: Office, account_id: int | None, key: str, address: str, **facts: Any
) -> None:
    """A session of ten minutes ago, open unless `facts` say otherwise."""
    now = office.clock()
    started = now - timedelta(minutes=10)
    values: dict[str, Any] = {
        "session_key": key,
        "nas_client_id": 1,
        "nas_identity": "10.5.50.1",
        "acct_session_id": key,
        "user_name": "somebody",
        "account_id": account_id,
        "calling_station_id": "3c22fb010203",
        "called_station_id": "AA-BB-CC-00-00-01:Classroom",
        "started_at": started,
        "last_heard_at": now,
        "session_seconds": 600,
        "stop_seen": 0,
        "input_octets": 3_000_000,
        "output_octets": 4_000_000,
    }
    with office.database.write() as session:
        session.add(NetworkSession(**(values | facts)))
        session.add(
            AddressInterval(
                session_key=key,
                address=address,
                source="radius",
                from_at=started,
                to_at=now,
                first_offset_seconds=0,
                last_offset_seconds=600,
            )
        )
