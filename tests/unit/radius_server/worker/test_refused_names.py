"""A name that the database cannot hold is nobody's, and takes no other login of its turn along."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from identity.domain.access import AccountSnapshot, Denied, Granted, Method, Reason
from identity.office import Office
from radius_server.process.questions import Dialogue, FindAccount, FindTokens
from radius_server.worker.questions import Login
from tests.conftest import add_person
from tests.unit.radius_server.worker.test_worker import PASSWORD, Bench


@pytest.fixture
def bench(office_on: Office) -> Iterator[Bench]:
    add_person(office_on, "somchai", PASSWORD)
    made = Bench(office_on)
    yield made
    made.close()


def asks(name: str) -> Dialogue:
    account = yield FindAccount(name)
    tokens = yield FindTokens(name)
    assert len(tokens) == 0
    if isinstance(account, AccountSnapshot):
        return Granted(account=account, method=Method.PAP)
    assert account is None
    return Denied(Reason.UNKNOWN_ACCOUNT, Method.PAP)


@pytest.mark.parametrize("name", ["som\0chai", "som\ud800chai"])
def test_a_name_that_the_database_refuses_hits_its_own_login_only(bench: Bench, name: str) -> None:
    class Asked:
        user_name, station, nas_client_id = "x", None, 1

    origin: Any = (None, Asked())
    logins = [Login(asks(name), origin), Login(asks("somchai"), origin)]
    decided, dropped = bench.worker._questions.start(logins)
    assert dropped == []
    found = {type(login.decision) for login in decided}
    assert found == {Granted, Denied}
    assert bench.counters.get("radius_backend_unavailable") == 0
    assert bench.worker._store.accounts(["somchai"]).keys() == {"somchai"}
