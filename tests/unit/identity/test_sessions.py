"""Sessions and address spans from accounting in any order."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce

from hypothesis import given, settings
from hypothesis import strategies as st

from identity.domain.sessions import (
    AddressSpan,
    AddressState,
    SessionState,
    StatusType,
    address_spans,
    ended_at,
    join_addresses,
    join_sessions,
)

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
STEP = 300


def _at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Event:
    """One accounting packet of a session, as sent at `offset` and received `late` seconds after."""

    def __init__(self, kind: StatusType, offset: int, address: str | None, late: float) -> None:
        received = _at(offset + late)
        self.session = SessionState(
            session_key="k",
            nas_client_id=1,
            acct_session_id="1",
            user_name="u",
            started_at=received - timedelta(seconds=offset),
            last_heard_at=received,
            session_seconds=offset,
            stop_seen=int(kind is StatusType.STOP),
            stop_at=received if kind is StatusType.STOP else None,
        )
        self.address = address and AddressState(
            session_key="k",
            address=address,
            from_at=received,
            to_at=received,
            first_offset_seconds=offset,
            last_offset_seconds=offset,
        )


def _spans(events: list[Event]) -> tuple[SessionState, dict[str, AddressSpan]]:
    session = reduce(join_sessions, (event.session for event in events))
    held: dict[str, AddressState] = {}
    for event in events:
        if event.address:
            known = held.get(event.address.address)
            held[event.address.address] = (
                join_addresses(known, event.address) if known else event.address
            )
    return session, {span.address: span for span in address_spans(session, held.values())}


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Event], int, int]:
    """A session with one change of address: (packets as they arrive, updates, index of change).

    Some packets are lost, some come twice, some late, and the order is anything. The first
    packet and the one that shows the second address arrive in time at least once.
    """
    updates = draw(st.integers(2, 6))
    change = draw(st.integers(1, updates - 1))
    sent = [(StatusType.START, 0), *((StatusType.INTERIM, STEP * n) for n in range(1, updates))]
    sent.append((StatusType.STOP, STEP * updates))
    arriving = []
    for index, (kind, offset) in enumerate(sent):
        address = "10.0.0.1" if index < change else "10.0.0.2"
        needed = index in (0, change)
        if needed:
            arriving.append(Event(kind, offset, address, 0))
        for _ in range(draw(st.integers(0, 2))):
            arriving.append(Event(kind, offset, address, draw(st.integers(0, 900))))
    random.Random(draw(st.integers(0, 2**32))).shuffle(arriving)
    return arriving, updates, change


@settings(deadline=None)
@given(histories())
def test_order_copies_and_losses_do_not_move_the_intervals(
    history: tuple[list[Event], int, int],
) -> None:
    events, updates, change = history
    session, spans = _spans(events)
    assert session.started_at == START
    first, second = spans["10.0.0.1"], spans["10.0.0.2"]
    assert first.from_at == START
    assert second.from_at == _at(STEP * change)
    assert first.to_at == second.from_at
    if any(event.session.stop_seen for event in events):
        # Whole seconds on the NAS's stopwatch: the end is known to one second.
        assert second.to_at is not None
        assert _at(STEP * updates) <= second.to_at <= _at(STEP * updates + 1)
    else:
        assert second.to_at is None


@settings(deadline=None)
@given(histories(), st.integers(0, 2**32))
def test_any_order_gives_the_same(history: tuple[list[Event], int, int], seed: int) -> None:
    events = history[0]
    again = [*events, *events[: len(events) // 2]]
    random.Random(seed).shuffle(again)
    assert _spans(events) == _spans(again)


def test_an_interval_starts_with_the_session_even_when_the_start_was_lost() -> None:
    _, spans = _spans([Event(StatusType.INTERIM, 600, "10.0.0.1", 0)])
    assert spans["10.0.0.1"].from_at == START
    assert spans["10.0.0.1"].to_at is None


def test_a_stop_resent_after_an_hour_ends_the_session_when_it_ended() -> None:
    session, _ = _spans(
        [
            Event(StatusType.START, 0, "10.0.0.1", 0),
            Event(StatusType.STOP, 100, "10.0.0.1", 3600),
        ]
    )
    assert ended_at(session) == _at(101)


def test_a_session_closed_by_us_ends_there() -> None:
    session, _ = _spans([Event(StatusType.START, 0, "10.0.0.1", 0)])
    assert ended_at(session) is None
    assert ended_at(session, _at(50)) == _at(50)


def test_ipv6_addresses_live_side_by_side() -> None:
    session, spans = _spans(
        [
            Event(StatusType.START, 0, "2001:db8::1", 0),
            Event(StatusType.INTERIM, 300, "2001:db8::2", 0),
            Event(StatusType.STOP, 600, "2001:db8::2", 0),
        ]
    )
    assert spans["2001:db8::1"].from_at == spans["2001:db8::2"].from_at == START
    assert spans["2001:db8::1"].to_at == spans["2001:db8::2"].to_at == ended_at(session)


def test_an_address_that_comes_back_covers_the_time_between() -> None:
    _, spans = _spans(
        [
            Event(StatusType.START, 0, "10.0.0.1", 0),
            Event(StatusType.INTERIM, 300, "10.0.0.2", 0),
            Event(StatusType.INTERIM, 600, "10.0.0.1", 0),
            Event(StatusType.STOP, 900, "10.0.0.1", 0),
        ]
    )
    assert spans["10.0.0.1"].to_at is not None
    assert spans["10.0.0.1"].to_at >= _at(600)
    assert spans["10.0.0.2"].from_at == _at(300)


def test_what_class_says_outweighs_what_a_user_name_suggests() -> None:
    named = Event(StatusType.START, 0, None, 0).session
    by_name, by_class = replace(named, account_id=9), replace(named, account_id=3, session_ref="r")
    assert join_sessions(by_name, by_class).account_id == 3
    assert join_sessions(by_class, by_name).account_id == 3
    assert join_sessions(named, by_name).account_id == 9
