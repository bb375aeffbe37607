"""Whether somebody who has proven who they are may come in now: limits of the role."""

from __future__ import annotations

from identity.domain.access import Denied, Granted, Reason, Unavailable
from radius_server.process.questions import AccessRequest, FindOpenStations, Proof


def admit(request: AccessRequest, granted: Granted) -> Proof:
    """Hold the simultaneous limit of the role; the same station may always come back."""
    limit = granted.account.role.simultaneous
    if limit is None:
        return granted
    stations = yield FindOpenStations(granted.account.account_id)
    if isinstance(stations, Unavailable):
        return stations
    if len(stations) >= limit and request.station not in stations:
        return Denied(Reason.SIMULTANEOUS, granted.method, granted.account.account_id)
    return granted
