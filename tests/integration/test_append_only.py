"""Rows of evidence cannot be changed or deleted, by our code or by who has the database's URL."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from common.clock import utc_now
from db.append_only import TABLES, lifted, missing
from db.engine import Database
from db.models import AccountingEvent, AuditEvent, AuthEvent, Base
from identity.office import Office
from tests.conftest import PostgresqlServer, Site
from tests.programs import require

EVENTS: dict[type[Base], Callable[[], Base]] = {
    AuditEvent: lambda: AuditEvent(at=utc_now(), actor="a", action="b:c", target="d"),
    AuthEvent: lambda: AuthEvent(
        at=utc_now(), user_name="u", method="pap", outcome="reject", reason="x"
    ),
    AccountingEvent: lambda: AccountingEvent(
        received_at=utc_now(), nas_client_id=1, source="s", status_type=1, octets=b"x"
    ),
}


def fill(office: Office) -> None:
    with office.database.write() as session:
        session.add_all(make() for make in EVENTS.values())


@contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(DBAPIError, match="append-only"):
        yield


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET id = id + 1000"])
def test_every_change_is_refused_and_adding_is_not(
    office_on: Office, table: str, statement: str
) -> None:
    fill(office_on)
    with refused(), office_on.database.write() as session:
        session.execute(text(statement.format(table)))
    fill(office_on)
    with office_on.database.read() as session:
        assert session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() >= 2


def test_the_mover_may_and_leaves_no_door_open(office_on: Office) -> None:
    fill(office_on)
    with office_on.database.write() as session:
        with lifted(session):
            session.execute(update(AuthEvent).values(user_name=""))
            session.execute(delete(AccountingEvent))
        with refused():
            session.execute(delete(AuthEvent))
        session.rollback()
    with office_on.database.write() as session, lifted(session):
        session.execute(delete(AccountingEvent))
    with office_on.database.read() as session:
        assert session.scalar(select(func.count()).select_from(AccountingEvent)) == 0
        assert missing(session.connection()) == []
    with refused(), office_on.database.write() as session:
        session.execute(delete(AuthEvent))


def test_a_mover_that_fails_leaves_everything_as_it_was(office_on: Office) -> None:
    fill(office_on)

    def fail(session: Session) -> None:
        with lifted(session):
            session.execute(delete(AuditEvent))
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError), office_on.database.write() as session:
        fail(session)
    with office_on.database.read() as session:
        assert session.scalar(select(func.count()).select_from(AuditEvent))
        assert missing(session.connection()) == []


def test_a_dropped_trigger_is_an_error_of_doctor(site_on: Site) -> None:
    database = Database(site_on.config.database_url)
    with database.engine.begin() as connection:
        name = "audit_event_no_delete" if database.is_sqlite else "audit_event_append_only"
        where = "" if database.is_sqlite else " ON audit_event"
        connection.exec_driver_sql(f"DROP TRIGGER {name}{where}")
        assert missing(connection) == [name]
    database.dispose()
    result = site_on.yuenyan("doctor")
    assert f"not in force: {name}" in result.stdout
    assert result.exit_code == 1


_DROPPED = "DROP TRIGGER audit_event_append_only ON audit_event"
_EMPTY: dict[str, tuple[tuple[str, ...], ...]] = {
    "sqlite": (
        (
            "DROP TRIGGER audit_event_no_delete",
            "CREATE TRIGGER audit_event_no_delete BEFORE DELETE ON audit_event"
            " WHEN 0 BEGIN SELECT RAISE(ABORT, 'audit_event is append-only'); END",
        ),
    ),
    "postgresql": (
        ("ALTER TABLE audit_event ENABLE REPLICA TRIGGER audit_event_append_only",),
        (
            _DROPPED,
            "CREATE TRIGGER audit_event_append_only BEFORE INSERT ON audit_event"
            " FOR EACH STATEMENT EXECUTE FUNCTION append_only_refuse()",
        ),
        (
            _DROPPED,
            "CREATE TRIGGER audit_event_append_only BEFORE UPDATE OR DELETE ON audit_event"
            " FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION append_only_refuse()",
        ),
        (
            "CREATE OR REPLACE FUNCTION append_only_refuse() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN RETURN NULL; END'",
        ),
    ),
}


def test_a_trigger_that_is_there_and_refuses_nothing_is_not_in_force(site_on: Site) -> None:
    database = Database(site_on.config.database_url)
    for statements in _EMPTY[database.engine.dialect.name]:
        with database.engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
            found = missing(connection)
            assert found and "audit_event" in found[0], statements
            connection.rollback()
            assert missing(connection) == []
    database.dispose()


@pytest.mark.real
def test_truncate_is_refused_on_postgresql(postgresql: PostgresqlServer) -> None:
    database = Database(postgresql.create_database("migrated"))
    with refused(), database.write() as session:
        session.execute(text("TRUNCATE audit_event"))
    database.dispose()


@pytest.mark.real
def test_the_service_role_cannot_even_lift_the_rule(postgresql: PostgresqlServer) -> None:
    psql = require("psql", "postgresql-client")
    url = postgresql.create_database("migrated")
    name = url.rpartition("/")[2]
    script = Path(__file__).parents[2] / "deploy" / "postgresql" / "roles.sql"
    for _ in range(2):
        subprocess.run(
            [
                *(psql, "-q", "-h", "127.0.0.1", "-p", str(postgresql.port), "-U", "postgres"),
                *("-d", name, "-v", "service_password=s", "-v", "mover_password=m"),
                *("-f", str(script)),
            ],
            check=True,
            timeout=60,
        )

    def connect(role: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1", port=postgresql.port, user=role, dbname=name, autocommit=True
        )

    insert = (
        "INSERT INTO audit_event (at, actor, action, target, detail) VALUES (1, 'a', 'b', 'c', '')"
    )
    with connect("yuenyan_service") as service:
        service.execute(insert)
        assert service.execute("SELECT count(*) FROM audit_event").fetchone() == (1,)
        for statement in (
            "DELETE FROM audit_event",
            "UPDATE auth_event SET user_name = ''",
            "TRUNCATE accounting_event",
            "UPDATE append_only SET lifted = true",
            "ALTER TABLE audit_event DISABLE TRIGGER ALL",
            "DROP TRIGGER audit_event_append_only ON audit_event",
            "CREATE OR REPLACE FUNCTION append_only_refuse() RETURNS trigger LANGUAGE plpgsql "
            "AS 'BEGIN RETURN NULL; END'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                service.execute(statement.encode())
    with connect("yuenyan_mover") as mover:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            mover.execute("DELETE FROM audit_event")
        with mover.transaction():
            mover.execute("UPDATE append_only SET lifted = true")
            mover.execute("DELETE FROM audit_event")
            mover.execute("UPDATE append_only SET lifted = false")
        assert mover.execute("SELECT count(*) FROM audit_event").fetchone() == (0,)
