"""Decisions of many threads in few commits, and what each thread is told of its own."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from common.errors import BackendUnavailable
from db.auth_events import AuthEvents
from db.engine import Database
from db.ledger.batch import Batch, UnstorableError
from db.models import AuthEvent
from identity.office import Office
from tests.conftest import PostgresqlServer, wait_until


def row(name: str) -> dict[str, Any]:
    return {
        "at": 1_800_000_000_000_000,
        "user_name": name,
        "method": "portal",
        "outcome": "accept",
        "reason": "ok",
    }


def names(database: Database) -> list[str]:
    with database.read() as session:
        return sorted(session.scalars(select(AuthEvent.user_name)))


class SlowLedger:
    """Commits nothing until it is let; remembers what it was given."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.go = threading.Event()
        self.refuses: str | None = None
        self.is_away = False

    def commit(self, batch: Batch) -> None:
        self.batches.append([row[2] for row in batch.auth_events])
        assert self.go.wait(20)
        if self.is_away:
            raise BackendUnavailable("database", "gone")
        if self.refuses in self.batches[-1]:
            raise UnstorableError("a value")

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        self.batches.append(["closed"])


def behind_one_that_waits(slow: SlowLedger, *others: str) -> dict[str, Exception | None]:
    """What threads are told that write while the first one's commit is under way."""
    events = AuthEvents("sqlite:///nowhere.db")
    events._ledger = slow  # type: ignore[assignment]

    def write(name: str) -> Exception | None:
        try:
            events.write(**row(name))
        except (BackendUnavailable, UnstorableError) as error:
            return error
        return None

    with ThreadPoolExecutor(8) as pool:
        told = {"first": pool.submit(write, "first")}
        wait_until(lambda: bool(slow.batches), 20, "nobody commits")
        told |= {name: pool.submit(write, name) for name in others}
        wait_until(lambda: len(events._waiting) == len(others), 20, "they do not wait")
        slow.go.set()
        return {name: future.result(20) for name, future in told.items()}


def test_those_who_wait_are_written_together() -> None:
    slow = SlowLedger()
    told = behind_one_that_waits(slow, "a", "b", "c")
    assert [sorted(batch) for batch in slow.batches] == [["first"], ["a", "b", "c"]]
    assert set(told.values()) == {None}


def test_one_odd_value_spoils_no_other_decision() -> None:
    slow = SlowLedger()
    slow.refuses = "odd"
    told = behind_one_that_waits(slow, "a", "odd", "b")
    assert isinstance(told.pop("odd"), UnstorableError)
    assert set(told.values()) == {None} and len(told) == 3


def test_a_database_that_is_gone_is_told_to_everybody_who_waited() -> None:
    slow = SlowLedger()
    slow.is_away = True
    told = behind_one_that_waits(slow, "a", "b")
    assert [type(error) for error in told.values()] == [BackendUnavailable] * 3


def test_a_commit_that_breaks_off_counts_as_written_for_nobody() -> None:
    slow = SlowLedger()

    def broken(_batch: Batch) -> None:
        raise MemoryError

    events = AuthEvents("sqlite:///nowhere.db")
    events._ledger = slow  # type: ignore[assignment]
    slow.commit = broken  # type: ignore[assignment,method-assign]
    with pytest.raises(MemoryError):
        events.write(**row("a"))
    assert not events._waiting


def test_every_thread_finds_its_row_written_when_it_goes_on(office_on: Office) -> None:
    database = office_on.database

    def write(number: int) -> int:
        database.auth_events.write(**row(f"user{number:02}"))
        with database.read() as session:
            found = select(func.count()).where(AuthEvent.user_name == f"user{number:02}")
            return session.scalar(found) or 0

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(write, range(40))) == [1] * 40
    assert names(database) == [f"user{number:02}" for number in range(40)]


@pytest.mark.real
def test_a_name_that_postgresql_cannot_hold_is_refused_and_the_next_is_written(
    postgresql: PostgresqlServer,
) -> None:
    database = Database(postgresql.create_database("migrated"))
    try:
        with pytest.raises(UnstorableError):
            database.auth_events.write(**row("a\0b"))
        database.auth_events.write(**row("plain"))
        assert names(database) == ["plain"]
    finally:
        database.dispose()
