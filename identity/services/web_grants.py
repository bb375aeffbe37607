"""Grants of central web authentication beside the sessions they belong to: ended, and asked about.

Laying and taking them is identity.services.central.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from common.net import find_mac
from db.models import CoaRequest, NetworkSession, WebGrant

SUBJECT = "web-grant:"
"""Begins `coa_request.session_key` where no session is on record; the grant's number follows."""

_MACS_A_QUERY = 500


def end(session: Session, now: datetime, rows: Iterable[NetworkSession]) -> None:
    """Let no device of these sessions come back without the portal.

    Called where a session is to be ended: the controller may ask for the device again at once.
    """
    if session.scalar(select(WebGrant.id).where(WebGrant.ended_at.is_(None)).limit(1)) is None:
        return  # as at every site without such a controller
    stations: dict[int, set[str]] = {}
    for row in rows:
        mac = find_mac(row.calling_station_id or "")
        if mac is not None:
            stations.setdefault(row.nas_client_id, set()).add(mac)
    for nas_client_id, macs in stations.items():
        ordered = sorted(macs)
        for start in range(0, len(ordered), _MACS_A_QUERY):
            _end(session, now, nas_client_id, ordered[start : start + _MACS_A_QUERY])


def _end(session: Session, now: datetime, nas_client_id: int, macs: Collection[str]) -> None:
    session.execute(
        update(WebGrant)
        .where(
            WebGrant.nas_client_id == nas_client_id,
            WebGrant.mac.in_(macs),
            WebGrant.ended_at.is_(None),
        )
        .values(ended_at=now)
        .execution_options(synchronize_session=False)
    )


def of_request(session: Session, request: CoaRequest) -> WebGrant | None:
    """The grant that a request is about; None when it has been used or has ended."""
    number = request.session_key.removeprefix(SUBJECT)
    if number == request.session_key:
        return None
    grant = session.get(WebGrant, int(number))
    if grant is None or grant.used_at is not None or grant.ended_at is not None:
        return None
    return grant
