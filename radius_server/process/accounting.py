"""One Accounting-Request as values: the event, its session and its addresses. RFC 2866."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from common.errors import MalformedPacket
from common.net import find_mac
from identity.domain.sessions import AddressState, SessionState, StatusType, session_key
from radius_server.packet.codes import Attribute
from radius_server.packet.packet import Packet

# Plain integers: looking a member up and comparing it costs three times as much, and this
# is done some twenty times for every packet.
_ACCT_STATUS_TYPE = int(Attribute.ACCT_STATUS_TYPE)
_ACCT_DELAY_TIME = int(Attribute.ACCT_DELAY_TIME)
_USER_NAME = int(Attribute.USER_NAME)
_CALLING_STATION_ID = int(Attribute.CALLING_STATION_ID)
_CALLED_STATION_ID = int(Attribute.CALLED_STATION_ID)
_ACCT_SESSION_TIME = int(Attribute.ACCT_SESSION_TIME)
_EVENT_TIMESTAMP = int(Attribute.EVENT_TIMESTAMP)
_CLASS = int(Attribute.CLASS)
_ACCT_SESSION_ID = int(Attribute.ACCT_SESSION_ID)
_NAS_PORT_ID = int(Attribute.NAS_PORT_ID)
_NAS_PORT = int(Attribute.NAS_PORT)
_NAS_IDENTIFIER = int(Attribute.NAS_IDENTIFIER)
_ACCT_TERMINATE_CAUSE = int(Attribute.ACCT_TERMINATE_CAUSE)
_ACCT_INPUT_OCTETS = int(Attribute.ACCT_INPUT_OCTETS)
_ACCT_INPUT_GIGAWORDS = int(Attribute.ACCT_INPUT_GIGAWORDS)
_ACCT_OUTPUT_OCTETS = int(Attribute.ACCT_OUTPUT_OCTETS)
_ACCT_OUTPUT_GIGAWORDS = int(Attribute.ACCT_OUTPUT_GIGAWORDS)
_START, _STOP = int(StatusType.START), int(StatusType.STOP)
_SESSION_STATUSES = frozenset({_START, _STOP, int(StatusType.INTERIM)})
_MAXIMUM_DELAY_SECONDS = 7 * 86400
"""A NAS that claims to have queued a packet longer than this has a broken clock."""


_MAXIMUM_SESSION_SECONDS = 400 * 86400
"""Acct-Session-Time beyond this is a broken stopwatch and is ignored."""

_MAXIMUM_OCTETS = 2**63 - 1
"""What a database integer holds; 2**64 - 1 on the wire is a broken counter."""


@dataclass(slots=True)
class AccountingRecord:
    """What one packet says. `session` is None for On, Off and unknown status types."""

    status_type: int
    occurred_at: datetime
    """Our receive time less Acct-Delay-Time."""
    user_name: str | None
    calling_station_id: str | None
    nas_identity: str
    event_timestamp: int | None
    """Event-Timestamp, seconds since 1970-01-01 UTC; RFC 2869 section 5.3."""
    session_seconds: int | None
    session: SessionState | None
    addresses: tuple[AddressState, ...] = ()
    class_values: tuple[bytes, ...] = ()

    @property
    def is_boot(self) -> bool:
        """Whether the NAS says that it starts or stops accounting, RFC 2866 section 5.1."""
        return self.status_type in (StatusType.ON, StatusType.OFF)


def read(packet: Packet, nas_client_id: int, received_at: datetime) -> AccountingRecord:
    """Read a packet whose authenticator has been verified.

    Raises:
        MalformedPacket: Acct-Status-Type is missing, or Acct-Session-Id is missing where
            RFC 2866 section 5.5 demands it, or a number has a wrong length.
    """
    integer, text = packet.integer, packet.text
    status_type = integer(_ACCT_STATUS_TYPE)
    if status_type is None:
        raise MalformedPacket("no Acct-Status-Type")
    delay = integer(_ACCT_DELAY_TIME) or 0
    at = (
        received_at - timedelta(seconds=delay)
        if 0 < delay < _MAXIMUM_DELAY_SECONDS
        else received_at
    )
    user_name = text(_USER_NAME)
    station = text(_CALLING_STATION_ID)
    if station is not None:
        station = find_mac(station) or station
    seconds = integer(_ACCT_SESSION_TIME)
    if seconds is not None and seconds > _MAXIMUM_SESSION_SECONDS:
        seconds = None
    nas_identity = _nas_identity(packet)
    session: SessionState | None = None
    addresses: tuple[AddressState, ...] = ()
    if status_type in _SESSION_STATUSES:
        facts = _Facts(
            nas_client_id, nas_identity, user_name or "", station, at, received_at, seconds or 0
        )
        session = _session(packet, status_type, facts)
        addresses = _addresses(packet, session.session_key, status_type, at, seconds)
    return AccountingRecord(
        status_type,
        at,
        user_name,
        station,
        nas_identity,
        integer(_EVENT_TIMESTAMP),
        seconds,
        session,
        addresses,
        tuple(packet.all(_CLASS)) if _CLASS in packet.values else (),
    )


class _Facts(NamedTuple):
    """What `read` has found out before it makes a session."""

    nas_client_id: int
    nas_identity: str
    user_name: str
    station: str | None
    at: datetime
    received_at: datetime
    seconds: int


def _session(packet: Packet, status_type: int, facts: _Facts) -> SessionState:
    integer, text = packet.integer, packet.text
    nas_client_id, nas_identity, user_name, station, at, received_at, seconds = facts
    acct_session_id = text(_ACCT_SESSION_ID)
    if not acct_session_id:
        raise MalformedPacket("no Acct-Session-Id")
    stopped = status_type == _STOP
    port = text(_NAS_PORT_ID)
    if port is None and _NAS_PORT in packet.values:
        port = str(integer(_NAS_PORT))
    key = session_key(f"{nas_client_id}/{nas_identity}", acct_session_id, user_name, station or "")
    return SessionState(
        session_key=key,
        nas_client_id=nas_client_id,
        nas_identity=nas_identity,
        acct_session_id=acct_session_id,
        user_name=user_name,
        calling_station_id=station,
        called_station_id=text(_CALLED_STATION_ID),
        nas_port=port,
        started_at=at - timedelta(seconds=seconds) if seconds else at,
        last_heard_at=received_at,
        session_seconds=seconds,
        stop_seen=int(stopped),
        stop_at=at if stopped else None,
        terminate_cause=integer(_ACCT_TERMINATE_CAUSE),
        input_octets=_octets(packet, _ACCT_INPUT_OCTETS, _ACCT_INPUT_GIGAWORDS),
        output_octets=_octets(packet, _ACCT_OUTPUT_OCTETS, _ACCT_OUTPUT_GIGAWORDS),
    )


def _addresses(
    packet: Packet, key: str, status_type: int, at: datetime, seconds: int | None
) -> tuple[AddressState, ...]:
    # A start is offset 0 by definition; an interim update without a stopwatch has no offset.
    offset = 0 if seconds is None and status_type == _START else seconds
    return tuple(
        [
            AddressState(
                session_key=key,
                address=address,
                from_at=at,
                to_at=at,
                first_offset_seconds=offset,
                last_offset_seconds=offset,
            )
            for address in packet.addresses()
        ]
    )


def _octets(packet: Packet, low: int, high: int) -> int:
    """A counter with its gigawords, RFC 2869 sections 5.1 and 5.2."""
    total = packet.integer(low) or 0
    if high in packet.values:
        total = min(total + ((packet.integer(high) or 0) << 32), _MAXIMUM_OCTETS)
    return total


def _nas_identity(packet: Packet) -> str:
    """Which device behind the source address: NAS-Identifier, else its own address."""
    name = packet.text(_NAS_IDENTIFIER)
    if name:
        return name
    own = packet.values.get(Attribute.NAS_IP_ADDRESS) or packet.values.get(
        Attribute.NAS_IPV6_ADDRESS
    )
    return own.hex() if own else ""
