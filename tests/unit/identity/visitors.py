"""Visitors who register with an office that can send, at a time that a test moves on."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update

from common.config_registration import Sms
from db.models import (
    Account,
    Message,
    NetworkSession,
    Registration,
)
from identity.domain.contacts import Channel
from identity.domain.registering import Way
from identity.office import Office
from identity.services import (
    codes,
    message_queue,
    provisional,
    registering,
    registration_ways,
    registrations,
)
from identity.services.codes import Answer, Errand, Purpose, Text
from tests.moved_clock import Clock

NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
PASSWORD = "seven green elephants"
MAC = "a2b4c6010203"


def reachable(office: Office, clock: Clock) -> Office:
    mail = office.config.mail.model_copy(update={"host": "127.0.0.1", "sender": "wifi@x.example"})
    sms = Sms(url="https://sms.example/send")
    config = office.config.model_copy(update={"mail": mail, "sms": sms})
    return replace(office, config=config, clock=clock)


def choose(office: Office, role: str = "guest", **values: Any) -> registration_ways.Choice:
    with office.database.write() as session:
        return registration_ways.set_choice(session, office, role, "head", **values)


def submit(office: Office, name: str = "visitor", **fields: Any) -> str:
    values = {
        "full_name": "A Visitor",
        "contact": "visitor@home.example",
        "purpose": "a meeting",
        "password": PASSWORD,
        **fields,
    }
    with office.database.write() as session:
        application = registrations.Application(username=name, **values)
        return registrations.submit(session, office, application, "a hash").reference


def send(office: Office, reference: str, asked_from: str = "10.0.0.1") -> str:
    """Send a code to a visitor, and read it as the mailbox would."""
    with office.database.write() as session:
        row = registrations.locked(session, reference)
        errand = Errand(
            purpose=Purpose.REGISTRATION,
            owner=row,
            channel=Channel.SMS if row.way == Way.SMS_CODE else Channel.MAIL,
            recipient=row.contact,
            about=f"registration {reference}",
            client_address=asked_from,
        )
        codes.send(session, office, errand, lambda code: Text("s", f"your code: {code}"))
    with office.database.write() as session:
        number = session.scalar(select(func.max(Message.id)))
        session.execute(update(Message).values(next_try_at=office.clock() + timedelta(days=9)))
        newest = session.get_one(Message, number)
        newest.next_try_at = office.clock()
        session.flush()
        claimed = message_queue.claim(session, office, newest.channel)
        assert claimed is not None
    found = re.search(r"[0-9]{6}", claimed.body)
    assert found is not None
    return found[0]


def enter(office: Office, reference: str, code: str) -> Answer:
    with office.database.write() as session:
        row = registrations.locked(session, reference)
        return registering.enter_code(session, office, row, code)


def found(office: Office, reference: str) -> Registration:
    with office.database.read() as session:
        row = registrations.find(session, reference)
        assert row is not None
        return row


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def grant(office: Office, reference: str, mac: str = MAC) -> Account:
    with office.database.write() as session:
        row = registrations.locked(session, reference)
        return provisional.grant(session, office, row, mac)


def open_session(account_id: int) -> NetworkSession:
    return NetworkSession(
        session_key="key",
        nas_client_id=1,
        nas_identity="10.5.50.1",
        acct_session_id="1",
        user_name="x",
        account_id=account_id,
        calling_station_id=MAC,
        started_at=NOW,
        last_heard_at=NOW,
        session_seconds=60,
        stop_seen=0,
        input_octets=0,
        output_octets=0,
    )
