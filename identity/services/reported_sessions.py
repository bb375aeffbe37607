"""What a gateway that speaks no RADIUS reports of its sessions, as the rows that accounting makes.

The same ledger, the same joins: a report may come late, twice or in any order. Each one that is
kept is an `accounting_event` with its octets.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from common.errors import BackendUnavailable
from common.logging import get_logger
from db.ledger import Batch, open_ledger
from db.ledger.batch import UnstorableError
from db.models import AccountingEvent, AddressInterval, AuthEvent, NasClient, NetworkSession
from db.models.base import to_micros
from identity.domain.access import Decision, Denied, Granted, Reason
from identity.domain.sessions import NEIGHBOUR, CloseCause, StatusType, session_key
from identity.office import Office
from identity.services import dynamic

KEPT_EVERY = timedelta(seconds=60)
"""A gateway that reports every few seconds would fill the disk; RFC 2869 section 5.16 asks for no
more often than this either."""

SEEN_EVERY = timedelta(seconds=30)
ABSENT_AFTER = timedelta(seconds=60)
"""What a gateway let in a moment ago need not be on its list yet."""

_GROWN = 10
_KEYS_A_QUERY = 500
"""SQLite takes 32,766 parameters in one statement, older ones 999."""
_LONGEST_SECONDS = 400 * 86400
_SOURCE = "report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The gateway that reports, and from which address."""

    nas_client_id: int
    nas_identity: str
    address: str
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """One session as a gateway tells it now. Octets are as the user sees them."""

    acct_session_id: str
    user_name: str
    mac: str
    ip: str = ""
    more_addresses: tuple[str, ...] = ()
    """Those it has beside `ip`. What a gateway was not told to be on record it may not let pass."""
    seconds: int = 0
    """How long it has lasted, or did last."""
    ended_seconds_ago: int | None = None
    """None while it goes on."""
    cause: int | None = None
    """Acct-Terminate-Cause, RFC 2866 section 5.10."""
    sent_octets: int = 0
    received_octets: int = 0
    octets: bytes = field(repr=False)
    """The report, as it came."""


def key_of(place: Place, session: Reported) -> str:
    """By which the ledger knows this session."""
    return session_key(
        f"{place.nas_client_id}/{place.nas_identity}",
        session.acct_session_id,
        session.user_name,
        session.mac,
    )


def store_entrance(
    office: Office, place: Place, decision: Decision, entering: Reported, reference: str
) -> None:
    """Write a decision, and of an accepted one the start of the session, in one commit.

    Args:
        reference: names this login; the session carries it.

    Raises:
        BackendUnavailable: nothing is stored, and nobody may be let in.
    """
    now = office.clock()
    batch = Batch(is_placed=True)
    if isinstance(decision, Granted):
        account_id: int | None = decision.account.account_id
        outcome, reason = "accept", Reason.OK
        _add(batch, place, entering, now, account_id, reference, StatusType.START)
    elif isinstance(decision, Denied):
        account_id, outcome, reason = decision.account_id, "reject", decision.reason
    else:
        return  # without the database there is nowhere to write it
    batch.auth_events.append(
        (
            to_micros(now),
            place.nas_client_id,
            entering.user_name,
            account_id,
            decision.method,
            outcome,
            reason,
            entering.mac,
            None,
            reference if outcome == "accept" else None,
            decision.step or None,
        )
    )
    _commit(office, batch)


def add_entrance(
    session: Session,
    place: Place,
    granted: Granted,
    entering: Reported,
    key: str,
    reference: str,
    now: datetime,
) -> None:
    """Write the same of somebody who is let in, in a transaction that holds more than that.

    Args:
        key: of the session; one that is there goes on.
    """
    account_id, started_at = granted.account.account_id, now - timedelta(seconds=entering.seconds)
    row = session.get(NetworkSession, key)
    if row is None:
        session.add(
            NetworkSession(
                session_key=key,
                nas_client_id=place.nas_client_id,
                nas_identity=place.nas_identity,
                acct_session_id=entering.acct_session_id,
                user_name=entering.user_name,
                account_id=account_id,
                session_ref=reference,
                calling_station_id=entering.mac,
                started_at=started_at,
                first_heard_at=now,
                last_heard_at=now,
                session_seconds=entering.seconds,
                stop_seen=0,
                input_octets=0,
                output_octets=0,
            )
        )
    else:
        row.last_heard_at = max(row.last_heard_at, now)
        row.session_seconds = max(row.session_seconds, entering.seconds)
    session.add(
        AccountingEvent(
            received_at=now,
            nas_client_id=place.nas_client_id,
            source=f"{place.address}#0",
            status_type=StatusType.START,
            session_key=key,
            user_name=entering.user_name,
            calling_station_id=entering.mac,
            framed_address=entering.ip or None,
            session_seconds=entering.seconds,
            octets=entering.octets,
        )
    )
    session.add(
        AuthEvent(
            at=now,
            nas_client_id=place.nas_client_id,
            user_name=entering.user_name,
            account_id=account_id,
            method=granted.method,
            outcome="accept",
            reason=Reason.OK,
            calling_station_id=entering.mac,
            session_ref=reference,
            trace=granted.step or None,
        )
    )
    if entering.ip:
        session.add(
            AddressInterval(
                session_key=key,
                address=entering.ip,
                source=_SOURCE,
                from_at=now,
                to_at=now,
                first_offset_seconds=0,
                last_offset_seconds=0,
            )
        )


def without_unproven_names(
    office: Office, place: Place, reported: Sequence[Reported]
) -> Sequence[Reported]:
    """`reported`, without the name where no decision of ours began the session.

    For gateways that tell the name as the browser brought it: whoever got past unasked could bring
    anybody's, and it would stand on record as theirs.

    Raises:
        BackendUnavailable: nobody can say now.
    """
    keys = {key_of(place, one) for one in reported if one.user_name}
    proven: set[str] = set()
    ordered = sorted(keys)
    with office.database.read() as session:
        for start in range(0, len(ordered), _KEYS_A_QUERY):
            some = ordered[start : start + _KEYS_A_QUERY]
            proven.update(
                session.scalars(
                    select(NetworkSession.session_key).where(
                        NetworkSession.session_key.in_(some), NetworkSession.account_id.is_not(None)
                    )
                )
            )
    return [one if key_of(place, one) in proven else replace(one, user_name="") for one in reported]


def store_reports(
    office: Office, place: Place, reported: Iterable[Reported], is_whole: bool = False
) -> None:
    """Write what is new in these reports.

    Args:
        is_whole: who is not among them is not in: a stop was lost, or the gateway restarted.

    Raises:
        BackendUnavailable: nothing is stored; the gateway tells it again.
    """
    now = office.clock()
    known = _known(office, place)
    joined = _joined(place, reported)
    recorded = _recorded(office, [key for key, one in joined.items() if one.more_addresses])
    batch = Batch(is_placed=True)
    present = set()
    for key, one in joined.items():
        present.add(key)
        before = known.get(key)
        status = StatusType.STOP if one.ended_seconds_ago is not None else StatusType.INTERIM
        if (
            status is StatusType.STOP
            or before is None
            or _is_news(before, one, now)
            # The gateway lets an address through as soon as we have taken it.
            or any((key, address) not in recorded for address in one.more_addresses)
        ):
            _add(batch, place, one, now, None, None, status)
    if place.last_seen_at is None or place.last_seen_at <= now - SEEN_EVERY:
        batch.nas_seen[place.nas_client_id] = (to_micros(now), None, None)
    if not batch.is_empty():
        _commit(office, batch)
    if is_whole:
        absent = [
            key
            for key, row in known.items()
            if key not in present and row.last_heard_at <= now - ABSENT_AFTER
        ]
        _close(office, absent, now)


def _joined(place: Place, reported: Iterable[Reported]) -> Mapping[str, Reported]:
    """One report a session: its end, where that is among them, with the address it had."""
    found: dict[str, Reported] = {}
    for one in reported:
        key = key_of(place, one)
        other = found.get(key)
        if other is None:
            found[key] = one
        elif other.ended_seconds_ago is None:
            found[key] = _with_addresses(one, other)
        else:
            found[key] = _with_addresses(other, one)
    return found


def _with_addresses(one: Reported, other: Reported) -> Reported:
    more = dict.fromkeys((*one.more_addresses, *other.more_addresses))
    return replace(one, ip=one.ip or other.ip, more_addresses=tuple(more))


def _is_news(before: NetworkSession, one: Reported, now: datetime) -> bool:
    if before.last_heard_at <= now - KEPT_EVERY:
        return True
    # Somebody new on the line wants to see their octets soon; later ones may wait the minute.
    octets = before.input_octets + before.output_octets
    return one.sent_octets + one.received_octets >= _GROWN * max(octets, 1)


def _known(office: Office, place: Place) -> Mapping[str, NetworkSession]:
    """The sessions of a gateway that are open."""
    with office.database.read() as session:
        rows = session.scalars(
            select(NetworkSession).where(
                *dynamic.open_conditions(),
                NetworkSession.nas_client_id == place.nas_client_id,
                NetworkSession.nas_identity == place.nas_identity,
            )
        )
        return {row.session_key: row for row in rows}


def _recorded(office: Office, keys: Sequence[str]) -> Collection[tuple[str, str]]:
    """(session key, address) of the neighbours that the latest kept report of each session told.

    One that was told before that, and not since, is news again.
    """
    latest: dict[str, datetime] = {}
    told: list[tuple[str, str, datetime]] = []
    with office.database.read() as session:
        for start in range(0, len(keys), _KEYS_A_QUERY):
            rows = session.scalars(
                select(AddressInterval).where(
                    AddressInterval.session_key.in_(keys[start : start + _KEYS_A_QUERY]),
                    AddressInterval.source.in_((_SOURCE, NEIGHBOUR)),
                )
            )
            for row in rows:
                latest[row.session_key] = max(row.to_at, latest.get(row.session_key, row.to_at))
                if row.source == NEIGHBOUR:
                    told.append((row.session_key, row.address, row.to_at))
    return {(key, address) for key, address, to_at in told if to_at >= latest[key]}


def _close(office: Office, keys: Collection[str], now: datetime) -> None:
    if not keys:
        return
    with office.database.write() as session:
        session.execute(
            update(NetworkSession)
            .where(NetworkSession.session_key.in_(keys), *dynamic.open_conditions())
            .values(closed_at=now, close_cause=CloseCause.NOT_ON_NAS)
            .execution_options(synchronize_session=False)
        )
    get_logger(__name__).info("sessions_not_on_gateway", sessions=len(keys))


def _add(
    batch: Batch,
    place: Place,
    one: Reported,
    now: datetime,
    account_id: int | None,
    reference: str | None,
    status: StatusType,
) -> None:
    key = key_of(place, one)
    seconds = min(one.seconds, _LONGEST_SECONDS)
    at = now - timedelta(seconds=min(one.ended_seconds_ago or 0, _LONGEST_SECONDS))
    heard, started = to_micros(now), to_micros(at - timedelta(seconds=seconds))
    stopped = status is StatusType.STOP
    batch.accounting_events.append(
        (
            heard,
            place.nas_client_id,
            f"{place.address}#0",
            int(status),
            key,
            one.user_name,
            one.mac,
            one.ip or None,
            seconds,
            None,
            one.octets,
        )
    )
    batch.sessions.append(
        (
            key,
            place.nas_client_id,
            place.nas_identity,
            one.acct_session_id,
            one.user_name,
            account_id,
            reference,
            one.mac,
            None,
            None,
            started,
            heard,
            heard,
            seconds,
            int(stopped),
            to_micros(at) if stopped else None,
            one.cause if stopped else None,
            one.sent_octets,
            one.received_octets,
        )
    )
    offset = seconds if status is not StatusType.START else 0
    moment = to_micros(at)
    told = ((one.ip, _SOURCE), *((address, NEIGHBOUR) for address in one.more_addresses))
    for address, source in dict.fromkeys(told):
        if address:
            batch.addresses.append((key, address, source, moment, moment, offset, offset))


def _commit(office: Office, batch: Batch) -> None:
    ledger = open_ledger(office.database.url)
    try:
        ledger.commit(batch)
    except UnstorableError as error:
        raise BackendUnavailable("database", str(error)) from error
    finally:
        ledger.close()


def place_of(nas: NasClient, address: str) -> Place:
    """The place of a registered gateway that speaks from `address`."""
    return Place(
        nas_client_id=nas.id,
        nas_identity=nas.name,
        address=address,
        last_seen_at=nas.last_seen_at,
    )
