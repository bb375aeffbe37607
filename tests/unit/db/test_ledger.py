"""db.ledger and db.engine when PostgreSQL is in a bad way: deadlocks, standbys, dead machines."""

from __future__ import annotations

import select
import socket
import threading
import time
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from common.errors import BackendUnavailable
from db.engine import Database
from db.ledger import Batch, Ledger, open_ledger
from db.ledger.batch import UnclearError, UnstorableError
from db.patience import connection_options
from tests.conftest import PostgresqlServer, wait_until


def _batch(*keys: str) -> Batch:
    sessions = [
        (
            key,
            1,
            "ap",
            "1",
            "somchai",
            None,
            None,
            None,
            None,
            None,
            1,
            1,
            1,
            0,
            0,
            None,
            None,
            0,
            0,
        )
        for key in keys
    ]
    event = (1, 1, "127.0.0.1#1", 1, keys[0], "somchai", None, None, 0, None, b"\x04")
    return Batch(accounting_events=[event], sessions=list(sessions))


_AUTH_EVENT = (1, 1, "somchai", None, "pap", "reject", "unknown_account", None, None, None, None)


def _connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        make_url(url).set(drivername="postgresql").render_as_string(hide_password=False),
        autocommit=True,
    )


@pytest.mark.real
def test_a_batch_that_lost_a_deadlock_is_written_again(postgresql: PostgresqlServer) -> None:
    url = postgresql.create_database("migrated")
    ledger = open_ledger(url)
    ledger.commit(_batch("a", "b"))
    failures: list[BaseException] = []

    def commit() -> None:
        try:
            ledger.commit(_batch("a", "b"))
        except BackendUnavailable as error:
            failures.append(error)

    touch = "UPDATE network_session SET nas_port = 'x' WHERE session_key = %s"
    with _connect(url) as other, _connect(url) as observer:
        other.execute("SET deadlock_timeout = '30s'")  # so that the ledger is the victim
        writer = threading.Thread(target=commit)
        with other.transaction():
            other.execute(touch, ("b",))
            writer.start()
            waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            wait_until(lambda: observer.execute(waiting).fetchone(), 10, "nobody waits")
            other.execute(touch, ("a",))
        writer.join(20)
        assert failures == []
        (events,) = observer.execute("SELECT count(*) FROM accounting_event").fetchone() or ()
        assert events == 2
    ledger.close()


def _finish(ledger: Ledger) -> None:
    def done() -> bool:
        select.select([ledger], [], [], 0.1)
        return ledger.finished()

    wait_until(done, 20, "the batch is not written")


@pytest.mark.real
def test_a_started_batch_leaves_the_worker_free_until_it_is_durable(
    postgresql: PostgresqlServer,
) -> None:
    url = postgresql.create_database("migrated")
    ledger = open_ledger(url)
    ledger.commit(_batch("a"))
    with _connect(url) as other:
        with other.transaction():
            other.execute("UPDATE network_session SET nas_port = 'x'")  # the row is locked
            assert not ledger.start(_batch("a"))
            assert not ledger.finished()
        _finish(ledger)
        assert other.execute("SELECT count(*) FROM accounting_event").fetchone() == (2,)
    assert not ledger.start(Batch(auth_events=[_AUTH_EVENT]))
    _finish(ledger)
    ledger.close()


_RARE: dict[str, Any] = {
    "nas_seen": {7: (5, None, 5), 3: (6, 6, None)},
    "unknown": {"192.0.2.9": (1, 2, 3)},
    "boots": [(1, "ap", 50, 7), (1, "other", 60, 7)],
    "relays": [(1, "school.example", "k", b"\x00\xff", 1, 0)],
}
"""What some batches have beside the rows of one statement."""


def _counted(connection: psycopg.Connection[tuple[object, ...]]) -> tuple[object, ...]:
    tables = ("auth_event", "accounting_event", "nas_boot", "unknown_nas", "relay_outbox")
    counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)
    return connection.execute(f"SELECT {counts}".encode()).fetchone() or ()


@pytest.mark.real
def test_a_batch_of_several_statements_leaves_the_worker_free_too(
    postgresql: PostgresqlServer,
) -> None:
    url = postgresql.create_database("migrated")
    ledger = open_ledger(url)
    ledger.commit(_batch("a"))
    batch = _batch("b")
    batch.auth_events = [_AUTH_EVENT]
    with _connect(url) as other:
        with other.transaction():
            other.execute("LOCK TABLE unknown_nas IN EXCLUSIVE MODE")
            assert not ledger.start(replace(batch, **_RARE))
            time.sleep(0.3)  # it does not end, nor a part of it
            assert not ledger.finished()
            assert _counted(other) == (0, 1, 0, 0, 0), "a part was committed before the rest"
        _finish(ledger)
        assert _counted(other) == (1, 2, 2, 1, 1)
        closed = "SELECT session_key FROM network_session WHERE close_cause = 'nas_restarted'"
        assert sorted(other.execute(closed.encode()).fetchall()) == [("a",), ("b",)]
        octets = other.execute("SELECT octets FROM relay_outbox").fetchone()
        assert octets == (b"\x00\xff",)
    ledger.commit(Batch(unknown={"192.0.2.9": (0, 9, 4)}))
    with _connect(url) as other:
        seen = other.execute("SELECT first_seen_at, last_seen_at, datagrams FROM unknown_nas")
        assert seen.fetchall() == [(1, 9, 7)]
    ledger.close()


@pytest.mark.real
def test_of_several_statements_all_are_stored_or_none(postgresql: PostgresqlServer) -> None:
    url = postgresql.create_database("migrated")
    ledger = open_ledger(url)
    bad = {**_RARE, "unknown": {"192.0.2.9": (2**70, 2, 3)}}
    assert not ledger.start(replace(_batch("a"), **bad))
    with pytest.raises(UnstorableError):
        _finish(ledger)
    ledger.commit(_batch("a"))
    with _connect(url) as other:
        assert _counted(other) == (0, 1, 0, 0, 0)
    ledger.close()


@pytest.mark.real
def test_an_unclear_session_undoes_what_comes_with_it_and_the_connection_lives(
    postgresql: PostgresqlServer,
) -> None:
    url = postgresql.create_database("migrated")
    ledger = open_ledger(url)
    ledger.commit(_batch("a"))
    with _connect(url) as other:
        other.execute("UPDATE network_session SET stop_seen = 1, stop_at = 0, started_at = 0")
        before = ledger.fileno()
        with pytest.raises(UnclearError):
            ledger.commit(replace(_batch("a"), **_RARE))
        assert _counted(other) == (0, 1, 0, 0, 0)
        ledger.commit(replace(_batch("a"), is_placed=True, **_RARE))
        assert _counted(other) == (0, 2, 2, 1, 1)
        assert ledger.fileno() == before
    ledger.close()


@pytest.mark.real
def test_nobody_waits_for_a_database_that_takes_connections_and_says_nothing() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        ledger = open_ledger(f"postgresql+psycopg://postgres@127.0.0.1:{port}/none")
        began = time.monotonic()
        for _ in range(20):
            with pytest.raises(BackendUnavailable):
                ledger.start(Batch(auth_events=[_AUTH_EVENT]))
        # One attempt takes three seconds; it is waited for half a second once.
        assert time.monotonic() - began < 2
        ledger.close()


@pytest.mark.real
def test_a_started_batch_says_when_it_cannot_be_stored(postgresql: PostgresqlServer) -> None:
    url = postgresql.create_database("migrated")
    ledger = open_ledger(url)
    too_big = (2**70, *_AUTH_EVENT[1:])
    ledger.start(Batch(auth_events=[too_big]))
    with pytest.raises(UnstorableError):
        _finish(ledger)
    ledger.start(Batch(auth_events=[_AUTH_EVENT]))
    _finish(ledger)
    with _connect(url) as other:
        assert other.execute("SELECT count(*) FROM auth_event").fetchone() == (1,)
    ledger.close()


@pytest.mark.real
def test_a_started_batch_whose_connection_is_cut_is_not_stored(
    postgresql: PostgresqlServer,
) -> None:
    url = postgresql.create_database("migrated")
    ledger = open_ledger(url)
    ledger.commit(_batch("a"))
    with _connect(url) as other:
        with other.transaction():
            other.execute("UPDATE network_session SET nas_port = 'x'")
            ledger.start(_batch("a"))
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> %s"
            other.execute(others + " AND datname = current_database()", (other.info.backend_pid,))
            with pytest.raises(BackendUnavailable):
                _finish(ledger)
        ledger.commit(_batch("a"))
        assert other.execute("SELECT count(*) FROM accounting_event").fetchone() == (2,)
    ledger.close()


@pytest.mark.parametrize(
    "text", ['a "quoted" name', "back\\slash", "{1,2}", "NULL", "", "ไทย", None]
)
@pytest.mark.real
def test_every_text_arrives_as_it_was(postgresql: PostgresqlServer, text: str | None) -> None:
    url = postgresql.create_database("migrated")
    ledger = open_ledger(url)
    rows = [(*_AUTH_EVENT[:7], text, other, None, None) for other in ("plain", 'od"d', None)]
    ledger.commit(Batch(auth_events=rows))
    with _connect(url) as connection:
        found = connection.execute(
            "SELECT calling_station_id, called_station_id FROM auth_event ORDER BY id"
        ).fetchall()
    assert found == [(text, "plain"), (text, 'od"d'), (text, None)]
    ledger.close()


@pytest.mark.real
def test_a_standby_is_an_unavailable_back_end_and_no_fault_of_the_batch(
    postgresql: PostgresqlServer,
) -> None:
    url = postgresql.create_database("migrated")
    with _connect(url) as connection:
        name = make_url(url).database
        connection.execute(
            f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode()
        )
    ledger = open_ledger(url)
    with pytest.raises(BackendUnavailable):
        ledger.commit(_batch("a"))
    ledger.close()
    database = Database(url)
    with pytest.raises(BackendUnavailable), database.write() as session:
        session.connection().exec_driver_sql("UPDATE revision SET number = number + 1")
    database.dispose()


@pytest.mark.real
def test_a_database_that_never_answers_is_given_up_in_seconds() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"postgresql+psycopg://postgres@127.0.0.1:{silent.getsockname()[1]}/none"
        database = Database(url)
        began = time.monotonic()
        with pytest.raises(BackendUnavailable), database.read() as session:
            session.connection()
        assert time.monotonic() - began < 10
        database.dispose()


def test_what_the_url_says_about_waiting_comes_first() -> None:
    options = connection_options("postgresql+psycopg://h/d?connect_timeout=9")
    assert "connect_timeout" not in options
    assert options["tcp_user_timeout"] == 5_000
