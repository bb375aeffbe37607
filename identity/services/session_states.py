"""Rows of sessions and addresses as values; apart, so that a look-up loads nothing else."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_

from db.models import AddressInterval, NetworkSession
from identity.domain.sessions import UNHEARD_AFTER, AddressState, SessionState


def may_have_lasted_to(moment: datetime) -> ColumnElement[bool]:
    """Rows of sessions that may still have been open then, whenever they were last heard of.

    One that was closed unheard may have gone on until its silence was believed, and equipment that
    reports beginnings and ends alone is not heard of meanwhile.
    """
    return or_(
        and_(NetworkSession.stop_seen == 0, NetworkSession.closed_at.is_(None)),
        NetworkSession.stop_at >= moment,
        NetworkSession.closed_at >= moment - UNHEARD_AFTER,
        NetworkSession.last_heard_at >= moment,
    )


def session_state(row: NetworkSession) -> SessionState:
    """The row as the value that identity.domain.sessions reasons about."""
    return SessionState(
        session_key=row.session_key,
        nas_client_id=row.nas_client_id,
        acct_session_id=row.acct_session_id,
        user_name=row.user_name,
        account_id=row.account_id,
        session_ref=row.session_ref,
        calling_station_id=row.calling_station_id,
        called_station_id=row.called_station_id,
        nas_port=row.nas_port,
        started_at=row.started_at,
        last_heard_at=row.last_heard_at,
        session_seconds=row.session_seconds,
        stop_seen=row.stop_seen,
        stop_at=row.stop_at,
        terminate_cause=row.terminate_cause,
        input_octets=row.input_octets,
        output_octets=row.output_octets,
    )


def address_state(row: AddressInterval) -> AddressState:
    """The row as the value that identity.domain.sessions reasons about."""
    return AddressState(
        session_key=row.session_key,
        address=row.address,
        source=row.source,
        from_at=row.from_at,
        to_at=row.to_at,
        first_offset_seconds=row.first_offset_seconds,
        last_offset_seconds=row.last_offset_seconds,
    )
