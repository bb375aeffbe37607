"""Ending a connection from the list: asked once more, and the answer of the equipment in words."""

from __future__ import annotations

import time

import pytest
from flask import Flask
from sqlalchemy import select

from captive_portal.admin import disconnects
from captive_portal.admin.disconnects import ERROR_CAUSES, OUTCOMES
from db.models import AuditEvent, CoaRequest, NetworkSession
from identity.domain.dynamic import State
from identity.office import Office
from identity.services import outbox
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.admin.conftest import Officer


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disconnects, "WAIT_SECONDS", 0.0)


@pytest.fixture
def key(office: Office) -> str:
    """An open session of somchai.r."""
    seed.add_school_day(office)
    with office.database.read() as session:
        return (
            session.scalars(
                select(NetworkSession.session_key).where(
                    NetworkSession.user_name == "somchai.r",
                    NetworkSession.stop_seen == 0,
                    NetworkSession.closed_at.is_(None),
                )
            ).first()
            or ""
        )


def answer(office: Office, state: State, cause: int | None = None) -> None:
    """What the sender would note."""
    with office.database.write() as session:
        for request in session.scalars(select(CoaRequest)):
            request.claimed_by = "node"
    with office.database.write() as session:
        outbox.finish(session, office.clock(), "node", 1, state, cause)


def test_a_connection_is_ended_after_a_second_question(
    admin: Officer, office: Office, key: str
) -> None:
    assert f"/sessions/{key}/end" in admin.get("/sessions/").text
    assert "somchai.r" in admin.get(f"/sessions/{key}/end").text
    page = admin.follow(f"/sessions/{key}/end", note="borrowed device")
    assert "has not answered yet" in page
    with office.database.read() as session:
        (request,) = session.scalars(select(CoaRequest))
        event = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "session:disconnect_requested")
        ).one()
    assert (request.session_key, request.reason, request.actor) == (key, "officer", "head")
    assert (event.actor, event.target) == ("head", key)
    assert "borrowed device" in event.detail
    admin.follow(f"/sessions/{key}/end")
    with office.database.read() as session:
        assert len(session.scalars(select(CoaRequest)).all()) == 1


def test_the_refusal_of_the_equipment_stands_in_the_list(
    admin: Officer, office: Office, key: str
) -> None:
    admin.post(f"/sessions/{key}/end")
    answer(office, State.NAKKED, 501)
    assert "its settings forbid it" in admin.get("/sessions/").text
    admin.post(f"/sessions/{key}/end")
    assert "has not answered yet" in admin.get("/sessions/").text


def test_a_connection_that_was_ended_is_open_no_more(
    admin: Officer, office: Office, key: str
) -> None:
    admin.post(f"/sessions/{key}/end")
    answer(office, State.ACKED)
    assert f"/sessions/{key}/end" not in admin.get("/sessions/").text
    assert "Disconnected by the system" in admin.get("/sessions/?show=all").text
    assert admin.get(f"/sessions/{key}/end").location == "/sessions/"
    assert "ended already" in admin.get("/sessions/").text
    assert "ended already" in admin.follow(f"/sessions/{key}/end")


def test_the_answer_is_waited_for(
    admin: Officer, office: Office, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disconnects, "WAIT_SECONDS", 3.0)

    def sleep(_seconds: float) -> None:
        answer(office, State.UNSUPPORTED)

    monkeypatch.setattr(time, "sleep", sleep)
    assert "cannot be told to disconnect" in admin.follow(f"/sessions/{key}/end")


def test_every_outcome_has_words(app: Flask) -> None:
    assert set(OUTCOMES) == set(State)
    with app.test_request_context():
        request = CoaRequest(state="nakked", error_cause=777)
        assert "Error-Cause 777" in disconnects.outcome_in_words(request)
        assert all(str(text) for text in ERROR_CAUSES.values())


def test_thai_officers_read_thai(admin: Officer, key: str) -> None:
    page = admin.client.get(f"/sessions/{key}/end?lang=th").text
    assert "ยืนยันการตัดการเชื่อมต่อ" in page


def test_whose_connection_it_was_is_not_shown_and_whose_it_is_is_on_record(
    admin: Officer, office: Office, key: str
) -> None:
    assert "somchai.r" in admin.get(f"/sessions/{key}/end").text
    with office.database.write() as session:
        events = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "sessions:searched")
        ).all()
        assert [(one.actor, one.target) for one in events] == [("head", "somchai.r")]
        row = session.scalars(select(NetworkSession).where(NetworkSession.session_key == key)).one()
        row.closed_at, row.close_cause = office.clock(), "silent"
    response = admin.get(f"/sessions/{key}/end")
    assert (response.status_code, response.location) == (302, "/sessions/")
    assert "somchai" not in response.text
