"""Finds in the database which sessions had an address, and which addresses a person had."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from common.clock import utc_now
from common.config import Config
from common.net import find_mac, format_mac
from db.models import Account, AddressInterval, NasClient, NetworkSession
from identity.domain.sessions import (
    INTERIM_SECONDS,
    UNHEARD_AFTER,
    AddressSpan,
    AddressState,
    CloseCause,
    address_spans,
    ended_at,
)
from identity.domain.spellings import spellings
from identity.services.known_grants import known_by_grant
from identity.services.named import account_id_of
from identity.services.session_states import (
    address_state,
    may_have_lasted_to,
    session_state,
)
from traffic.lookup.attribution import Holder, Window
from traffic.lookup.roaming import end_superseded

_SHORTEST_PREFIX = 32
_ONE_MISSED = 2 * timedelta(seconds=INTERIM_SECONDS)
"""A session of which nothing was heard for this long should have reported once, at least."""

_TELL_NO_END = (CloseCause.GRANT_OVER, CloseCause.NOT_ON_NAS)
"""Closed because nobody had the device on a list any more, or its time was over; it may have left
long before."""

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


def find_stations(
    session: Session, config: Config, macs: Iterable[str], window: Window
) -> list[Holder]:
    """Sessions of the devices `macs` (twelve hex digits) in `window`, whatever address they had.

    The holder's address is empty; it is from the session's start to its end.
    """
    found: list[Holder] = []
    for some in _pieces(sorted(set(macs))):
        query = select(NetworkSession).where(
            NetworkSession.calling_station_id.in_(some), *alive(window)
        )
        found += whole_sessions(session, config, session.scalars(query).all())
    return [holder for holder in found if window.overlaps(holder.from_at, holder.to_at)]


def whole_sessions(
    session: Session, config: Config, rows: Sequence[NetworkSession]
) -> list[Holder]:
    """Each of `rows`, in their order, from start to end under an empty address.

    As far as it is certain when it ended: by the same rules as its addresses.
    """
    addresses = _addresses_of(session, [row.session_key for row in rows])
    found: list[Holder] = []
    granted = known_by_grant(session, [row.session_key for row in rows])
    for row, account, nas, silence in with_owners(session, config, rows):
        is_granted = row.session_key in granted
        ending = Ending.of(row, addresses.get(row.session_key, ()), silence, is_granted)
        span = AddressSpan(
            session_key=row.session_key,
            address="",
            source="",
            from_at=row.started_at,
            to_at=ended_at(session_state(row), ending.latest),
        )
        holder = _holder(row, span, account, nas, ending)
        found.append(replace(holder, evidence=(f"network_session:{row.session_key}",)))
    return found


def find_addresses(session: Session, config: Config, username: str, window: Window) -> list[Holder]:
    """Every address that sessions of an account, or of a name as sent, had in `window`."""
    query = select(NetworkSession.session_key).where(of_person(session, username), *alive(window))
    found = holders_of(session, config, set(session.scalars(query)))
    return [holder for holder in found if window.overlaps(holder.from_at, holder.to_at)]


def find_station(session: Session, config: Config, mac: str, window: Window) -> list[Holder]:
    """Every address that sessions of a device (twelve hex digits) had in `window`."""
    query = select(NetworkSession.session_key).where(
        NetworkSession.calling_station_id == mac, *alive(window)
    )
    found = holders_of(session, config, set(session.scalars(query)))
    return [holder for holder in found if window.overlaps(holder.from_at, holder.to_at)]


def is_known_name(session: Session, username: str) -> bool:
    """True when an account has this name or a session was opened with it."""
    name = find_mac(username) or username
    if account_id_of(session, name) is not None:
        return True
    return (
        session.scalar(select(NetworkSession.session_key).where(_sent(name)).limit(1)) is not None
    )


def of_person(session: Session, username: str) -> ColumnElement[bool]:
    """Sessions of an account, or opened with that name."""
    name = find_mac(username) or username
    account = account_id_of(session, name)
    sent = _sent(name)
    return sent if account is None else or_(NetworkSession.account_id == account, sent)


def _sent(name: str) -> ColumnElement[bool]:
    return func.lower(NetworkSession.user_name).in_(spellings(name))


def alive(window: Window) -> Sequence[ColumnElement[bool]]:
    """Sessions that may overlap `window`; address_spans decides exactly."""
    return NetworkSession.started_at <= window.to_at, may_have_lasted_to(window.from_at)


def holders_of(session: Session, config: Config, keys: set[str]) -> list[Holder]:
    found: list[Holder] = []
    for some in _pieces(sorted(keys)):
        addresses = _addresses_of(session, some)
        rows = session.scalars(
            select(NetworkSession).where(NetworkSession.session_key.in_(some))
        ).all()
        granted = known_by_grant(session, some)
        for row, account, nas, silence in with_owners(session, config, rows):
            states = addresses.get(row.session_key, [])
            ending = Ending.of(row, states, silence, row.session_key in granted)
            for span in address_spans(session_state(row), states, ending.latest):
                found.append(_holder(row, span, account, nas, ending))
    return end_superseded(found)


def _addresses_of(session: Session, keys: Sequence[str]) -> dict[str, list[AddressState]]:
    """The addresses of each of these sessions; one that had none is left out."""
    found: dict[str, list[AddressState]] = {}
    for some in _pieces(keys):
        query = select(AddressInterval).where(AddressInterval.session_key.in_(some))
        for interval in session.scalars(query):
            found.setdefault(interval.session_key, []).append(address_state(interval))
    return found


def with_owners(
    session: Session, config: Config, rows: Sequence[NetworkSession]
) -> Iterator[tuple[NetworkSession, Account | None, str, timedelta | None]]:
    """Each of `rows` with its account, its NAS's name, and how long a silence ends it there.

    The last is None for a NAS that sends no interim updates.
    """
    silence = timedelta(seconds=config.radius.missed_interims * INTERIM_SECONDS)
    names = {number: name for number, name in session.execute(select(NasClient.id, NasClient.name))}
    reporting = talkers(session, rows)
    numbers = {row.account_id for row in rows if row.account_id is not None}
    accounts = {
        account.id: account
        for account in session.scalars(select(Account).where(Account.id.in_(numbers))).unique()
    }
    for row in rows:
        account = accounts.get(row.account_id or 0)
        nas = names.get(row.nas_client_id, f"#{row.nas_client_id}")
        does_report = row.nas_client_id in reporting or row.session_seconds > 0
        yield row, account, nas, silence if does_report else None


def _holder(
    row: NetworkSession, span: AddressSpan, account: Account | None, nas: str, ending: Ending
) -> Holder:
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
        certain_to=ending.certain_of(span),
        evidence=(
            f"network_session:{row.session_key}",
            f"address_interval:{row.session_key}/{span.address}",
        ),
    )


@dataclass(frozen=True, slots=True)
class Ending:
    """When a session that was closed without a stop was over; both None for any other."""

    latest: datetime | None
    """Over for certain. The device may have kept its address until the silence was believed."""
    certain_to: datetime | None
    """Nothing tells when between its last report and `latest` it left, and what came after
    may have been lost with the stop."""

    @classmethod
    def of(
        cls,
        row: NetworkSession,
        addresses: Sequence[AddressState],
        silence: timedelta | None,
        is_granted: bool = False,
    ) -> Ending:
        """`silence` is None for a NAS that sends no interim updates.

        Args:
            is_granted: no accounting tells of it: while nobody has it on a list, nobody knows.
        """
        if row.stop_seen:
            return cls(row.closed_at, None)
        is_open = row.closed_at is None and not is_granted
        if is_open and not (row.session_seconds and _is_unheard(row, silence)):
            return cls(None, None)
        # By the NAS's stopwatch: when a report was received says less, it may have waited.
        reported = (
            row.started_at + timedelta(seconds=row.session_seconds)
            if row.session_seconds
            else max((row.started_at, *(state.to_at for state in addresses)))
        )
        reported = min(reported, row.last_heard_at)
        if is_open:
            # It reported, and does no more; nobody was there yet to close it.
            return cls(None, reported)
        if is_granted or row.closed_at is None or row.close_cause in _TELL_NO_END:
            return cls(row.closed_at, reported)
        if row.close_cause == CloseCause.SILENT:
            return cls(reported + (silence or UNHEARD_AFTER), reported)
        if row.close_cause == CloseCause.NAS_RESTARTED and silence is not None:
            latest = min(row.closed_at, reported + silence)
            missed = row.closed_at - reported > _ONE_MISSED
            return cls(latest, reported if missed else None)
        return cls(row.closed_at, None)

    def certain_of(self, span: AddressSpan) -> datetime | None:
        """The same of one of its addresses; None when it is certain to the end of `span`."""
        if self.certain_to is None or (span.to_at is not None and span.to_at <= self.certain_to):
            return None
        return max(span.from_at, self.certain_to)


def _is_unheard(row: NetworkSession, silence: timedelta | None) -> bool:
    return silence is not None and utc_now() - row.last_heard_at > silence


def talkers(session: Session, rows: Sequence[NetworkSession]) -> set[int]:
    """Those NAS of ended sessions that send interim updates, so that silence means something."""
    numbers = {row.nas_client_id for row in rows if _has_no_stop(row)}
    query = select(NetworkSession.nas_client_id).where(
        NetworkSession.nas_client_id.in_(numbers),
        NetworkSession.stop_seen == 0,
        NetworkSession.session_seconds > 0,
    )
    return set(session.scalars(query.distinct())) if numbers else set()


def _has_no_stop(row: NetworkSession) -> bool:
    causes = (CloseCause.SILENT, CloseCause.NAS_RESTARTED)
    return row.closed_at is not None and not row.stop_seen and row.close_cause in causes


def closed_by(row: NetworkSession) -> str | None:
    if ended_at(session_state(row), row.closed_at) is None:
        return None
    return "stop" if row.stop_seen else row.close_cause or "closed"


def _pieces(texts: Sequence[str]) -> Iterable[Sequence[str]]:
    for start in range(0, len(texts), _KEYS_A_QUERY):
        yield texts[start : start + _KEYS_A_QUERY]
