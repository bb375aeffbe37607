"""Sessions as the pages show them: joined with the person, the NAS and the addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from captive_portal.admin.session_words import CLOSE_CAUSES, KNOWN_BY
from captive_portal.admin.words import TERMINATE_CAUSES, word
from common.net import split_called_station_id
from db.models import Account, AddressInterval, NasClient, NetworkSession
from identity.services.known_grants import known_by_grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One session of one device, ready to be shown."""

    session_key: str
    account_id: int | None
    user_name: str
    full_name: str
    station: str | None
    addresses: tuple[str, ...]
    nas: str
    ssid: str
    started_at: datetime
    ended_at: datetime | None
    last_heard_at: datetime
    why_ended: str
    input_octets: int
    output_octets: int
    known_by: str
    """In words, where no accounting tells of it; empty where it does."""


def describe_sessions(session: Session, rows: Sequence[NetworkSession]) -> list[Connection]:
    """`rows` with names and addresses; four queries however many rows."""
    keys = [row.session_key for row in rows]
    accounts = {
        account.id: account
        for account in session.scalars(
            select(Account).where(Account.id.in_({row.account_id for row in rows} - {None}))
        )
    }
    nas_names: dict[int, str] = {
        number: name
        for number, name in session.execute(
            select(NasClient.id, NasClient.name).where(
                NasClient.id.in_({row.nas_client_id for row in rows})
            )
        )
    }
    addresses: dict[str, dict[str, None]] = {}
    for key, address in session.execute(
        select(AddressInterval.session_key, AddressInterval.address)
        .where(AddressInterval.session_key.in_(keys))
        .order_by(AddressInterval.from_at)
    ):
        addresses.setdefault(key, {})[address] = None
    granted = known_by_grant(session, keys)
    found = []
    for row in rows:
        account = accounts.get(row.account_id or 0)
        _mac, ssid = split_called_station_id(row.called_station_id or "")
        found.append(
            Connection(
                session_key=row.session_key,
                account_id=account.id if account else None,
                user_name=account.username if account else row.user_name,
                full_name=account.full_name if account else "",
                station=row.calling_station_id,
                addresses=tuple(addresses.get(row.session_key, ())),
                nas=nas_names.get(row.nas_client_id, f"#{row.nas_client_id}"),
                ssid=ssid,
                started_at=row.started_at,
                ended_at=(row.stop_at or row.last_heard_at) if row.stop_seen else row.closed_at,
                last_heard_at=row.last_heard_at,
                why_ended=_why(row),
                input_octets=row.input_octets,
                output_octets=row.output_octets,
                known_by=word(KNOWN_BY, granted.get(row.session_key, "")),
            )
        )
    return found


def _why(row: NetworkSession) -> str:
    if row.stop_seen:
        return word(TERMINATE_CAUSES, row.terminate_cause) if row.terminate_cause else ""
    return word(CLOSE_CAUSES, row.close_cause) if row.closed_at else ""
