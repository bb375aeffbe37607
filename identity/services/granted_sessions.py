"""Sessions at makes that do no accounting: begun by a hand-over, held to what a controller lists.

Each is a row like any other, with its start, and an end: by the controller's list, by the time it
was granted for, or because somebody ends it. `granted_session` says that it is known so.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, exists, select, update
from sqlalchemy.orm import Session

from db.models import GrantedSession, NasClient, NetworkSession
from identity.domain.access import Denied, Granted, Method, Reason
from identity.domain.dynamic import Cause
from identity.domain.granting import ABSENT_AFTER, FIRST_LOOK, LOOK_EVERY, Basis
from identity.domain.sessions import CloseCause
from identity.office import Office
from identity.services import dynamic, granted_time, outbox
from identity.services.outbox import Order
from identity.services.reported_sessions import (
    Reported,
    add_entrance,
    key_of,
    place_of,
    store_reports,
)

LONGEST_SECONDS = 8 * 3600
"""Of a session whose account has no limit: a school day, as controllers are told."""

TRIED_FOR = timedelta(minutes=2)
"""So long a page that tries again goes on with the same beginning."""

MOST_AT_ONCE = 500
"""Sessions of one network device that are looked after in one round."""

_REFERENCE_OCTETS = 8
_SOURCE = "portal"
"""Who has told, in place of the address that a packet comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entering:
    """Somebody who has been let in, or is being."""

    device: str
    """As the make names it: a MAC address as twelve hex digits, or an address."""
    ip: str = ""
    """Empty while nobody has proven which one it is."""
    basis: Basis
    seconds: int | None
    """For how long; None is for as long as may be."""
    is_proven: bool = False
    """Whether this is the device for certain: then somebody else's session on it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A session that has been put on record."""

    session_key: str
    is_new: bool
    """False where one goes on that was there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A session that a controller may tell more of."""

    session_key: str
    device: str
    acct_session_id: str
    user_name: str
    mac: str
    began_at: datetime
    last_known_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a controller's list says of one session."""

    ip: str
    sent_octets: int
    received_octets: int
    octets: bytes = field(repr=False)


_HELD = select(NetworkSession, GrantedSession).join(
    GrantedSession, GrantedSession.session_key == NetworkSession.session_key
)


def begin(office: Office, nas: NasClient, granted: Granted, entering: Entering) -> Begun | Denied:
    """Write the decision and the start of the session in one commit; or why it does not begin.

    Called before anybody lets the device in: `not_let_in` takes it back. Where the device has a
    session of this account here already, that one goes on, for longer.

    Raises:
        BackendUnavailable: nothing is stored, and nobody may be let in.
    """
    now = office.clock()
    account = granted.account
    seconds = LONGEST_SECONDS if entering.seconds is None else entering.seconds
    ends_at = now + timedelta(seconds=min(seconds, LONGEST_SECONDS))
    place = place_of(nas, _SOURCE)
    reference = secrets.token_hex(_REFERENCE_OCTETS)
    told = f"{entering.basis} {entering.device} {entering.ip} {account.username} until {ends_at}"
    start = Reported(
        acct_session_id=reference,
        user_name=account.username,
        mac=entering.device,
        ip=entering.ip,
        octets=told.encode(),
    )
    with office.database.write() as session:
        at_device = _at_device(session, nas.id, entering.device, now)
        others = any(held.account_id != account.account_id for _, held in at_device)
        if others and not entering.is_proven:
            return Denied(Reason.DEVICE_TAKEN, Method.PORTAL, account.account_id)
        goes_on = None
        for row, held in at_device:
            is_open = row.closed_at is None and not row.stop_seen
            if is_open and row.account_id == account.account_id:
                held.ends_at, held.next_look_at = ends_at, now + FIRST_LOOK
                goes_on = row
            else:
                if is_open:
                    _close(row, now, CloseCause.GRANTED_ANEW)
                # Its device may be on a list again, but not for this session.
                held.ends_at = now
        tried = _tried_before(session, nas.id, account.account_id, entering.device, now)
        if goes_on is None and tried is not None:
            row, held = tried
            row.closed_at = row.close_cause = None
            held.ends_at, held.next_look_at = ends_at, now + FIRST_LOOK
            return Begun(session_key=row.session_key, is_new=True)
        if goes_on is not None:
            # Another address than before is told by the controller, with its time.
            seconds_on = max(0, int((now - goes_on.started_at).total_seconds()))
            start = replace(
                start, acct_session_id=goes_on.acct_session_id, ip="", seconds=seconds_on
            )
        key = goes_on.session_key if goes_on is not None else key_of(place, start)
        add_entrance(session, place, granted, start, key, reference, now)
        if goes_on is None:
            session.add(
                GrantedSession(
                    session_key=key,
                    nas_client_id=nas.id,
                    account_id=account.account_id,
                    device=entering.device,
                    basis=entering.basis,
                    began_at=now,
                    ends_at=ends_at,
                    next_look_at=now + FIRST_LOOK,
                )
            )
    return Begun(session_key=key, is_new=goes_on is None)


def not_let_in(session: Session, now: datetime, begun: Begun) -> None:
    """Take back a beginning: the network has not let the device in.

    What went on already goes on. Where nobody knows whether it did, the controller's list tells.
    """
    if not begun.is_new:
        return
    row = session.get_one(NetworkSession, begun.session_key)
    _close(row, now, CloseCause.NOT_LET_IN)
    session.get_one(GrantedSession, begun.session_key).ends_at = now


def _tried_before(
    session: Session, nas_client_id: int, account_id: int, device: str, now: datetime
) -> tuple[NetworkSession, GrantedSession] | None:
    """A beginning of the last moments that came to nothing: the page tries by itself again."""
    found = session.execute(
        _HELD.where(
            GrantedSession.nas_client_id == nas_client_id,
            GrantedSession.account_id == account_id,
            GrantedSession.device == device,
            GrantedSession.began_at > now - TRIED_FOR,
            NetworkSession.close_cause == CloseCause.NOT_LET_IN,
        ).limit(1)
    ).first()
    return (found[0], found[1]) if found is not None else None


def _at_device(
    session: Session, nas_client_id: int, device: str, now: datetime
) -> Sequence[tuple[NetworkSession, GrantedSession]]:
    """The sessions whose time goes on; they may have been closed, and go on again."""
    rows = session.execute(
        _HELD.where(
            GrantedSession.nas_client_id == nas_client_id,
            GrantedSession.device == device,
            GrantedSession.ends_at > now,
        )
    )
    return [(row, held) for row, held in rows]


def due(session: Session, now: datetime) -> Mapping[int, Sequence[Watched]]:
    """The sessions that are to be looked after now, by network device.

    Also those that have been closed while their time goes on: the device may be back.
    """
    rows = session.execute(
        select(GrantedSession, NetworkSession)
        .join(NetworkSession, NetworkSession.session_key == GrantedSession.session_key)
        .where(GrantedSession.next_look_at <= now, GrantedSession.ends_at > now)
        .order_by(GrantedSession.next_look_at)
        .limit(MOST_AT_ONCE)
    ).all()
    found: dict[int, list[Watched]] = {}
    for held, row in rows:
        found.setdefault(held.nas_client_id, []).append(
            Watched(
                session_key=held.session_key,
                device=held.device,
                acct_session_id=row.acct_session_id,
                user_name=row.user_name,
                mac=row.calling_station_id or "",
                began_at=row.started_at,
                last_known_at=held.seen_at or held.began_at,
            )
        )
    return found


def put_off(session: Session, now: datetime, watched: Sequence[Watched]) -> None:
    """Look at these again in a minute."""
    session.execute(
        update(GrantedSession)
        .where(GrantedSession.session_key.in_([one.session_key for one in watched]))
        .values(next_look_at=now + LOOK_EVERY)
        .execution_options(synchronize_session=False)
    )


def store_look(
    office: Office, nas: NasClient, watched: Sequence[Watched], listed: Mapping[str, Told]
) -> None:
    """Write what a controller's list says: who is on it, and who has been off it for long.

    Raises:
        BackendUnavailable: it is looked again.
    """
    now = office.clock()
    present = [one for one in watched if one.device in listed]
    store_reports(
        office, place_of(nas, _SOURCE), [_report(one, listed[one.device], now) for one in present]
    )
    absent = [
        one.session_key
        for one in watched
        if one.device not in listed and one.last_known_at <= now - ABSENT_AFTER
    ]
    with office.database.write() as session:
        put_off(session, now, watched)
        back = [one.session_key for one in present]
        _mark_seen(session, now, back)
        again = granted_time.unwanted(session, back)
        dynamic.request_disconnect(session, now, again, Cause.BACK_AGAIN)
        if absent:
            session.execute(
                update(NetworkSession)
                .where(NetworkSession.session_key.in_(absent), *dynamic.open_conditions())
                .values(closed_at=NetworkSession.last_heard_at, close_cause=CloseCause.NOT_ON_NAS)
                .execution_options(synchronize_session=False)
            )


def _mark_seen(session: Session, now: datetime, keys: Collection[str]) -> None:
    session.execute(
        update(GrantedSession)
        .where(GrantedSession.session_key.in_(keys))
        .values(seen_at=now)
        .execution_options(synchronize_session=False)
    )


def _report(one: Watched, told: Told, now: datetime) -> Reported:
    return Reported(
        acct_session_id=one.acct_session_id,
        user_name=one.user_name,
        mac=one.mac,
        ip=told.ip,
        seconds=max(1, int((now - one.began_at).total_seconds())),
        sent_octets=told.sent_octets,
        received_octets=told.received_octets,
        octets=told.octets,
    )


def close_over(session: Session, now: datetime) -> int:
    """Close the open sessions whose time is over, as of that moment; how many there were."""
    rows = session.execute(
        select(NetworkSession, GrantedSession)
        .join(GrantedSession, GrantedSession.session_key == NetworkSession.session_key)
        .where(GrantedSession.ends_at <= now, *dynamic.open_conditions())
        .limit(MOST_AT_ONCE)
    ).all()
    for row, held in rows:
        _close(row, held.ends_at, CloseCause.GRANT_OVER)
    return len(rows)


def _close(row: NetworkSession, at: datetime, cause: str) -> None:
    row.closed_at, row.close_cause = max(at, row.started_at), cause


def drop_old(session: Session, before: datetime) -> int:
    """Forget how sessions were known that were over before a moment; how many there were.

    Not of those that are on record here still, as under a hold: else a look-up would take them
    for certain to their end.
    """
    is_kept = exists().where(NetworkSession.session_key == GrantedSession.session_key)
    dropped = session.execute(
        delete(GrantedSession).where(GrantedSession.ends_at < before, ~is_kept)
    )
    return cast("CursorResult[Any]", dropped).rowcount


def is_order_due(session: Session, now: datetime) -> bool:
    """Whether a controller is to be called to end a session."""
    return outbox.is_due(session, now, called=True)


def claim_orders(session: Session, office: Office, node: str, limit: int) -> Sequence[Order]:
    """Sessions to end by a call, for this node alone until the lease ends."""
    return outbox.claim(session, office, node, limit, called=True)


def device_of(session: Session, session_key: str) -> str | None:
    """As its make names it; None of a session that is not known by a grant."""
    held = session.get(GrantedSession, session_key)
    return held.device if held is not None else None


def ended(session: Session, now: datetime, session_key: str) -> None:
    """Note that a controller lets the device in no longer: it is not looked after any more."""
    session.execute(
        update(GrantedSession)
        .where(GrantedSession.session_key == session_key, GrantedSession.ends_at > now)
        .values(ends_at=now)
        .execution_options(synchronize_session=False)
    )
