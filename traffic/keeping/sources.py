"""Which tables move into the archive, and what their rows become there. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import InstrumentedAttribute

from db.models import (
    AccountingEvent,
    AddressInterval,
    AuditEvent,
    AuthEvent,
    Base,
    Gap,
    NasBoot,
    NetworkSession,
)
from identity.domain.sessions import ended_at
from identity.services.session_states import session_state
from traffic.archive.kinds import ACCESS, ADMIN, GAP, SESSION, Kind
from traffic.archive.tables import Row
from traffic.moments import to_milliseconds

Values = Mapping[str, Any]
"""One row of the database, by column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A table with a number that grows and a time of receipt."""

    model: type[Base]
    kind: Kind
    stamp: InstrumentedAttribute[datetime]
    to_row: Callable[[Values], Row]
    record: str = ""
    """`record` of its rows, where the kind holds several tables."""
    stays: bool = False
    """The rows are copied: the database needs them until their time is over."""

    @property
    def table(self) -> Table:
        found = self.model.__table__
        assert isinstance(found, Table)
        return found

    @property
    def name(self) -> str:
        return self.table.name


def access_row(values: Values) -> Row:
    """An auth_event."""
    return {
        "received_at": to_milliseconds(values["at"]),
        "service": "portal" if values["method"] == "portal" else "radius",
        "method": values["method"],
        "user_name": values["user_name"],
        "account_id": values["account_id"],
        "mac": values["calling_station_id"],
        "called_station_id": values["called_station_id"],
        "nas_client_id": values["nas_client_id"],
        "outcome": values["outcome"],
        "reason": values["reason"],
        "session_ref": values["session_ref"],
        "row": values["id"],
        "detail": values["trace"],
    }


def accounting_row(values: Values) -> Row:
    """An accounting_event, with its datagram."""
    told = values["event_timestamp"]
    return {
        "received_at": to_milliseconds(values["received_at"]),
        "record": "accounting",
        "row": values["id"],
        "session_key": values["session_key"],
        "user_name": values["user_name"],
        "mac": values["calling_station_id"],
        "nas_client_id": values["nas_client_id"],
        "address": values["framed_address"],
        "from_at": None if told is None else to_milliseconds(told),
        "data": _json(values, "source", "status_type", "session_seconds"),
        "raw": values["octets"],
    }


def boot_row(values: Values) -> Row:
    """A nas_boot."""
    return {
        "received_at": to_milliseconds(values["at"]),
        "record": "boot",
        "row": values["id"],
        "nas_client_id": values["nas_client_id"],
        "data": _json(values, "nas_identity", "status_type"),
    }


def admin_row(values: Values) -> Row:
    """An audit_event."""
    return {
        "received_at": to_milliseconds(values["at"]),
        "row": values["id"],
        **{name: values[name] for name in ("actor", "action", "target", "detail")},
    }


def gap_row(values: Values) -> Row:
    """A gap; it was learned of when it ended."""
    return {
        "received_at": to_milliseconds(values["to_at"]),
        "row": values["id"],
        **{name: values[name] for name in ("kind", "source", "lost", "reason")},
        "from_at": to_milliseconds(values["from_at"]),
        "to_at": to_milliseconds(values["to_at"]),
    }


def session_row(row: NetworkSession) -> Row:
    """A network_session as it is when its last packet moves."""
    until = ended_at(session_state(row), row.closed_at)
    return {
        "received_at": to_milliseconds(row.last_heard_at),
        "record": "session",
        "session_key": row.session_key,
        "account_id": row.account_id,
        "user_name": row.user_name,
        "mac": row.calling_station_id,
        "nas_client_id": row.nas_client_id,
        "from_at": to_milliseconds(row.started_at),
        "to_at": None if until is None else to_milliseconds(until),
        "data": _json(
            {column.name: getattr(row, column.name) for column in NetworkSession.__table__.columns}
        ),
    }


def address_row(row: AddressInterval, session: NetworkSession) -> Row:
    """An address_interval of `session`."""
    return {
        "received_at": to_milliseconds(session.last_heard_at),
        "record": "address",
        "session_key": row.session_key,
        "account_id": session.account_id,
        "user_name": session.user_name,
        "mac": session.calling_station_id,
        "nas_client_id": session.nas_client_id,
        "address": row.address,
        "from_at": to_milliseconds(row.from_at),
        "to_at": to_milliseconds(row.to_at),
        "data": _json(
            {
                name: getattr(row, name)
                for name in ("source", "first_offset_seconds", "last_offset_seconds")
            }
        ),
    }


def _json(values: Values, *names: str) -> str:
    chosen = {name: values[name] for name in names or values}
    told = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in chosen.items()
        if value is not None
    }
    return json.dumps(told, ensure_ascii=False, sort_keys=True)


AUTH = Source(model=AuthEvent, kind=ACCESS, stamp=AuthEvent.at, to_row=access_row)
ACCOUNTING = Source(
    model=AccountingEvent,
    kind=SESSION,
    stamp=AccountingEvent.received_at,
    to_row=accounting_row,
    record="accounting",
)
BOOT = Source(model=NasBoot, kind=SESSION, stamp=NasBoot.at, to_row=boot_row, record="boot")
AUDIT = Source(model=AuditEvent, kind=ADMIN, stamp=AuditEvent.at, to_row=admin_row)
GAPS = Source(model=Gap, kind=GAP, stamp=Gap.to_at, to_row=gap_row, stays=True)

SOURCES = (AUTH, ACCOUNTING, BOOT, AUDIT, GAPS)
