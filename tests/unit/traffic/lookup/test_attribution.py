"""The rules of attribution, each with its boundaries."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from traffic.lookup.attribution import (
    Attribution,
    Binding,
    GapSpan,
    Holder,
    Outcome,
    Window,
    attribute,
    uncovered,
)

BASE = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BASE + timedelta(seconds=seconds)


def window(first: float, last: float) -> Window:
    return Window(at(first), at(last))


def holder(
    name: str,
    first: float,
    last: float | None,
    address: str = "10.0.0.5",
    session: str = "",
    account_id: int | None = 0,
) -> Holder:
    number = (sum(map(ord, name)) if account_id == 0 else account_id) if name else None
    return Holder(
        session_key=session or f"s-{name}",
        account_id=number,
        account=name if number else None,
        full_name=name.title(),
        user_name=name,
        mac="02:00:00:00:00:01",
        nas="ap1",
        address=address,
        from_at=at(first),
        to_at=None if last is None else at(last),
        last_heard_at=at(last or first),
        closed_by=None if last is None else "stop",
        evidence=(f"network_session:{session or name}",),
    )


def binding(first: float, last: float, address: str = "10.0.0.5", port: int = 4000) -> Binding:
    return Binding(
        inside_address=address,
        inside_port=port,
        from_at=at(first),
        to_at=at(last),
        evidence=(f"flow:{address}:{port}",),
    )


def gap(first: float, last: float) -> GapSpan:
    return GapSpan(
        kind="radius", source="radius", reason="not_running", from_at=at(first), to_at=at(last)
    )


def names(found: Attribution) -> list[str]:
    return [one.holder.user_name if one.holder else "?" for one in found.candidates]


@pytest.mark.parametrize(
    ("first", "last", "outcome"),
    [
        pytest.param(0, 10, Outcome.NONE, id="ends-before"),
        pytest.param(0, 100, Outcome.SINGLE, id="touches-the-start"),
        pytest.param(200, 200, Outcome.SINGLE, id="the-very-end"),
        pytest.param(200.000001, 300, Outcome.NONE, id="a-microsecond-after-the-end"),
        pytest.param(150, 150, Outcome.SINGLE, id="inside"),
        pytest.param(0, 900, Outcome.SINGLE, id="around"),
    ],
)
def test_a_session_answers_from_its_start_to_its_end(
    first: float, last: float, outcome: Outcome
) -> None:
    found = attribute(window(first, last), own=[holder("ann", 100, 200)])
    assert found.outcome is outcome


def test_an_open_session_answers_for_ever() -> None:
    assert attribute(window(9e6, 9e6), own=[holder("ann", 100, None)]).outcome is Outcome.SINGLE


def test_two_accounts_are_ambiguous_and_both_are_named() -> None:
    held = [holder("ann", 0, 100), holder("bob", 100, 200)]
    assert names(attribute(window(100, 100), own=held)) == ["ann", "bob"]
    assert attribute(window(100, 100), own=held).outcome is Outcome.AMBIGUOUS
    assert names(attribute(window(99, 99), own=held)) == ["ann"]


def test_one_account_in_two_sessions_is_single_with_both_listed() -> None:
    held = [holder("ann", 0, 100, session="a"), holder("ann", 50, 200, session="b")]
    found = attribute(window(60, 60), own=held)
    assert found.outcome is Outcome.SINGLE
    assert len(found.candidates) == 2


def test_a_name_without_an_account_is_somebody() -> None:
    stranger = holder("ghost", 0, 100, account_id=None)
    assert attribute(window(5, 5), own=[stranger]).outcome is Outcome.SINGLE
    found = attribute(window(5, 5), own=[stranger, holder("ann", 0, 100)])
    assert found.outcome is Outcome.AMBIGUOUS


def test_one_name_without_an_account_from_two_devices_is_ambiguous() -> None:
    one = holder("anonymous", 0, 100, account_id=None)
    other = replace(one, session_key="s-2", mac="02:00:00:00:00:02")
    assert attribute(window(5, 5), own=[one, other]).outcome is Outcome.AMBIGUOUS
    again = replace(one, session_key="s-3")
    assert attribute(window(5, 5), own=[one, again]).outcome is Outcome.SINGLE
    unnamed = [replace(one, mac=None), replace(other, mac=None)]
    assert attribute(window(5, 5), own=unnamed).outcome is Outcome.AMBIGUOUS


def test_what_was_not_read_to_the_end_names_nobody_for_certain() -> None:
    found = attribute(window(5, 5), own=[holder("ann", 0, 100)], complete=False)
    assert (found.outcome, names(found)) == (Outcome.AMBIGUOUS, ["ann"])
    assert attribute(window(5, 5), complete=False).outcome is Outcome.GAP


def test_without_candidates_a_gap_is_not_nobody() -> None:
    assert attribute(window(0, 1)).outcome is Outcome.NONE
    found = attribute(window(0, 1), gaps=[gap(0, 1)])
    assert (found.outcome, len(found.gaps)) == (Outcome.GAP, 1)


def test_candidates_stay_when_there_are_gaps_too() -> None:
    found = attribute(window(0, 1), own=[holder("ann", 0, 5)], gaps=[gap(0, 1)])
    assert (found.outcome, len(found.gaps)) == (Outcome.SINGLE, 1)


def test_translation_leads_to_whoever_held_the_inside_address_then() -> None:
    held = [holder("ann", 0, 100), holder("bob", 101, 200), holder("eve", 0, 300, "10.0.0.6")]
    found = attribute(window(0, 400), bindings=[binding(10, 60)], holders=held)
    assert names(found) == ["ann"]
    assert found.candidates[0].evidence == ("network_session:ann", "flow:10.0.0.5:4000")


def test_the_margin_reaches_over_the_end_of_a_flow() -> None:
    held = [holder("ann", 0, 100), holder("bob", 101, 200)]
    bindings = [binding(10, 100.5)]
    assert names(attribute(window(0, 400), bindings=bindings, holders=held)) == ["ann", "?"]
    found = attribute(window(0, 400), bindings=bindings, holders=held, margin=timedelta(seconds=1))
    assert found.outcome is Outcome.AMBIGUOUS


def test_two_inside_addresses_behind_one_port_are_ambiguous() -> None:
    held = [holder("ann", 0, 100), holder("eve", 0, 100, "10.0.0.6")]
    bindings = [binding(10, 20), binding(15, 25, "10.0.0.6")]
    assert names(attribute(window(0, 100), bindings=bindings, holders=held)) == ["ann", "eve"]
    assert names(attribute(window(0, 14), bindings=bindings, holders=held)) == ["ann"]


def test_a_translation_outlasts_a_session_by_what_clocks_may_differ() -> None:
    second = timedelta(seconds=1)
    for last, named in ((102, ["ann"]), (102.5, ["ann", "?"])):
        found = attribute(
            window(0, 400),
            bindings=[binding(10, last - 1)],
            holders=[holder("ann", 0, 100)],
            margin=second,
        )
        assert names(found) == named
    assert found.outcome is Outcome.AMBIGUOUS


def test_after_its_last_report_a_session_without_a_stop_is_not_certain() -> None:
    silent = replace(holder("ann", 0, 100), certain_to=at(40), closed_by="silent")
    proven, later = window(30, 40), window(41, 60)
    assert attribute(proven, own=[silent]).outcome is Outcome.SINGLE
    found = attribute(later, own=[silent])
    assert (found.outcome, names(found)) == (Outcome.AMBIGUOUS, ["ann", "?"])
    assert attribute(window(101, 102), own=[silent]).outcome is Outcome.NONE
    bound = [binding(35, 60)]
    assert attribute(proven, bindings=bound, holders=[silent]).outcome is Outcome.SINGLE
    assert names(attribute(later, bindings=bound, holders=[silent])) == ["ann", "?"]


def test_a_second_session_of_the_same_account_can_prove_what_the_first_cannot() -> None:
    silent = replace(holder("ann", 0, 100), certain_to=at(40), closed_by="silent")
    next_one = holder("ann", 41, 200, session="later")
    assert attribute(window(50, 60), own=[silent, next_one]).outcome is Outcome.SINGLE


def test_an_inside_address_nobody_held_keeps_another_from_being_certain() -> None:
    bindings = [binding(10, 20), binding(10, 20, "10.0.0.99")]
    found = attribute(window(0, 100), bindings=bindings, holders=[holder("ann", 0, 100)])
    assert found.outcome is Outcome.AMBIGUOUS
    assert names(found) == ["ann", "?"]


def test_translations_that_lead_to_nobody_are_none() -> None:
    assert attribute(window(0, 100), bindings=[binding(10, 20)]).outcome is Outcome.NONE


def test_an_ipv6_prefix_holds_the_addresses_in_it() -> None:
    held = [holder("ann", 0, 100, "2001:db8:0:1::/64")]
    inside = [binding(10, 20, "2001:db8:0:1::42")]
    outside = [binding(10, 20, "2001:db8:0:2::42")]
    assert names(attribute(window(0, 50), bindings=inside, holders=held)) == ["ann"]
    assert names(attribute(window(0, 50), bindings=outside, holders=held)) == []


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        pytest.param([], [(0, 100)], id="never"),
        pytest.param([(0, 100)], [], id="exactly"),
        pytest.param([(-5, 50), (50, 130)], [], id="two-that-touch"),
        pytest.param([(-5, 30), (60, 130)], [(30, 60)], id="a-hole"),
        pytest.param([(20, 30)], [(0, 20), (30, 100)], id="both-ends"),
        pytest.param([(40, 50), (10, 90)], [(0, 10), (90, 100)], id="one-in-another"),
        pytest.param([(200, 300)], [(0, 100)], id="later"),
    ],
)
def test_what_no_run_covers(
    runs: list[tuple[float, float]], expected: list[tuple[float, float]]
) -> None:
    found = uncovered(window(0, 100), [(at(first), at(last)) for first, last in runs])
    assert found == [(at(first), at(last)) for first, last in expected]


def test_a_moment_is_covered_or_not() -> None:
    moment = window(5, 5)
    assert uncovered(moment, [(at(0), at(5))]) == []
    assert uncovered(moment, [(at(6), at(9))]) == [(at(5), at(5))]
    assert uncovered(moment, []) == [(at(5), at(5))]


seconds = st.integers(0, 200)
spans = st.tuples(seconds, seconds).map(sorted)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), spans, st.sampled_from("56")), max_size=6),
    st.lists(st.tuples(spans, st.sampled_from("56")), max_size=4),
    spans,
    st.tuples(seconds, seconds),
)
@example([("a", [0, 0], "5"), ("a", [1, 1], "6")], [([0, 0], "5"), ([0, 1], "6")], [0, 0], (0, 1))
def test_a_wider_window_never_has_fewer_candidates(
    held: list[tuple[str, list[int], str]],
    bound: list[tuple[list[int], str]],
    asked: list[int],
    wider: tuple[int, int],
) -> None:
    holders = [
        holder(name, span[0], span[1], address=f"10.0.0.{last}", session=str(number))
        for number, (name, span, last) in enumerate(held)
    ]
    # Every second one lost its stop and is certain for half of its time.
    holders[1::2] = [
        replace(one, certain_to=one.from_at + (one.to_at - one.from_at) / 2)
        for one in holders[1::2]
        if one.to_at is not None
    ]
    bindings = [binding(span[0], span[1], address=f"10.0.0.{last}") for span, last in bound]
    first, last = asked
    narrow, wide = window(first, last), window(first - wider[0], last + wider[1])
    for arguments in ({"own": holders}, {"bindings": bindings, "holders": holders}):
        few = attribute(narrow, **arguments)
        many = attribute(wide, **arguments)
        known = {one.holder.session_key for one in few.candidates if one.holder}
        assert known <= {one.holder.session_key for one in many.candidates if one.holder}
        if few.outcome is Outcome.AMBIGUOUS:
            assert many.outcome is Outcome.AMBIGUOUS
