"""A session joined from its accounting events, in any order, with duplicates and losses.

Every field merges by a join that is commutative, associative and idempotent (minimum,
maximum, or), so the order in which packets arrive cannot change the result. The SQL of
db.ledger does the same joins; a contract test holds the two together.

The NAS's own stopwatch (Acct-Session-Time) carries the shape of the session and our
receive time carries the date: started_at = min(received - Acct-Delay-Time -
Acct-Session-Time). A delayed or repeated packet can only be later, so the minimum is the
truest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import TypeVar

INTERIM_SECONDS = 300
"""Acct-Interim-Interval as we ask for it: how far an address interval may lag; RFC 2869
section 5.16 wants at least 60."""

UNHEARD_AFTER = timedelta(hours=24)
"""For a NAS that never sent an interim update: its silence says nothing before the stop."""

NEIGHBOUR = "neighbour"
"""Source of an address that a gateway tells while its device has it and may send from it."""

_TOLD = ("report", NEIGHBOUR)
"""Sources of one and the same report: the latest moment of any is when the last was kept."""

NEIGHBOUR_SECONDS = 120
"""How long after it was told last a device may have sent from such an address: a report is kept
once a minute, and the rules of an agent that dies last a minute where it reports every ten
seconds, which is the most seldom."""

_Value = TypeVar("_Value", int, str, datetime)


class StatusType(IntEnum):
    """Acct-Status-Type, RFC 2866 section 5.1."""

    START = 1
    STOP = 2
    INTERIM = 3
    ON = 7
    OFF = 8


class CloseCause:
    """Why a session without a stop was closed."""

    NAS_RESTARTED = "nas_restarted"
    SILENT = "silent"
    DISCONNECTED = "disconnected"
    """The NAS acknowledged a Disconnect-Request (RFC 5176)."""
    NOT_ON_NAS = "not_on_nas"
    """The NAS said that it knows no such session."""
    GRANT_OVER = "granted_time_over"
    """The time is over for which a controller was told to let the device in."""
    GRANTED_ANEW = "granted_to_another"
    """Somebody else was let in on the same device."""
    NOT_LET_IN = "not_let_in"
    """It was put on record, and the network then did not let the device in."""


def session_key(nas: str, acct_session_id: str, user_name: str, calling_station_id: str) -> str:
    """The key of a session, 32 hex digits.

    Acct-Session-Id alone is unique only on one NAS and only until it restarts (RFC 2866
    section 5.5), so the user and the station are part of it.
    """
    text = "\0".join((nas, acct_session_id, user_name, calling_station_id))
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


@dataclass(slots=True, kw_only=True)
class SessionState:
    """What is known of one session; see db.models.NetworkSession for the fields.

    Immutable by agreement, as AddressState is: one of each is made for every accounting
    packet, and a frozen dataclass takes three times as long to make.
    """

    session_key: str
    nas_client_id: int
    nas_identity: str = ""
    acct_session_id: str
    user_name: str
    account_id: int | None = None
    session_ref: str | None = None
    calling_station_id: str | None = None
    called_station_id: str | None = None
    nas_port: str | None = None
    started_at: datetime
    last_heard_at: datetime
    session_seconds: int = 0
    stop_seen: int = 0
    stop_at: datetime | None = None
    terminate_cause: int | None = None
    input_octets: int = 0
    output_octets: int = 0


@dataclass(slots=True, kw_only=True)
class AddressState:
    """What is known of one address of one session."""

    session_key: str
    address: str
    source: str = "radius"
    from_at: datetime
    to_at: datetime
    first_offset_seconds: int | None = None
    last_offset_seconds: int | None = None


def join_sessions(left: SessionState, right: SessionState) -> SessionState:
    """The session known from both; same key on both sides.

    Texts that only some packets carry are joined by maximum, which prefers any to none.
    The owner is joined with the login reference: what Class says outweighs what a user name
    suggests, which may be somebody else's (an outer EAP identity).
    """
    account_id, session_ref = join_owners(
        (left.account_id, left.session_ref), (right.account_id, right.session_ref)
    )
    return replace(
        left,
        account_id=account_id,
        session_ref=session_ref,
        called_station_id=_most(left.called_station_id, right.called_station_id),
        nas_port=_most(left.nas_port, right.nas_port),
        started_at=min(left.started_at, right.started_at),
        last_heard_at=max(left.last_heard_at, right.last_heard_at),
        session_seconds=max(left.session_seconds, right.session_seconds),
        stop_seen=max(left.stop_seen, right.stop_seen),
        stop_at=_least(left.stop_at, right.stop_at),
        terminate_cause=_most(left.terminate_cause, right.terminate_cause),
        input_octets=max(left.input_octets, right.input_octets),
        output_octets=max(left.output_octets, right.output_octets),
    )


Owner = tuple[int | None, str | None]
"""Account, and the reference of the login that granted the session (from Class)."""


def join_owners(left: Owner, right: Owner) -> Owner:
    """The owner with the greater reference, none being least; then the greater account."""
    return max(left, right, key=lambda owner: (owner[1] or "", owner[0] or 0))


def join_addresses(left: AddressState, right: AddressState) -> AddressState:
    """The address span known from both; same session, address and source on both sides."""
    return replace(
        left,
        from_at=min(left.from_at, right.from_at),
        to_at=max(left.to_at, right.to_at),
        first_offset_seconds=_least(left.first_offset_seconds, right.first_offset_seconds),
        last_offset_seconds=_most(left.last_offset_seconds, right.last_offset_seconds),
    )


def ended_at(session: SessionState, closed_at: datetime | None = None) -> datetime | None:
    """When the session ended, or None while it is open.

    A stop that was resent late says its true end by its Acct-Session-Time; one second is
    added because that time is in whole seconds.
    """
    if session.stop_seen:
        by_receipt = session.stop_at or session.last_heard_at
        if session.session_seconds:
            by_stopwatch = session.started_at + timedelta(seconds=session.session_seconds + 1)
            return min(by_receipt, by_stopwatch)
        return max(by_receipt, session.started_at)
    if closed_at is not None:
        return max(closed_at, session.started_at)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressSpan:
    """Who had an address, from when to when; `to_at` is None while the session is open."""

    session_key: str
    address: str
    source: str
    from_at: datetime
    to_at: datetime | None


def address_spans(
    session: SessionState,
    addresses: Iterable[AddressState],
    closed_at: datetime | None = None,
) -> Sequence[AddressSpan]:
    """The spans of a session's addresses, cut where the next address of its family begins.

    The first address of a family reaches back to the start of the session: a phone has it
    before the first interim update tells. An address is held until the next one of the
    same family and source is seen, or until the session ends. IPv6 hosts have
    several addresses at once, so IPv6 spans are never cut by one another. What a gateway tells
    of its neighbours is no more than that: from when it was told first, to soon after it was
    told last.
    """
    end = ended_at(session, closed_at)
    spans: list[AddressSpan] = []
    v4: dict[str, list[tuple[datetime, datetime, AddressState]]] = {}
    addresses = tuple(addresses)
    kept_at = max((one.to_at for one in addresses if one.source in _TOLD), default=None)
    for state in addresses:
        if state.source == NEIGHBOUR:
            spans.append(_neighbour_span(state, kept_at, end))
            continue
        # Both tell no earlier than it was; packets without a stopwatch have only the one.
        by_stopwatch = _moment(session, state.first_offset_seconds, state.from_at)
        first = min(state.from_at, by_stopwatch)
        last = max(first, _moment(session, state.last_offset_seconds, state.to_at))
        if ":" in state.address:
            spans.append(_span(state, session.started_at, end))
        else:
            v4.setdefault(state.source, []).append((first, last, state))
    for held in v4.values():
        held.sort(key=lambda item: (item[0], item[2].address))
        latest = max(last for _, last, _ in held)
        for index, (first, last, state) in enumerate(held):
            begin = session.started_at if index == 0 else first
            following = held[index + 1][0] if index + 1 < len(held) else None
            # The same address may come back after another: its last evidence counts too, and
            # whichever was seen last is held on.
            if last == latest:
                following = None
            until = end if following is None else max(following, last)
            if end is not None and until is not None:
                until = min(until, end)
            spans.append(_span(state, min(begin, first), until))
    return spans


def _neighbour_span(
    state: AddressState, kept_at: datetime | None, end: datetime | None
) -> AddressSpan:
    """By our own clock: nothing passes from it before it is on record."""
    if kept_at is None or state.to_at >= kept_at:
        return _span(state, state.from_at, end)  # the last report has it
    until = state.to_at + timedelta(seconds=NEIGHBOUR_SECONDS)
    return _span(state, state.from_at, until if end is None else min(until, end))


def _span(state: AddressState, begin: datetime, until: datetime | None) -> AddressSpan:
    if until is not None and until < begin:
        until = begin
    return AddressSpan(
        session_key=state.session_key,
        address=state.address,
        source=state.source,
        from_at=begin,
        to_at=until,
    )


def _moment(session: SessionState, offset: int | None, seen: datetime) -> datetime:
    if offset is None:
        return seen
    return session.started_at + timedelta(seconds=offset)


def _least(left: _Value | None, right: _Value | None) -> _Value | None:
    if left is None or right is None:
        return right if left is None else left
    return min(left, right)


def _most(left: _Value | None, right: _Value | None) -> _Value | None:
    if left is None or right is None:
        return right if left is None else left
    return max(left, right)
