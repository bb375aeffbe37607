"""Whom to believe of several servers, chrony's own words, and steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.clock.chrony import ask_chrony, parse_tracking
from traffic.clock.judgement import State, Verdict, agree
from traffic.clock.ntp import Measurement
from traffic.clock.steps import StepWatch, read_clocks

LIMIT_US = 10_000


def against(offset_us: int, error_us: int = 1_000, stratum: int = 1) -> Measurement:
    return Measurement(
        offset_us=offset_us, error_us=error_us, delay_us=2 * error_us, root_distance_us=100,
        stratum=stratum, reference="GNSS",
    )  # fmt: skip


def test_three_servers_that_agree_prove_a_clock_right() -> None:
    found = agree({"a": against(200), "b": against(-300), "c": against(100)})
    assert found.state is State.SYNCHRONISED
    assert found.believed == ("a", "b", "c") and found.wrong == ()
    assert found.stratum == 2
    assert found.is_within(LIMIT_US)


def test_a_server_that_lies_about_its_stratum_and_the_time_is_outvoted() -> None:
    liar = against(90_000, error_us=10, stratum=1)
    found = agree({"liar": liar, "b": against(-300, stratum=3), "c": against(100, stratum=3)})
    assert found.state is State.SYNCHRONISED
    assert found.wrong == ("liar",)
    assert found.stratum == 4
    assert found.bound_us is not None and found.bound_us < 2_000


def test_servers_that_all_differ_prove_nothing() -> None:
    found = agree({"a": against(0), "b": against(50_000), "c": against(-50_000)})
    assert (found.state, found.reason) == (State.UNSYNCHRONISED, "servers_disagree")
    assert found.bound_us is None and not found.is_within(LIMIT_US)


def test_two_against_two_is_no_majority() -> None:
    found = agree({"a": against(0), "b": against(0), "c": against(50_000), "d": against(50_000)})
    assert found.reason == "servers_disagree"


def test_one_server_alone_proves_nothing() -> None:
    found = agree({"a": against(0)}, {"b": "no_answer", "c": "kiss_of_death:RATE"})
    assert (found.state, found.reason) == (State.UNSYNCHRONISED, "one_server_only")
    assert not found.is_within(LIMIT_US)


def test_nobody_answering_is_unreachable_only_when_nobody_was_asked() -> None:
    assert agree({}, {"a": "no_answer"}).reason == "no_server_answered"
    assert agree({}, {"a": "local_clock", "b": "local_clock"}).reason == "local_clock"


def test_an_offset_and_an_error_that_together_pass_the_limit_are_not_within_it() -> None:
    found = agree({"a": against(6_000, 5_000), "b": against(6_000, 5_000)})
    assert found.bound_us is not None and found.bound_us > LIMIT_US
    assert not found.is_within(LIMIT_US)
    assert found.is_within(12_000)


@given(
    truth=st.integers(-10_000_000, 10_000_000),
    honest=st.lists(
        st.tuples(st.integers(0, 5_000), st.integers(-5_000, 5_000)), min_size=3, max_size=6
    ),
    lies=st.lists(
        st.integers(-20_000_000, 20_000_000).filter(lambda lie: abs(lie) > 15_100), max_size=2
    ),
)
def test_the_truth_lies_within_the_bound_while_most_servers_are_honest_and_liars_show(
    truth: int, honest: list[tuple[int, int]], lies: list[int]
) -> None:
    servers = {
        f"h{index}": against(truth + shift, abs(shift) + more)
        for index, (more, shift) in enumerate(honest)
    }
    servers |= {f"l{index}": against(truth + lie, 10) for index, lie in enumerate(lies)}
    found = agree(servers)
    assert found.state is State.SYNCHRONISED
    assert found.offset_us is not None and found.error_us is not None
    assert abs(found.offset_us - truth) <= found.error_us


TRACKING = (
    "CB9F4619,time1.nimt.or.th,2,1795000000.1,{offset},-0.000001,0.00001,-12.3,0.001,0.05,"
    "0.004000000,0.000500000,64.5,{leap}\n"
)


def test_chrony_s_words_are_read_with_our_sign_and_its_own_bound() -> None:
    found = parse_tracking(TRACKING.format(offset="0.000250000", leap="Normal"))
    assert found is not None
    assert (found.state, found.method, found.source) == (
        State.SYNCHRONISED, "chrony", "time1.nimt.or.th",
    )  # fmt: skip
    assert found.offset_us == -250  # chrony: ours is slow by it
    assert found.error_us == 2_501
    assert found.stratum == 2


def test_a_chrony_that_has_only_this_machine_s_clock_proves_nothing() -> None:
    line = TRACKING.format(offset="0.0", leap="Normal").replace(
        "CB9F4619,time1.nimt.or.th", "7F7F0101,"
    )
    found = parse_tracking(line)
    assert found is not None
    assert (found.state, found.reason) == (State.UNSYNCHRONISED, "local_clock")
    assert not found.is_within(1e9)


@pytest.mark.parametrize(
    "line",
    [
        "00000000,,0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,1.0,0.0,Not synchronised",
        TRACKING.format(offset="0.0", leap="Not synchronised"),
    ],
)
def test_a_chrony_without_a_source_is_not_synchronised(line: str) -> None:
    found = parse_tracking(line)
    assert found is not None and found.reason == "chrony_unsynchronised"


@pytest.mark.parametrize("line", ["", "506 Cannot talk to daemon", "a,b,c" * 5, "," * 13])
def test_anything_else_is_no_word_of_chrony_s(line: str) -> None:
    assert parse_tracking(line) is None


@pytest.mark.parametrize("command", ["", "/nonexistent/chronyc", "false", "'unbalanced"])
def test_where_no_chrony_answers_nothing_is_said(command: str) -> None:
    assert ask_chrony(command) is None


def test_a_clock_that_was_set_is_noticed_and_one_that_runs_is_not() -> None:
    readings = iter(
        [(0, 0), (5_000_000_000, 5_000_000_900), (12_000_000_000, 10_000_000_000),
         (16_990_000_000, 15_000_000_000)]
    )  # fmt: skip
    watch = StepWatch(lambda: next(readings))
    assert [watch.look() for _ in range(4)] == [None, None, 2_000_000, -10_000]


def test_the_real_clocks_of_this_machine_make_no_step_by_themselves() -> None:
    watch = StepWatch(read_clocks)
    assert [watch.look() for _ in range(50)] == [None] * 50


def test_a_clock_on_its_own_is_never_within_any_limit() -> None:
    alone = Verdict(state=State.UNSYNCHRONISED, method="sntp", offset_us=0, error_us=0)
    assert not alone.is_within(1e12)
