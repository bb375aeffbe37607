"""Somebody's own sessions, as they may read them, and ending one elsewhere.

Own are those of the account and of the devices it answers for; whatever key is named, nobody
else's is told of or touched. Older ones are in the archive, which the portal does not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused
from common.net import find_mac, split_called_station_id
from db.models import Account, AddressInterval, CoaRequest, NasClient, NetworkSession
from identity.domain.dynamic import Cause, Kind, State
from identity.domain.sessions import CloseCause, ended_at
from identity.office import Office
from identity.services import audit, dynamic, granted_time, outbox
from identity.services.session_states import session_state


class Ended(StrEnum):
    """How a session ended, as far as its owner is concerned."""

    OPEN = "open"
    BY_DEVICE = "by_device"
    """The device left, or lost the network."""
    IDLE = "idle"
    TIME_UP = "time_up"
    BY_NETWORK = "by_network"
    """Somebody was told to: its owner, an officer, a rule."""
    EQUIPMENT = "equipment"
    MOVED = "moved"
    UNHEARD = "unheard"
    """No end was reported; it is taken to have ended when it was last heard of."""
    UNKNOWN = "unknown"


SHOWN_DAYS = timedelta(days=7)
"""So long the database keeps what is over; what is older lies in the archive."""

_BY_CAUSE = {
    1: Ended.BY_DEVICE, 2: Ended.BY_DEVICE, 3: Ended.BY_DEVICE, 4: Ended.IDLE, 5: Ended.TIME_UP,
    6: Ended.BY_NETWORK, 7: Ended.EQUIPMENT, 8: Ended.EQUIPMENT, 9: Ended.EQUIPMENT,
    10: Ended.EQUIPMENT, 11: Ended.EQUIPMENT, 15: Ended.EQUIPMENT, 18: Ended.BY_DEVICE,
    19: Ended.MOVED, 20: Ended.MOVED, 21: Ended.EQUIPMENT, 22: Ended.EQUIPMENT,
}  # fmt: skip
"""Acct-Terminate-Cause, RFC 2866 section 5.10 and RFC 3580 section 2."""

_BY_CLOSING = {
    CloseCause.NAS_RESTARTED: Ended.EQUIPMENT,
    CloseCause.SILENT: Ended.UNHEARD,
    CloseCause.DISCONNECTED: Ended.BY_NETWORK,
    CloseCause.NOT_ON_NAS: Ended.UNHEARD,
    CloseCause.GRANT_OVER: Ended.TIME_UP,
    CloseCause.NOT_LET_IN: Ended.EQUIPMENT,
}


_WORTH_TELLING = {
    False: frozenset(State) - {State.SUPERSEDED},
    # Equipment that knew of no such session refuses, and is right: the session is over.
    True: frozenset({State.ACKED}),
}
"""What came of a wish to end a session: of one that goes on, and of one that is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSession:
    """One session of the reader's own."""

    session_key: str
    mac: str
    nas: str
    school: str
    ssid: str
    addresses: tuple[str, ...]
    started_at: datetime
    until: datetime | None
    ended: Ended
    input_octets: int
    """From the device."""
    output_octets: int
    asked: State | None
    """What came of the newest wish to end it, while that says anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneDevice:
    """The one device whose sessions are its holder's, where several people share an account."""

    session_key: str
    """Of its open session."""
    mac: str
    """Empty when the network has not told it."""

    def covers(self, session_key: str, mac: str) -> bool:
        """Whether a session is this device's; `mac` as accounting wrote it."""
        if session_key == self.session_key:
            return True
        return bool(self.mac) and find_mac(mac) == self.mac


def _of_own(
    session: Session, account_id: int, only: OneDevice | None = None
) -> ColumnElement[bool]:
    """Holds for sessions of this account and of the devices it answers for.

    Numbers and no subquery, so that the index on the account is used.
    """
    devices = session.scalars(select(Account.id).where(Account.owner_id == account_id))
    own = NetworkSession.account_id.in_([account_id, *devices])
    if only is None:
        return own
    is_its = NetworkSession.session_key == only.session_key
    if only.mac:
        is_its = or_(is_its, NetworkSession.calling_station_id == only.mac)
    return and_(own, is_its)


def list_own(
    session: Session,
    account_id: int,
    since: datetime,
    limit: int = 100,
    only: OneDevice | None = None,
) -> Sequence[OwnSession]:
    """The open ones, then those heard of since that moment; each part the newest first."""
    is_open = and_(*dynamic.open_conditions())
    rows = session.scalars(
        select(NetworkSession)
        .where(
            _of_own(session, account_id, only),
            or_(is_open, NetworkSession.last_heard_at >= since),
        )
        .order_by(is_open.desc(), NetworkSession.first_heard_at.desc())
        .limit(limit)
    ).all()
    keys = [row.session_key for row in rows]
    addresses: dict[str, dict[str, None]] = {}
    for key, address in session.execute(
        select(AddressInterval.session_key, AddressInterval.address)
        .where(AddressInterval.session_key.in_(keys))
        .order_by(AddressInterval.from_at)
    ):
        addresses.setdefault(key, {})[address] = None
    numbers = {row.nas_client_id for row in rows}
    places = {
        nas.id: nas for nas in session.scalars(select(NasClient).where(NasClient.id.in_(numbers)))
    }
    asked = outbox.latest_requests(session, keys)
    return [
        _view(
            row,
            places.get(row.nas_client_id),
            tuple(addresses.get(row.session_key, ())),
            asked.get(row.session_key),
        )
        for row in rows
    ]


def end_own(
    session: Session,
    office: Office,
    account: Account,
    session_key: str,
    only: OneDevice | None = None,
) -> int:
    """Let one of the own sessions end because its owner says so; the number of the request.

    Raises:
        NotFound: there is no such session, or it is somebody else's.
        Refused: it has ended.
    """
    row = session.scalar(
        select(NetworkSession).where(
            NetworkSession.session_key == session_key, _of_own(session, account.id, only)
        )
    )
    if row is None:
        raise NotFound("there is no such session of this account")
    if row.stop_seen or row.closed_at is not None:
        raise Refused("this session has ended already")
    now = office.clock()
    dynamic.request_disconnect(session, now, [row], Cause.OWNER, account.username)
    audit.record(
        session,
        now,
        account.username,
        "session:disconnect_requested",
        session_key,
        user=row.user_name,
        note="by its owner",
    )
    return session.scalars(
        select(CoaRequest.id).where(
            CoaRequest.session_key == session_key,
            CoaRequest.state == State.QUEUED,
            CoaRequest.kind == Kind.DISCONNECT,
        )
    ).one()


def end_others(session: Session, office: Office, account: Account, kept: str | None) -> int:
    """Let every open session of the account end but `kept`; how many were asked for.

    Also those whose device sleeps and would be let in again.
    """
    now = office.clock()
    others = (
        NetworkSession.account_id == account.id,
        NetworkSession.session_key != (kept or ""),
    )
    awake = session.scalars(select(NetworkSession).where(*others, *dynamic.open_conditions())).all()
    rows = [*awake, *granted_time.asleep(session, now, *others)]
    return dynamic.request_disconnect(session, now, rows, Cause.OWNER, account.username)


def _view(
    row: NetworkSession,
    nas: NasClient | None,
    addresses: tuple[str, ...],
    asked: CoaRequest | None,
) -> OwnSession:
    mac = find_mac(row.calling_station_id or "")
    _access_point, ssid = split_called_station_id(row.called_station_id or "")
    until = ended_at(session_state(row), row.closed_at)
    state = State(asked.state) if asked is not None and asked.kind == Kind.DISCONNECT else None
    return OwnSession(
        session_key=row.session_key,
        mac=mac or row.calling_station_id or "",
        nas=nas.name if nas is not None else "",
        school=nas.organisation.name if nas is not None and nas.organisation else "",
        ssid=ssid,
        addresses=addresses,
        started_at=row.started_at,
        until=until,
        ended=_how(row) if until is not None else Ended.OPEN,
        input_octets=row.input_octets,
        output_octets=row.output_octets,
        asked=state if state in _WORTH_TELLING[until is not None] else None,
    )


def _how(row: NetworkSession) -> Ended:
    if row.stop_seen:
        return _BY_CAUSE.get(row.terminate_cause or 0, Ended.UNKNOWN)
    return _BY_CLOSING.get(row.close_cause or "", Ended.UNKNOWN)
