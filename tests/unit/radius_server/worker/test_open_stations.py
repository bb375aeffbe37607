"""How often the database is asked which stations are on line."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

import pytest

from radius_server.worker.directory import (
    MAXIMUM_RECENT,
    RECENT_SECONDS,
    STATIONS_LONGEST_SECONDS,
    STATIONS_SHARE,
    OpenStations,
)


class Store:
    """Notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[set[int]] = []

    def open_stations(self, account_ids: Collection[int]) -> dict[int, set[str]]:
        self.asked.append(set(account_ids))
        return {number: {f"{number:012x}"} for number in account_ids}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def _made() -> tuple[Store, OpenStations]:
    store: Any = Store()
    return store, OpenStations(store)


def test_a_second_is_remembered_and_no_longer(clock: list[float]) -> None:
    store, stations = _made()
    assert stations.load([1])[1] == {"000000000001"}
    assert stations.known(1, clock[0] + 0.9, None) == {"000000000001"}
    assert stations.known(2, clock[0], None) is None
    clock[0] += 1.0
    assert stations.known(1, clock[0], None) is None
    stations.load([1])
    assert store.asked == [{1}, {1}]


def test_who_came_lately_is_read_again_with_the_next_one(clock: list[float]) -> None:
    store, stations = _made()
    stations.load([1, 2])
    clock[0] += 10.0
    stations.load([3])
    assert store.asked[-1] == {1, 2, 3}
    assert stations.known(2, clock[0], None) == {"000000000002"}
    clock[0] += RECENT_SECONDS - 1.0
    stations.load([3])
    assert store.asked[-1] == {2, 3}, "1 has not been asked for in all that time"


def test_only_so_many_are_read_together(clock: list[float]) -> None:
    store, stations = _made()
    stations.load(range(MAXIMUM_RECENT))
    clock[0] += 2.0
    stations.load([MAXIMUM_RECENT + 1])
    assert len(store.asked[-1]) == MAXIMUM_RECENT
    assert MAXIMUM_RECENT + 1 in store.asked[-1]


def test_what_takes_long_to_read_is_remembered_longer_but_not_for_ever(
    clock: list[float],
) -> None:
    store, stations = _made()
    quick = store.open_stations

    def slow(seconds: float) -> None:
        def open_stations(account_ids: Collection[int]) -> dict[int, set[str]]:
            clock[0] += seconds
            return quick(account_ids)

        store.open_stations = open_stations  # type: ignore[method-assign]

    slow(0.25)
    stations.load([1])
    slow(0.5)
    stations.load([2])
    assert stations.known(1, 1000.0 + 0.25 * STATIONS_SHARE - 1.0, None) == {"000000000001"}
    assert stations.known(1, 1000.0 + 0.25 * STATIONS_SHARE, None) is None
    clock[0] = 2000.0
    slow(30.0)
    stations.load([1])
    assert stations.known(1, 2000.0 + STATIONS_LONGEST_SECONDS, None) is None
