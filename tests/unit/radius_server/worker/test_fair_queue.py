"""A rush at one NAS keeps no other waiting."""

from __future__ import annotations

from radius_server.worker.fair_queue import FairQueue


def fill(queue: FairQueue[str], nas: int, count: int = 1000) -> int:
    """How many of `count` items this NAS could put."""
    put = 0
    while put < count and not queue.is_full and queue.has_room(nas):
        queue.put(nas, f"{nas}/{put}")
        put += 1
    return put


def test_each_nas_is_served_in_its_turn() -> None:
    queue: FairQueue[str] = FairQueue(100)
    fill(queue, 1, 5)
    fill(queue, 2, 2)
    fill(queue, 3, 1)
    taken = [queue.take() for _ in range(8)]
    assert taken == ["1/0", "2/0", "3/0", "1/1", "2/1", "1/2", "1/3", "1/4"]


def test_one_nas_leaves_room_for_the_others() -> None:
    queue: FairQueue[str] = FairQueue(256)
    assert 165 <= fill(queue, 1) <= 175
    for nas in range(2, 6):
        assert fill(queue, nas) >= 2
        assert not queue.is_full


def test_what_is_done_gives_its_room_back() -> None:
    queue: FairQueue[str] = FairQueue(10)
    first = fill(queue, 1)
    assert not queue.has_room(1)
    for _ in range(first):
        queue.take()
        queue.done(1)
    assert queue.waiting == 0
    assert fill(queue, 1) == first


def test_a_queue_of_one_takes_one() -> None:
    queue: FairQueue[str] = FairQueue(1)
    assert fill(queue, 1) == 1
    assert queue.is_full
