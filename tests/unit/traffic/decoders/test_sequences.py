"""Sequence numbers: loss, wrap, reordering, restart."""

from __future__ import annotations

import pytest

from traffic.decoders.sequences import GapReason, SequenceWatch

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
