"""Sessions as such, with or without an address: of one device, of one person.

A device that never got an address was there all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from common.config import Config
from common.net import find_mac, format_mac
from db.models import Account, NasClient, NetworkSession
from identity.domain.sessions import INTERIM_SECONDS, CloseCause, ended_at
from identity.services.housekeeping import UNHEARD_AFTER
from identity.services.sessions import session_state
from traffic.lookup.attribution import Holder, Window
from traffic.lookup.holders import alive, closed_by, holders_of, talkers

MAX_STAYS = 5000
"""Sessions in one answer; a school has as many in a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One session, and each address it had."""

    whole: Holder
    """From its start to its end, under no address."""
    addresses: tuple[Holder, ...]
    called_station_id: str | None
    input_octets: int
    output_octets: int


def of_device(mac: str) -> ColumnElement[bool]:
    """Sessions of a device; `mac` is twelve hex digits."""
    return NetworkSession.calling_station_id == mac


def of_person(session: Session, username: str) -> ColumnElement[bool]:
    """Sessions of an account, or opened with that name."""
    name = (find_mac(username) or username.strip()).casefold()
    account = session.scalar(select(Account.id).where(Account.username == name))
    sent = func.lower(NetworkSession.user_name) == name
    return sent if account is None else or_(NetworkSession.account_id == account, sent)


def find_stays(
    session: Session, config: Config, wanted: ColumnElement[bool], window: Window
) -> tuple[list[Stay], bool]:
    """(sessions that may have gone on during `window`, by start, whether there are more)."""
    rows = session.scalars(
        select(NetworkSession)
        .where(wanted, *alive(window))
        .order_by(NetworkSession.started_at)
        .limit(MAX_STAYS + 1)
    ).all()
    more = len(rows) > MAX_STAYS
    rows = rows[:MAX_STAYS]
    held: dict[str, list[Holder]] = {}
    for holder in holders_of(session, config, {row.session_key for row in rows}):
        held.setdefault(holder.session_key, []).append(holder)
    found = []
    for whole, row in zip(_wholes(session, config, rows), rows, strict=True):
        if not window.overlaps(whole.from_at, whole.to_at):
            continue
        addresses = [
            one for one in held.get(row.session_key, ()) if window.overlaps(one.from_at, one.to_at)
        ]
        found.append(
            Stay(
                whole=whole,
                addresses=tuple(sorted(addresses, key=lambda one: (one.from_at, one.address))),
                called_station_id=row.called_station_id,
                input_octets=row.input_octets,
                output_octets=row.output_octets,
            )
        )
    return found, more


def _wholes(session: Session, config: Config, rows: Sequence[NetworkSession]) -> list[Holder]:
    """Each session from start to end, as far as it is certain when it ended."""
    silence = timedelta(seconds=config.radius.missed_interims * INTERIM_SECONDS)
    reporting = talkers(session, rows)
    accounts = {
        account.id: account
        for account in session.scalars(
            select(Account).where(Account.id.in_({row.account_id for row in rows} - {None}))
        ).unique()
    }
    names: dict[int, str] = {
        number: name for number, name in session.execute(select(NasClient.id, NasClient.name))
    }
    found = []
    for row in rows:
        account = accounts.get(row.account_id or 0)
        mac = find_mac(row.calling_station_id) if row.calling_station_id else None
        ended = row.closed_at
        if ended is not None and row.close_cause == CloseCause.SILENT:
            ended += silence if row.nas_client_id in reporting else UNHEARD_AFTER
        found.append(
            Holder(
                session_key=row.session_key,
                account_id=row.account_id,
                account=account.username if account else None,
                full_name=account.full_name if account else "",
                user_name=row.user_name,
                mac=format_mac(mac) if mac else row.calling_station_id,
                nas=names.get(row.nas_client_id, f"#{row.nas_client_id}"),
                address="",
                from_at=row.started_at,
                to_at=ended_at(session_state(row), ended),
                last_heard_at=row.last_heard_at,
                closed_by=closed_by(row),
                evidence=(f"network_session:{row.session_key}",),
            )
        )
    return found
