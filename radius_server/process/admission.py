"""Whether somebody who has proven who they are may come in now: limits of the role."""

from __future__ import annotations

from identity.domain.access import Denied, Granted, Method, Reason, Unavailable
from identity.domain.limits import hold
from identity.domain.quota import has_quota
from radius_server.process.known_secrets import as_of_now
from radius_server.process.questions import AccessRequest, FindOpenStations, FindUsage, Proof


def admit(request: AccessRequest, granted: Granted) -> Proof:
    """Hold hours, quotas and the simultaneous limit; the same station may always come back."""
    if request.no_room:
        held = yield from _without_room(request, granted)
        if not isinstance(held, Granted):
            return held
    role = granted.account.role
    if role.hours is not None or has_quota(role):
        held = yield from within_limits(request, granted)
        if not isinstance(held, Granted):
            return held
        granted = held
    if role.simultaneous is None:
        return granted
    stations = yield FindOpenStations(granted.account.account_id)
    if isinstance(stations, Unavailable):
        return stations
    if len(stations) >= role.simultaneous and request.station not in stations:
        return Denied(Reason.SIMULTANEOUS, granted.method, granted.account.account_id)
    return granted


def within_limits(request: AccessRequest, granted: Granted) -> Proof:
    """Hold the hours and quotas of the role alone, as for a device that nobody shares."""
    if request.no_room:
        held = yield from _without_room(request, granted)
        if not isinstance(held, Granted):
            return held
    role = granted.account.role
    counted = has_quota(role)
    if role.hours is None and not counted:
        return granted
    usage = yield FindUsage(granted.account.account_id, counted)
    if isinstance(usage, Unavailable):
        return usage
    return hold(granted, usage.days, request.now, usage.zone)


def _without_room(request: AccessRequest, granted: Granted) -> Proof:
    """Let in only who is in already: records of a new session could not be kept."""
    stations = yield FindOpenStations(granted.account.account_id)
    if isinstance(stations, Unavailable):
        return stations
    if request.station is not None and request.station in stations:
        return granted
    return Denied(Reason.DISK_FULL, granted.method, granted.account.account_id)


def confirm(request: AccessRequest, granted: Granted) -> Proof:
    """The same login on the account as it is by now, with all its limits."""
    decision = yield from as_of_now(request, granted)
    if not isinstance(decision, Granted):
        return decision
    if granted.method is Method.MAC:
        return (yield from within_limits(request, decision))
    return (yield from admit(request, decision))
