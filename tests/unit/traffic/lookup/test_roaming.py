"""A device that roamed is not where it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.traffic.lookup.test_attribution import at, holder
from traffic.lookup.roaming import end_superseded

LEFT = replace(holder("ann", 0, 2000), certain_to=at(300), closed_by="silent")
NEXT = holder("ann", 400, 900, session="next")


def test_a_session_without_a_stop_ends_where_its_device_goes_on() -> None:
    ended, kept = end_superseded([LEFT, NEXT])
    assert (ended.to_at, ended.certain_to) == (at(400), at(300))
    assert kept == NEXT


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(NEXT, mac="02:00:00:00:00:02"), id="another-device"),
        pytest.param(replace(NEXT, address="10.0.0.6"), id="another-address"),
        pytest.param(replace(NEXT, account_id=7, user_name="bob"), id="another-person"),
        pytest.param(replace(NEXT, from_at=at(100)), id="began-while-it-was-heard"),
        pytest.param(replace(NEXT, from_at=at(2001)), id="began-after-it"),
    ],
)
def test_anything_else_ends_nothing(other: object) -> None:
    assert end_superseded([LEFT, other])[0] == LEFT  # type: ignore[list-item]


def test_a_session_does_not_end_itself() -> None:
    unreported = replace(LEFT, certain_to=LEFT.from_at)
    assert end_superseded([unreported]) == [unreported]


def test_what_is_certain_stays() -> None:
    stopped = replace(LEFT, certain_to=None)
    assert end_superseded([stopped, NEXT]) == [stopped, NEXT]
    unnamed = [replace(one, mac=None) for one in (LEFT, NEXT)]
    assert end_superseded(unnamed) == unnamed


def test_a_session_that_roams_on_and_on_ends_at_the_nearest() -> None:
    ended, *_ = end_superseded([LEFT, replace(NEXT, from_at=at(800)), NEXT])
    assert ended.to_at == at(400)
