"""Blocks of ports become spans, also when an event is missing."""

from __future__ import annotations

from typing import Any

import pytest

from traffic.archive.tables import Found
from traffic.lookup.blocks import pair_blocks

EARLIEST, LATEST = 0, 1_000_000


def given(second: int, inside: str = "10.0.0.1", **more: Any) -> Found:
    return _event("block-create", second, inside, **more)


def freed(second: int, inside: str = "10.0.0.1", **more: Any) -> Found:
    return _event("block-delete", second, inside, **more)


def _event(
    event: str, second: int, inside: str, first: int = 1000, told: int | None = None, **more: Any
) -> Found:
    values: dict[str, Any] = {
        "received_at": second * 1000,
        "event_at": (second if told is None else told) * 1000,
        "source": "192.0.2.1",
        "event": event,
        "protocol": None,
        "inside_address": inside,
        "outside_port": first,
    }
    return Found(record=f"nat:{event}@{second}", values=values | more)


def spans(*events: Found) -> list[tuple[str, int, int]]:
    return [
        (one.inside_address[-1], one.from_ms // 1000, one.to_ms // 1000)
        for one in pair_blocks(events, EARLIEST, LATEST)
    ]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([given(10), freed(90)], [("1", 10, 90)], id="both"),
        pytest.param([given(10)], [("1", 10, 1000)], id="still-held"),
        pytest.param([freed(90)], [("1", 0, 90)], id="given-unseen"),
        pytest.param([given(10), given(20), freed(90)], [("1", 10, 90)], id="told-twice"),
        pytest.param(
            [given(10), given(50, "10.0.0.2")],
            [("1", 10, 50), ("2", 50, 1000)],
            id="freed-unseen-then-somebody-else",
        ),
        pytest.param(
            [given(10), freed(70, "10.0.0.2"), freed(90)],
            [("1", 10, 90), ("2", 10, 70)],
            id="freed-by-somebody-whose-beginning-is-missing",
        ),
        pytest.param(
            [given(10), given(50, "10.0.0.2"), freed(52), freed(90, "10.0.0.2")],
            [("1", 10, 50), ("1", 50, 52), ("2", 50, 90)],
            id="the-end-is-told-after-the-next-beginning",
        ),
        pytest.param(
            [given(10), freed(20), given(30), freed(40)],
            [("1", 10, 20), ("1", 30, 40)],
            id="twice",
        ),
        pytest.param(
            [given(10), given(11, first=2000), freed(20), freed(30, first=2000)],
            [("1", 10, 20), ("1", 11, 30)],
            id="two-blocks-of-one-client",
        ),
        pytest.param(
            [given(10, told=8), freed(90, told=88)], [("1", 8, 90)], id="both-times-count"
        ),
        pytest.param(
            [given(10, told=-9000), freed(90, told=-8920)], [("1", 10, 90)], id="a-wrong-clock"
        ),
        pytest.param(
            [given(10), freed(10), given(10, "10.0.0.2")],
            [("1", 0, 10), ("1", 10, 10), ("2", 10, 1000)],
            id="order-unknown-within-one-moment",
        ),
    ],
)
def test_what_events_in_a_row_mean(
    events: list[Found], expected: list[tuple[str, int, int]]
) -> None:
    assert spans(*events) == expected


def test_both_records_are_cited() -> None:
    (found,) = pair_blocks([given(10), freed(90)], EARLIEST, LATEST)
    assert found.records == ("nat:block-create@10", "nat:block-delete@90")
