"""Calls to controllers under way at once: captive_portal.vendors.controller."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from captive_portal.vendors import controller
from captive_portal.vendors.controller import Answer, Busy, Call, Controller, exchange, server_step
from captive_portal.vendors.profile import Completion, Gateway

GET = Call(method="GET", path="/")


class Slow:
    """Controllers that answer when they are let go."""

    def __init__(self) -> None:
        self.called = threading.Semaphore(0)
        self.go = threading.Event()

    def __call__(self, _controller: Controller, _call: Call) -> Answer:
        self.called.release()
        assert self.go.wait(20)
        return Answer(status=200)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    made = Slow()
    monkeypatch.setattr(controller, "_exchange", made)
    controller.share_threads(8)
    yield made
    made.go.set()
    controller.share_threads(8)


def test_calls_hold_half_of_the_threads_and_one_controller_less(slow: Slow) -> None:
    with ThreadPoolExecutor(8) as pool:
        under_way = []
        for url in ("https://a.example", "https://a.example/site", "https://a.example/x"):
            under_way.append(pool.submit(exchange, Controller(url=url), GET))
            assert slow.called.acquire(timeout=20)
        with pytest.raises(Busy):
            exchange(Controller(url="https://a.example/another"), GET)
        under_way.append(pool.submit(exchange, Controller(url="https://b.example"), GET))
        assert slow.called.acquire(timeout=20), "another school's controller is still asked"
        with pytest.raises(Busy):
            exchange(Controller(url="https://c.example"), GET)
        slow.go.set()
        assert [one.result(20).status for one in under_way] == [200] * 4
    assert exchange(Controller(url="https://a.example"), GET).status == 200


def test_who_comes_while_all_are_busy_is_told_to_ask_again(slow: Slow) -> None:
    controller.share_threads(1)
    gateway = Gateway(id=1, name="hall", vendor="unifi", login_url="", settings={})

    def run() -> Completion:
        exchange(Controller(url="https://a.example"), GET)
        return Completion.GRANTED

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(server_step(gateway, run).run)
        assert slow.called.acquire(timeout=20)
        assert server_step(gateway, run).run() is Completion.NOT_YET
        slow.go.set()
        assert first.result(20) is Completion.GRANTED
