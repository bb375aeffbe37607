"""Finds in the database which sessions had an address, and which addresses a person had."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from common.config import Config
from common.net import find_mac, format_mac
from db.models import Account, AddressInterval, NasClient, NetworkSession
from identity.domain.sessions import (
    INTERIM_SECONDS,
    AddressSpan,
    CloseCause,
    address_spans,
    ended_at,
)
from identity.services.housekeeping import UNHEARD_AFTER
from identity.services.sessions import address_state, session_state
from traffic.lookup.attribution import Holder, Window

_SHORTEST_PREFIX = 32
_KEYS_A_QUERY = 400
"""SQLite takes 32,766 parameters in one statement, older ones 999."""


def address_spellings(address: str) -> list[str]:
    """How an address may be stored: as it is, or as an IPv6 prefix that contains it."""
    parsed = ip_address(address)
    if not isinstance(parsed, IPv6Address):
        return [str(parsed)]
    lengths = range(_SHORTEST_PREFIX, 129)
    return [str(parsed), *(str(ip_network((parsed, bits), strict=False)) for bits in lengths)]


def is_client_address(session: Session, address: str) -> bool:
    """True when any session ever had this address."""
    spellings = address_spellings(address)
    query = select(AddressInterval.session_key).where(AddressInterval.address.in_(spellings))
    return session.scalar(query.limit(1)) is not None


def find_holders(
    session: Session, config: Config, addresses: Iterable[str], window: Window
) -> list[Holder]:
    """Every session that may have had one of `addresses` during `window`."""
    wanted = sorted({text for address in addresses for text in address_spellings(address)})
    keys: set[str] = set()
    for some in _pieces(wanted):
        query = (
            select(NetworkSession.session_key)
            .join(AddressInterval, AddressInterval.session_key == NetworkSession.session_key)
            .where(AddressInterval.address.in_(some), *alive(window))
        )
        keys.update(session.scalars(query))
    spellings = set(wanted)
    return [holder for holder in holders_of(session, config, keys) if holder.address in spellings]


def find_addresses(session: Session, config: Config, username: str, window: Window) -> list[Holder]:
    """Every address that sessions of an account, or of a name as sent, had in `window`."""
    name = (find_mac(username) or username.strip()).casefold()
    account = session.scalar(select(Account.id).where(Account.username == name))
    sent = func.lower(NetworkSession.user_name) == name
    belongs = sent if account is None else or_(NetworkSession.account_id == account, sent)
    query = select(NetworkSession.session_key).where(belongs, *alive(window))
    found = holders_of(session, config, set(session.scalars(query)))
    return [holder for holder in found if window.overlaps(holder.from_at, holder.to_at)]


def is_known_name(session: Session, username: str) -> bool:
    """True when an account has this name or a session was opened with it."""
    name = (find_mac(username) or username.strip()).casefold()
    if session.scalar(select(Account.id).where(Account.username == name)) is not None:
        return True
    sent = select(NetworkSession.session_key).where(func.lower(NetworkSession.user_name) == name)
    return session.scalar(sent.limit(1)) is not None


def alive(window: Window) -> Sequence[ColumnElement[bool]]:
    """Sessions that may overlap `window`; address_spans decides exactly."""
    unended = and_(NetworkSession.stop_seen == 0, NetworkSession.closed_at.is_(None))
    return (
        NetworkSession.started_at <= window.to_at,
        or_(
            unended,
            NetworkSession.stop_at >= window.from_at,
            NetworkSession.closed_at >= window.from_at - UNHEARD_AFTER,
            NetworkSession.last_heard_at >= window.from_at,
        ),
    )


def holders_of(session: Session, config: Config, keys: set[str]) -> list[Holder]:
    silence = timedelta(seconds=config.radius.missed_interims * INTERIM_SECONDS)
    found: list[Holder] = []
    names = {number: name for number, name in session.execute(select(NasClient.id, NasClient.name))}
    for some in _pieces(sorted(keys)):
        intervals: dict[str, list[AddressInterval]] = {}
        for interval in session.scalars(
            select(AddressInterval).where(AddressInterval.session_key.in_(some))
        ):
            intervals.setdefault(interval.session_key, []).append(interval)
        rows = session.scalars(
            select(NetworkSession).where(NetworkSession.session_key.in_(some))
        ).all()
        reporting = talkers(session, rows)
        numbers = {row.account_id for row in rows if row.account_id is not None}
        accounts = {
            account.id: account
            for account in session.scalars(select(Account).where(Account.id.in_(numbers))).unique()
        }
        for row in rows:
            account = accounts.get(row.account_id or 0)
            nas = names.get(row.nas_client_id, f"#{row.nas_client_id}")
            states = [address_state(item) for item in intervals.get(row.session_key, ())]
            latest = _latest_end(row, silence if row.nas_client_id in reporting else UNHEARD_AFTER)
            for span in address_spans(session_state(row), states, latest):
                found.append(_holder(row, span, account, nas))
    return found


def _holder(row: NetworkSession, span: AddressSpan, account: Account | None, nas: str) -> Holder:
    mac = find_mac(row.calling_station_id) if row.calling_station_id else None
    return Holder(
        session_key=row.session_key,
        account_id=row.account_id,
        account=account.username if account else None,
        full_name=account.full_name if account else "",
        user_name=row.user_name,
        mac=format_mac(mac) if mac else row.calling_station_id,
        nas=nas,
        address=span.address,
        from_at=span.from_at,
        to_at=span.to_at,
        last_heard_at=row.last_heard_at,
        closed_by=closed_by(row),
        evidence=(
            f"network_session:{row.session_key}",
            f"address_interval:{row.session_key}/{span.address}",
        ),
    )


def talkers(session: Session, rows: Sequence[NetworkSession]) -> set[int]:
    """Those NAS of silent sessions that send interim updates, so that silence means something."""
    numbers = {row.nas_client_id for row in rows if _fell_silent(row)}
    query = select(NetworkSession.nas_client_id).where(
        NetworkSession.nas_client_id.in_(numbers),
        NetworkSession.stop_seen == 0,
        NetworkSession.session_seconds > 0,
    )
    return set(session.scalars(query.distinct())) if numbers else set()


def _fell_silent(row: NetworkSession) -> bool:
    return row.closed_at is not None and row.close_cause == CloseCause.SILENT


def _latest_end(row: NetworkSession, silence: timedelta) -> datetime | None:
    """When a session without a stop was over for certain.

    The housekeeper closes a silent one as of its last report, but the device may have kept
    its address until the silence was long enough to be believed.
    """
    if row.closed_at is None or not _fell_silent(row):
        return row.closed_at
    return row.closed_at + silence


def closed_by(row: NetworkSession) -> str | None:
    if ended_at(session_state(row), row.closed_at) is None:
        return None
    return "stop" if row.stop_seen else row.close_cause or "closed"


def _pieces(texts: Sequence[str]) -> Iterable[Sequence[str]]:
    for start in range(0, len(texts), _KEYS_A_QUERY):
        yield texts[start : start + _KEYS_A_QUERY]
