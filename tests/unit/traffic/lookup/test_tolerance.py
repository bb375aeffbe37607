"""How an answer changes with the tolerance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from traffic.lookup.attribution import Attribution, Holder, Outcome, Window, attribute
from traffic.lookup.tolerance import Limits, edges_of, find_limits, seconds

AT = datetime(2026, 11, 22, 7, 5, tzinfo=UTC)
MARGIN = timedelta(seconds=1)
LOOKED_TO = timedelta(seconds=600)


def holder(account: int, first: float, last: float | None) -> Holder:
    return Holder(
        session_key=f"k{account}-{first}",
        account_id=account,
        account=f"a{account}",
        full_name="",
        user_name="",
        mac=None,
        nas="ap",
        address="10.0.0.1",
        from_at=AT + timedelta(seconds=first),
        to_at=None if last is None else AT + timedelta(seconds=last),
        last_heard_at=AT,
        closed_by=None,
        evidence=(),
    )


def judge(holders: list[Holder], window: Window) -> Attribution:
    return attribute(window.widened(MARGIN), own=holders, margin=MARGIN)


def limits_of(*holders: Holder) -> Limits:
    edges = edges_of(AT, holders, [], MARGIN)
    return find_limits(AT, lambda window: judge([*holders], window), edges, LOOKED_TO)


def test_it_stops_being_single_where_the_next_holder_begins_less_the_clock_error() -> None:
    found = limits_of(holder(1, -300, 20), holder(2, 31.5, None))
    assert seconds(found.found_from) == 0
    assert seconds(found.ambiguous_from) == 30.5


def test_nobody_at_the_very_moment_is_found_from_the_distance_of_the_nearest() -> None:
    found = limits_of(holder(1, -300, -41), holder(2, 60, None))
    assert seconds(found.found_from) == 40
    assert seconds(found.ambiguous_from) == 59


def test_two_at_the_moment_are_never_single_and_one_alone_always() -> None:
    assert seconds(limits_of(holder(1, -300, 20), holder(2, -20, None)).ambiguous_from) == 0
    assert limits_of(holder(1, -300, None), holder(1, 500, None)).ambiguous_from is None
    assert limits_of().found_from is None


spans = st.tuples(st.integers(1, 3), st.integers(-900, 900), st.integers(0, 400))


@given(st.lists(spans, max_size=6), st.integers(0, 600))
def test_the_limit_agrees_with_asking_at_any_tolerance(
    held: list[tuple[int, int, int]], tolerance: int
) -> None:
    holders = [holder(account, first, first + length) for account, first, length in held]
    found = limits_of(*holders)
    span = timedelta(seconds=tolerance)
    outcome = judge(holders, Window(AT - span, AT + span)).outcome
    is_ambiguous = found.ambiguous_from is not None and span >= found.ambiguous_from
    assert (outcome is Outcome.AMBIGUOUS) == is_ambiguous
    is_found = found.found_from is not None and span >= found.found_from
    assert (outcome is not Outcome.NONE) == is_found
