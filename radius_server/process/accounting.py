"""One Accounting-Request as values: the event, its session and its addresses. RFC 2866."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from common.errors import MalformedPacket
from common.net import find_mac
from identity.domain.sessions import AddressState, SessionState, StatusType, session_key
from radius_server.packet.codes import Attribute
from radius_server.packet.packet import Packet

_SESSION_STATUSES = frozenset({StatusType.START, StatusType.STOP, StatusType.INTERIM})
_MAXIMUM_DELAY_SECONDS = 7 * 86400
"""A NAS that claims to have queued a packet longer than this has a broken clock."""


_MAXIMUM_SESSION_SECONDS = 400 * 86400
"""Acct-Session-Time beyond this is a broken stopwatch and is ignored."""

_MAXIMUM_OCTETS = 2**63 - 1
"""What a database integer holds; 2**64 - 1 on the wire is a broken counter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountingRecord:
    """What one packet says. `session` is None for On, Off and unknown status types."""

    status_type: int
    occurred_at: datetime
    """Our receive time less Acct-Delay-Time."""
    user_name: str | None
    calling_station_id: str | None
    nas_identity: str
    event_timestamp: datetime | None
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
    status_type = packet.integer(Attribute.ACCT_STATUS_TYPE)
    if status_type is None:
        raise MalformedPacket("no Acct-Status-Type")
    delay = packet.integer(Attribute.ACCT_DELAY_TIME) or 0
    at = (
        received_at - timedelta(seconds=delay)
        if 0 < delay < _MAXIMUM_DELAY_SECONDS
        else received_at
    )
    user_name = packet.text(Attribute.USER_NAME)
    station = packet.text(Attribute.CALLING_STATION_ID)
    if station is not None:
        station = find_mac(station) or station
    seconds = packet.integer(Attribute.ACCT_SESSION_TIME)
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
    stamp = packet.integer(Attribute.EVENT_TIMESTAMP)
    return AccountingRecord(
        status_type=status_type,
        occurred_at=at,
        user_name=user_name,
        calling_station_id=station,
        nas_identity=nas_identity,
        event_timestamp=None if stamp is None else datetime.fromtimestamp(stamp, UTC),
        session_seconds=seconds,
        session=session,
        addresses=addresses,
        class_values=tuple(packet.all(Attribute.CLASS)) if Attribute.CLASS in packet.values else (),
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
    acct_session_id = packet.text(Attribute.ACCT_SESSION_ID)
    if not acct_session_id:
        raise MalformedPacket("no Acct-Session-Id")
    stopped = status_type == StatusType.STOP
    port = packet.text(Attribute.NAS_PORT_ID)
    if port is None and Attribute.NAS_PORT in packet.values:
        port = str(packet.integer(Attribute.NAS_PORT))
    nas, station = f"{facts.nas_client_id}/{facts.nas_identity}", facts.station
    return SessionState(
        session_key=session_key(nas, acct_session_id, facts.user_name, station or ""),
        nas_client_id=facts.nas_client_id,
        nas_identity=facts.nas_identity,
        acct_session_id=acct_session_id,
        user_name=facts.user_name,
        calling_station_id=station,
        called_station_id=packet.text(Attribute.CALLED_STATION_ID),
        nas_port=port,
        started_at=facts.at - timedelta(seconds=facts.seconds),
        last_heard_at=facts.received_at,
        session_seconds=facts.seconds,
        stop_seen=int(stopped),
        stop_at=facts.at if stopped else None,
        terminate_cause=packet.integer(Attribute.ACCT_TERMINATE_CAUSE),
        input_octets=_octets(packet, Attribute.ACCT_INPUT_OCTETS, Attribute.ACCT_INPUT_GIGAWORDS),
        output_octets=_octets(
            packet, Attribute.ACCT_OUTPUT_OCTETS, Attribute.ACCT_OUTPUT_GIGAWORDS
        ),
    )


def _addresses(
    packet: Packet, key: str, status_type: int, at: datetime, seconds: int | None
) -> tuple[AddressState, ...]:
    # A start is offset 0 by definition; an interim update without a stopwatch has no offset.
    offset = 0 if seconds is None and status_type == StatusType.START else seconds
    return tuple(
        AddressState(
            session_key=key,
            address=address,
            from_at=at,
            to_at=at,
            first_offset_seconds=offset,
            last_offset_seconds=offset,
        )
        for address in packet.addresses()
    )


def _octets(packet: Packet, low: Attribute, high: Attribute) -> int:
    """A counter with its gigawords, RFC 2869 sections 5.1 and 5.2."""
    total = (packet.integer(low) or 0) + ((packet.integer(high) or 0) << 32)
    return min(total, _MAXIMUM_OCTETS)


def _nas_identity(packet: Packet) -> str:
    """Which device behind the source address: NAS-Identifier, else its own address."""
    name = packet.text(Attribute.NAS_IDENTIFIER)
    if name:
        return name
    own = packet.values.get(Attribute.NAS_IP_ADDRESS) or packet.values.get(
        Attribute.NAS_IPV6_ADDRESS
    )
    return own.hex() if own else ""
