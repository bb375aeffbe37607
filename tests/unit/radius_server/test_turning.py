"""The thread that the RadSec server and the proxy are made of; a socket pair is all it opens."""

from __future__ import annotations

import threading
import time
from collections import deque

from common.metrics import Counters
from radius_server.turning import TurningThread


class Work:
    """Takes what is left for it, and notes what it has taken."""

    def __init__(self) -> None:
        self.left: deque[int] = deque()
        self.taken: list[int] = []
        self.fails = False
        self.turns = 0
        self.ended = threading.Event()
        self.counters = Counters()
        self.thread = TurningThread("work", self.turn, self.ended.set, self.counters)

    def turn(self) -> None:
        self.turns += 1
        assert self.thread.select(30) == []
        if self.fails:
            self.fails = False
            raise ZeroDivisionError
        while self.left:
            self.taken.append(self.left.popleft())


def test_whatever_is_left_before_a_wake_is_taken_at_once() -> None:
    work = Work()
    work.thread.start()
    began = time.monotonic()
    for number in range(20_000):
        work.left.append(number)
        work.thread.wake()
    while len(work.taken) < 20_000 and time.monotonic() < began + 20:
        time.sleep(0.001)
    work.thread.stop(5)
    assert work.taken == list(range(20_000))
    assert work.ended.is_set()
    # Wakes that come together are one: thousands of them are not thousands of turns each.
    assert work.turns < 20_002


def test_a_fault_in_a_turn_is_counted_and_the_thread_lives() -> None:
    work = Work()
    work.thread.start()
    work.fails = True
    work.thread.wake()
    deadline = time.monotonic() + 5
    while work.fails and time.monotonic() < deadline:
        time.sleep(0.001)
    work.left.append(1)
    work.thread.wake()
    while not work.taken and time.monotonic() < deadline:
        time.sleep(0.001)
    work.thread.stop(5)
    assert work.taken == [1]
    assert work.counters.get("radius_internal_errors") == 1


def test_one_that_never_began_ends_at_once() -> None:
    Work().thread.stop(5)
