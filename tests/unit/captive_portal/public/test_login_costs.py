"""How much a login asks of the database: each question more is felt when a school signs in."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event
from werkzeug.test import TestResponse

from db.ledger.batch import Batch
from db.models import NasClient
from identity.office import Office
from tests.conftest import add_person
from tests.unit.captive_portal.public.conftest import Visitor

PASSWORD = "password of theirs"


@pytest.fixture
def asked(office: Office, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The first word of every statement, and `commit` for each commit of a decision."""
    seen: list[str] = []

    def statement(_connection: Any, _cursor: Any, text: str, *_more: Any) -> None:
        seen.append(text.split()[0])

    event.listen(office.database.engine, "before_cursor_execute", statement)
    ledger = office.database.auth_events._ledger
    commit = ledger.commit

    def committed(batch: Batch) -> None:
        seen.append("commit")
        commit(batch)

    monkeypatch.setattr(ledger, "commit", committed)
    return seen


def _sender(visitor: Visitor, path: str) -> Callable[[str], TestResponse]:
    """Sends the form of the page at `path`, which is open already."""
    token = re.search(r'name="form_token" value="([^"]+)"', visitor.get(path).text)
    assert token is not None
    return lambda password: visitor.post(
        html.unescape(path), form_token=token[1], username="somchai", password=password
    )


def test_a_login_is_one_question_and_one_row(
    visitor: Visitor, office: Office, asked: list[str]
) -> None:
    add_person(office, "somchai", PASSWORD)
    send = _sender(visitor, "/")
    asked.clear()
    assert send(PASSWORD).status_code == 303
    assert asked == ["SELECT", "commit"]


def test_behind_a_gateway_it_asks_for_the_gateway_once_more(
    visitor: Visitor, office: Office, nas: NasClient, asked: list[str]
) -> None:
    add_person(office, "somchai", PASSWORD)
    send = _sender(visitor, visitor.get("/p/hall/?mac=3c-22-fb-01-02-03").location)
    asked.clear()
    answer = send(PASSWORD)
    assert answer.status_code == 303 and answer.location.startswith("/connect")
    assert [one for one in asked if one != "BEGIN"] == ["SELECT", "SELECT", "commit"]


def test_the_login_page_asks_nothing(visitor: Visitor, asked: list[str]) -> None:
    assert visitor.get("/").status_code == 200
    assert asked == []
