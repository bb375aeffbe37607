"""The back-off of yuenyan.supervisor; its processes are in tests/integration."""

from __future__ import annotations

import pytest

from yuenyan.supervisor import (
    FIRST_DELAY_SECONDS,
    HEALTHY_AFTER_SECONDS,
    LONGEST_DELAY_SECONDS,
    next_delay,
)


def test_the_first_crash_waits_one_second() -> None:
    assert next_delay(0.0, 0.1) == FIRST_DELAY_SECONDS == 1.0


def test_a_crash_loop_doubles_up_to_the_longest_delay() -> None:
    delays = [0.0]
    for _ in range(8):
        delays.append(next_delay(delays[-1], 0.1))
    assert delays[1:] == [1, 2, 4, 8, 16, 30, 30, 30]
    assert delays[-1] == LONGEST_DELAY_SECONDS


@pytest.mark.parametrize("delay", [1.0, 8.0, 30.0])
def test_a_healthy_minute_resets_the_delay(delay: float) -> None:
    assert next_delay(delay, HEALTHY_AFTER_SECONDS) == FIRST_DELAY_SECONDS
