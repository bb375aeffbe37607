"""Sequence numbers: loss, wrap, reordering, restart."""

from __future__ import annotations

import pytest

from traffic.decoders import sequences
from traffic.decoders.sequences import (
    MAX_GAPS,
    SEVERAL,
    FlowGap,
    GapList,
    GapReason,
    SequenceWatch,
    condense,
)

KEY = ("192.0.2.1", 9, 1)


def observe(*numbers: int, step: int = 1) -> list[tuple[int, GapReason]]:
    watch = SequenceWatch()
    for position, number in enumerate(numbers):
        watch.observe(KEY, number, step, 1000 + position, 10_000_000 + position)
    return [(gap.lost, gap.reason) for gap in watch.take_gaps()]


@pytest.mark.parametrize(
    ("numbers", "step", "expected"),
    [
        pytest.param((5, 6, 7), 1, [], id="in-order"),
        pytest.param((5, 8), 1, [(2, GapReason.SEQUENCE)], id="two-lost"),
        pytest.param((2**32 - 1, 0, 1), 1, [], id="wrap"),
        pytest.param((2**32 - 1, 2), 1, [(2, GapReason.SEQUENCE)], id="loss-over-the-wrap"),
        pytest.param((5, 7, 6, 8), 1, [], id="reordered"),
        pytest.param((5, 9, 7, 10), 1, [(2, GapReason.SEQUENCE)], id="one-of-three-came-late"),
        pytest.param((1_000_000, 0, 1), 1, [(0, GapReason.RESTART)], id="restarted-at-zero"),
        pytest.param((5, 2**31), 1, [(0, GapReason.RESTART)], id="jump-no-loss-explains"),
        pytest.param((30, 60, 120), 30, [(30, GapReason.SEQUENCE)], id="version-5-counts-flows"),
    ],
)
def test_what_a_run_of_numbers_means(
    numbers: tuple[int, ...], step: int, expected: list[tuple[int, GapReason]]
) -> None:
    assert observe(*numbers, step=step) == expected


def test_a_reboot_shows_in_the_uptime_even_when_numbers_fit_a_loss() -> None:
    watch = SequenceWatch()
    watch.observe(KEY, 3, 1, 1000, 90_000_000)
    watch.observe(KEY, 5, 1, 2000, 1_000)
    assert [gap.reason for gap in watch.take_gaps()] == [GapReason.RESTART]


def test_gaps_are_told_once() -> None:
    watch = SequenceWatch()
    watch.observe(KEY, 1, 1, 1000, 1)
    watch.observe(KEY, 9, 1, 1000, 1)
    assert watch.take_gaps()
    assert not watch.take_gaps()


def _gap(source: str, number: int) -> FlowGap:
    return FlowGap(
        source=source, from_ms=number, to_ms=number + 1, lost=1, reason=GapReason.SEQUENCE
    )


def test_many_gaps_of_one_source_become_one_that_covers_them() -> None:
    noted = GapList()
    for number in range(5 * MAX_GAPS):
        noted.add(_gap("192.0.2.1", number))
    noted.add(_gap("192.0.2.2", 7))
    found = condense(noted.take())
    assert len(found) <= MAX_GAPS
    of_one = [gap for gap in found if gap.source == "192.0.2.1"]
    assert sum(gap.lost for gap in of_one) == 5 * MAX_GAPS
    assert min(gap.from_ms for gap in of_one) == 0
    assert max(gap.to_ms for gap in of_one) == 5 * MAX_GAPS
    assert _gap("192.0.2.2", 7) in found


def test_gaps_of_too_many_sources_become_one() -> None:
    (found,) = condense([_gap(f"source {number}", number) for number in range(MAX_GAPS + 1)])
    assert (found.source, found.lost) == (SEVERAL, MAX_GAPS + 1)
    assert (found.from_ms, found.to_ms) == (0, MAX_GAPS + 1)


def test_few_gaps_stay_as_they_are() -> None:
    gaps = [_gap("192.0.2.1", number) for number in range(MAX_GAPS)]
    assert condense(gaps) == gaps


def test_a_new_stream_takes_the_place_of_the_one_heard_of_longest_ago(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sequences, "MAX_STREAMS", 2)
    watch = SequenceWatch()
    for exporter, number in (("a", 0), ("b", 0), ("a", 1), ("c", 0), ("a", 5), ("c", 4)):
        watch.observe((exporter, 9, 1), number, 1, 1000, 1000)
    assert [(gap.source[0], gap.lost) for gap in watch.take_gaps()] == [("a", 3), ("c", 3)]
    assert [key[0] for key in watch.streams] == ["a", "c"]
