"""Who is answered when: a ledger that is told when to be done stands in for the database."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from common.errors import BackendUnavailable
from common.metrics import Counters
from db.ledger import Batch
from db.ledger.batch import UnstorableError
from radius_server.worker.committer import MAXIMUM_WAITING, Committer
from radius_server.worker.outcome import Outcome
from radius_server.worker.presence import Presence

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


class SlowLedger:
    """Takes batches and is done with one when the test says so."""

    def __init__(self) -> None:
        self.started: list[Batch] = []
        self.stored: list[Batch] = []
        self.fault: Exception | None = None
        self.start_fault: Exception | None = None
        self.is_done = False
        self._ours, self._theirs = socket.socketpair()

    def start(self, batch: Batch) -> bool:
        self.started.append(batch)
        if self.start_fault is not None:
            raise self.start_fault
        return False

    def finished(self) -> bool:
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        return self.is_done

    def commit(self, batch: Batch) -> None:
        if any(row[2] == "odd" for row in batch.auth_events):
            raise UnstorableError("odd")
        self.on_commit()
        self.stored.append(batch)

    def on_commit(self) -> None:
        """What a test wants to see while a batch is waited for."""

    def fileno(self) -> int:
        return self._ours.fileno()

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()


class Desk:
    """A committer and what became of each exchange; an exchange is a name here."""

    def __init__(self) -> None:
        self.ledger = SlowLedger()
        self.answered: list[str] = []
        self.given_up: list[str] = []
        self.forgotten: list[str] = []
        self.counters = counters = Counters()
        self.committer = Committer(
            self.ledger,
            Presence(counters),
            counters,
            b"key",
            self._answer,
            lambda exchanges: self._note(self.given_up, exchanges),
            lambda exchanges: self._note(self.forgotten, exchanges),
            lambda _records, _owners: None,
        )

    def _answer(self, exchange: Any) -> None:
        if exchange.name == "unsendable":
            raise TypeError("AF_INET address must be a pair")
        self.answered.append(exchange.name)

    def add(self, name: str) -> None:
        nas = SimpleNamespace(facts=SimpleNamespace(name="gate"))
        exchange: Any = SimpleNamespace(name=name, nas=nas)
        outcome = self.committer.pending
        outcome.batch.auth_events.append((1, 1, name, None, "pap", "accept", "ok", *[None] * 4))
        outcome.exchanges.append(exchange)

    def turn(self) -> None:
        self.committer.land(NOW, 0.0)
        self.committer.take_off(NOW, 0.0)

    @staticmethod
    def _note(where: list[str], exchanges: Iterable[Any]) -> None:
        where.extend(_name(exchange) for exchange in exchanges)


def _name(exchange: Any) -> str:
    name: str = exchange.name
    return name


@pytest.fixture
def desk() -> Iterable[Desk]:
    made = Desk()
    yield made
    made.ledger.close()


def test_nobody_is_answered_before_the_batch_is_durable(desk: Desk) -> None:
    desk.add("a")
    desk.turn()
    desk.add("b")
    desk.turn()
    assert len(desk.ledger.started) == 1
    assert desk.answered == []
    desk.ledger.is_done = True
    desk.committer.land(NOW, 0.0)
    assert desk.answered == ["a"], "b went off only now"
    assert len(desk.ledger.started) == 2
    desk.committer.land(NOW, 0.0)
    assert desk.answered == ["a", "b"]
    assert not desk.committer.is_busy


def test_a_lost_database_gives_up_the_batch_under_way_and_no_other(desk: Desk) -> None:
    desk.add("a")
    desk.turn()
    desk.add("b")
    desk.ledger.fault = BackendUnavailable("database", "gone")
    desk.turn()
    assert (desk.given_up, desk.answered) == (["a"], [])
    desk.ledger.is_done = True
    desk.turn()
    assert desk.answered == ["b"]


def test_one_odd_row_takes_no_other_along(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "odd", "c"):
        desk.add(name)
    names = iter(("a", "odd", "c"))

    def split(_outcome: Outcome) -> Iterable[Outcome]:
        for name in names:
            desk.committer.pending = single = Outcome(b"key")
            desk.add(name)
            yield single

    monkeypatch.setattr(Outcome, "split", split)
    desk.turn()
    desk.ledger.fault = UnstorableError("odd")
    desk.committer.land(NOW, 0.0)
    assert desk.answered == ["a", "c"]
    assert desk.forgotten == ["odd"]


def test_reading_stops_when_too_many_wait(desk: Desk) -> None:
    desk.add("a")
    desk.turn()
    for number in range(MAXIMUM_WAITING):
        assert not desk.committer.is_full
        desk.add(str(number))
    assert desk.committer.is_full
    desk.ledger.is_done = True
    desk.turn()
    assert not desk.committer.is_full


def test_the_end_waits_for_what_is_under_way(desk: Desk) -> None:
    desk.add("a")
    desk.turn()
    desk.add("b")
    desk.ledger.is_done = True
    desk.committer.finish(NOW, float("inf"))
    assert desk.answered == ["a", "b"]


def test_what_is_stored_is_answered_whatever_becomes_of_the_next_batch(desk: Desk) -> None:
    desk.add("a")
    desk.turn()
    desk.add("b")
    desk.ledger.is_done = True
    desk.ledger.start_fault = ZeroDivisionError("nobody foresaw it")
    with pytest.raises(ZeroDivisionError):
        desk.committer.land(NOW, 0.0)
    assert (desk.answered, desk.forgotten) == (["a"], ["b"])


def test_replies_do_not_wait_for_a_batch_that_is_looked_at_closer(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.add("a")
    desk.turn()
    desk.add("b")
    desk.committer.pending.is_unclear = True
    monkeypatch.setattr(Outcome, "placed", lambda outcome, _place: outcome)
    before: list[list[str]] = []
    monkeypatch.setattr(desk.ledger, "on_commit", lambda: before.append(list(desk.answered)))
    desk.ledger.is_done = True
    desk.committer.land(NOW, 0.0)
    assert before == [["a"]]
    assert desk.answered == ["a", "b"]


def test_a_reply_that_cannot_be_sent_takes_no_other_along(desk: Desk) -> None:
    for name in ("a", "unsendable", "c"):
        desk.add(name)
    desk.turn()
    desk.ledger.is_done = True
    desk.committer.land(NOW, 0.0)
    assert desk.answered == ["a", "c"]
    assert desk.counters.get("radius_internal_errors") == 1
