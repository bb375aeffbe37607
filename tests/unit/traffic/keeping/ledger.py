"""Rows of the database as weeks of use would have left them."""

from __future__ import annotations

from datetime import datetime, timedelta

from db.engine import Database
from db.models import (
    AccountingEvent,
    AddressInterval,
    AuditEvent,
    AuthEvent,
    Gap,
    NasBoot,
    NetworkSession,
)


def login(at: datetime, account_id: int | None = 1, user_name: str = "somchai") -> AuthEvent:
    return AuthEvent(
        at=at,
        nas_client_id=1,
        user_name=user_name,
        account_id=account_id,
        method="pap",
        outcome="accept",
        reason="ok",
        calling_station_id="3c22fb010203",
        called_station_id=None,
        session_ref="ref",
        trace="tls:version=1.3",
    )


def packet(at: datetime, key: str | None = None, status_type: int = 3) -> AccountingEvent:
    return AccountingEvent(
        received_at=at,
        nas_client_id=1,
        source="127.0.0.1#4000",
        status_type=status_type,
        session_key=key,
        user_name="somchai",
        calling_station_id="3c22fb010203",
        framed_address="10.0.0.9",
        session_seconds=60,
        event_timestamp=at,
        octets=b"\x04\x01\xff\x00" + at.isoformat().encode(),
    )


def session(
    key: str, begin: datetime, end: datetime, account_id: int | None = 1, address: str = "10.0.0.9"
) -> list[NetworkSession | AddressInterval]:
    return [
        NetworkSession(
            session_key=key,
            nas_client_id=1,
            nas_identity="ap",
            acct_session_id=key,
            user_name="somchai",
            account_id=account_id,
            session_ref="ref",
            calling_station_id="3c22fb010203",
            called_station_id=None,
            nas_port=None,
            started_at=begin,
            first_heard_at=begin,
            last_heard_at=end,
            session_seconds=int((end - begin).total_seconds()),
            stop_seen=1,
            stop_at=end,
            terminate_cause=1,
            input_octets=10,
            output_octets=20,
            closed_at=None,
            close_cause=None,
        ),
        AddressInterval(
            session_key=key,
            address=address,
            source="radius",
            from_at=begin,
            to_at=end,
            first_offset_seconds=0,
            last_offset_seconds=60,
        ),
    ]


def audit(at: datetime, target: str = "lab") -> AuditEvent:
    return AuditEvent(at=at, actor="head", action="nas:added", target=target, detail="{}")


def gap(at: datetime) -> Gap:
    return Gap(
        kind="flow",
        source="10.0.0.1",
        from_at=at - timedelta(minutes=5),
        to_at=at,
        lost=3,
        reason="sequence",
    )


def boot(at: datetime) -> NasBoot:
    return NasBoot(nas_client_id=1, nas_identity="ap", at=at, status_type=7)


def add(database: Database, *rows: object) -> None:
    """Each in the order given, so that numbers grow with the order."""
    with database.write() as session_:
        for row in rows:
            session_.add(row)
            session_.flush()
