"""Connections to a real PostgreSQL: what is asked of them, and what they survive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select, text

from common.errors import BackendUnavailable
from db.engine import Database
from db.models import AuthEvent, Role
from tests.conftest import PostgresqlServer
from tests.unit.db.test_auth_events import names, row

pytestmark = pytest.mark.real

_ROLE = select(Role.name).where(Role.name == "nobody's")


@pytest.fixture
def database(postgresql: PostgresqlServer) -> Iterator[Database]:
    opened = Database(postgresql.create_database("migrated"))
    yield opened
    opened.dispose()


def _cut(postgresql: PostgresqlServer, database: Database) -> None:
    """Close every connection from the server's side, as a restart of it does."""
    name = database.engine.url.database
    postgresql.execute(
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"
    )


def test_after_a_restart_of_the_server_nobody_is_turned_away(
    postgresql: PostgresqlServer, database: Database
) -> None:
    for number in range(2):
        with database.read() as session, database.read() as other:
            session.scalar(_ROLE)
            other.scalar(_ROLE)
        database.ask(_ROLE, {})
        database.auth_events.write(**row(f"user{number}"))
        _cut(postgresql, database)
    assert names(database) == ["user0", "user1"]
    assert database.ask(_ROLE, {}) == []


def test_what_readers_prepared_stays_prepared(database: Database) -> None:
    prepared = text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%role%'")
    for _ in range(12):
        with database.read() as session:
            session.scalar(_ROLE)
    with database.read() as session:
        assert session.scalar(prepared) == 1


def test_a_session_for_reading_cannot_write(database: Database) -> None:
    with pytest.raises(BackendUnavailable, match="read-only"), database.read() as session:
        session.add(Role(name="written"))
        session.flush()
    with database.read() as session:
        session.add(Role(name="forgotten"))
    assert database.ask(select(Role.name).where(Role.name.in_(("written", "forgotten"))), {}) == []


def test_a_question_is_the_last_thing_its_connection_was_told(database: Database) -> None:
    """No BEGIN before it and no ROLLBACK after it: each would be one more round trip."""
    database.ask(_ROLE, {})
    watcher = Database(database.url)
    last = "SELECT state, query FROM pg_stat_activity WHERE datname = current_database()"
    try:
        seen = watcher.ask(text(f"{last} AND pid <> pg_backend_pid()"), {})
    finally:
        watcher.dispose()
    assert [(one.state, one.query.split()[0]) for one in seen] == [("idle", "SELECT")]


def test_a_writer_after_a_question_is_in_a_transaction_again(database: Database) -> None:
    database.ask(_ROLE, {})
    with pytest.raises(ZeroDivisionError), database.write() as session:
        session.add(Role(name="half"))
        session.flush()
        raise ZeroDivisionError
    assert database.ask(select(Role.name).where(Role.name == "half"), {}) == []
    assert database.ask(select(AuthEvent.id), {}) == []
