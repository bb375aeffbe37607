"""Passwords that are still to be changed, as RADIUS sees them: kept, or refused by choice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from identity.domain.access import UNCHANGED, Reason
from identity.office import Office
from identity.services import people
from identity.stores.sql import SqlStore
from tests.conftest import add_person
from tests.unit.radius_server.process.script import NOW, account


@pytest.mark.parametrize(
    ("settings", "state"),
    [
        pytest.param({}, "active", id="default"),
        pytest.param({"unchanged_by_radius": "refuse"}, UNCHANGED, id="refuse"),
        pytest.param(
            {"unchanged_by_radius": "refuse", "change_first": False}, "active", id="not-asked-for"
        ),
    ],
)
def test_the_configuration_decides_what_a_worker_is_told(
    office_on: Office, settings: dict[str, Any], state: str
) -> None:
    for name in ("somchai", "malee"):
        add_person(office_on, name)
    with office_on.database.write() as session:
        people.set_password(
            session, office_on, "somchai", office_on.passwords.hash("x"), "head", must_change=True
        )
    passwords = office_on.config.passwords.model_copy(update=settings)
    config = office_on.config.model_copy(update={"passwords": passwords})
    store = SqlStore(replace(office_on, config=config))
    try:
        found = store.accounts(["somchai", "malee"])
        assert (found["somchai"].state, found["malee"].state) == (state, "active")
        with office_on.database.write() as session:
            people.get(session, "somchai").origin = "directory:school"
        assert store.accounts(["somchai"])["somchai"].state == "active", "kept elsewhere"
        with office_on.database.write() as session:
            people.get(session, "somchai").origin = None
            people.set_state(session, office_on, "somchai", "suspended", "head")
        assert store.accounts(["somchai"])["somchai"].state == "suspended"
    finally:
        store.close()


def test_it_is_refused_for_that_reason_and_expired_goes_first() -> None:
    assert account(state=UNCHANGED).refusal(NOW) is Reason.PASSWORD_UNCHANGED
    over = account(state=UNCHANGED, expires_at=NOW - timedelta(seconds=1))
    assert over.refusal(NOW) is Reason.EXPIRED
