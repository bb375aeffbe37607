"""What a device that keeps failing gets, and what everybody else gets meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from db.models import AuthEvent
from identity.office import Office
from identity.services import nas, vouchers
from radius_server.process.realms import Realms
from radius_server.worker.fair_queue import FairQueue
from tests.conftest import add_person
from tests.integration.radius_packets import access_request
from tests.unit.radius_server.worker.test_worker import ACCEPT, PASSWORD, REJECT, SECRET, Bench

ANOTHER = b"A6-B4-C6-01-02-99"
ALLOWED = 10
"""Failures at one account before the device waits: the default."""


@pytest.fixture
def bench(office: Office) -> Iterator[Bench]:
    for name in ("somchai", "malee"):
        add_person(office, name, PASSWORD)
    with office.database.write() as session:
        nas.add_nas(session, office, "gate", "127.0.0.1/32", SECRET, "test")
        nas.add_nas(session, office, "hall", "127.0.0.2/32", SECRET, "test")
    made = Bench(office)
    yield made
    made.close()


class Door:
    """Logs in through the bench, one after the other."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.number = bench, 0

    def login(self, password: str, name: str = "somchai", **more: Any) -> int:
        self.number += 1
        self.bench.auth.waiting = [
            access_request(self.number, SECRET.encode(), name.encode(), password.encode(), **more)
        ]
        return self.bench.until_answered(self.number)

    def last(self) -> AuthEvent:
        with self.bench.office.database.read() as session:
            return session.scalars(select(AuthEvent).order_by(AuthEvent.id.desc()).limit(1)).one()


@pytest.fixture
def door(bench: Bench) -> Door:
    return Door(bench)


def test_a_device_that_keeps_failing_waits_and_no_other_does(
    bench: Bench, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert door.login(PASSWORD) == ACCEPT
    for _ in range(ALLOWED + 1):
        assert door.login("a guess of theirs") == REJECT
        assert door.last().reason == "wrong_password"

    with monkeypatch.context() as patched:
        patched.setattr(bench.worker._store, "check_password", None)
        assert door.login("one guess more") == REJECT
        refused = door.last()
        assert (refused.reason, refused.trace) == ("too_many_attempts", "throttle:account_device")
        assert refused.account_id is not None
        # A guess that memory could confirm is a guess all the same.
        assert door.login(PASSWORD) == REJECT
        assert door.last().reason == "too_many_attempts"
    assert bench.counters.get("radius_throttled", by="account_device") == 2
    assert door.login(PASSWORD, station=ANOTHER) == ACCEPT
    assert door.login(PASSWORD, name="malee") == ACCEPT
    bench.auth.source = ("127.0.0.2", 40_000)
    assert door.login(PASSWORD) == ACCEPT


def test_a_name_that_nobody_has_waits_like_any_other(door: Door) -> None:
    for _ in range(ALLOWED + 1):
        door.login("a guess", name="nobody")
    door.login("a guess", name="nobody")
    assert door.last().reason == "too_many_attempts"
    assert door.last().account_id is None


@pytest.mark.parametrize("name", ["somchai", "nobody"])
def test_a_name_may_be_written_in_many_ways_and_has_one_count(
    bench: Bench, door: Door, name: str
) -> None:
    questions = bench.worker._questions
    stored = Realms(["school.example"], []).stored
    questions._directory._stored = stored
    ways = (name, name.upper(), f"{name}@school.example", f" {name.title()}@SCHOOL.example")
    for number in range(ALLOWED + 1):
        assert door.login("a guess of theirs", name=ways[number % len(ways)]) == REJECT
    for way in ways:
        assert door.login("one guess more", name=way) == REJECT
        assert door.last().reason == "too_many_attempts"
    # Elsewhere the same letters are somebody else.
    door.login("a guess of theirs", name=f"{name}@elsewhere.example")
    assert door.last().reason == "unknown_account"


def test_guessed_voucher_codes_make_the_device_wait(bench: Bench, door: Door) -> None:
    with bench.office.database.write() as session:
        _batch, codes = vouchers.create_batch(
            session, bench.office, count=1, role="guest", minutes=60, devices=1, issuer="head"
        )
    penalties = bench.worker._questions._throttle._penalties
    for number in range(101):
        penalties.failed(f"guess{number}", "3c22fb000001", 1, 1e9)
    assert door.login("", name="AAAAA-AAAAA") == REJECT
    assert door.last().reason == "too_many_attempts"
    assert door.login("", name=codes[0], station=ANOTHER) == ACCEPT


def test_a_device_that_tries_many_names_costs_no_more_argon2(
    bench: Bench, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert door.login(PASSWORD) == ACCEPT
    penalties = bench.worker._questions._throttle._penalties
    for number in range(101):
        penalties.failed(f"pupil{number}", "3c22fb000001", 1, 1e9)
    monkeypatch.setattr(bench.worker._store, "check_password", None)
    assert door.login(PASSWORD, name="malee") == REJECT
    assert door.last().trace == "throttle:device"
    # Who is known to be right is let in: the desk that a class shares goes on.
    assert door.login(PASSWORD) == ACCEPT


def test_a_rush_at_one_nas_keeps_no_other_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    checked = bench.worker._store.check_password

    def wait(*arguments: Any) -> Any:
        assert go_on.wait(20)
        return checked(*arguments)

    monkeypatch.setattr(bench.worker._store, "check_password", wait)
    bench.worker._questions._queue = FairQueue(10)
    secret, password = SECRET.encode(), PASSWORD.encode()
    bench.auth.waiting = [
        access_request(number, secret, b"malee", password) for number in range(30)
    ]
    bench.turn()
    held = bench.worker._questions.waiting
    assert held == 7
    assert bench.counters.get("radius_throttled", by="nas") == 30 - held
    bench.auth.source = ("127.0.0.2", 40_000)
    bench.auth.waiting = [access_request(200, secret, b"somchai", password)]
    bench.turn()
    assert bench.worker._questions.waiting == held + 1
    go_on.set()
    assert bench.until_answered(200) == ACCEPT
    answered = list(bench.auth.sent)
    assert answered.index(200) <= 2, "its turn came behind what was under way, not last"
