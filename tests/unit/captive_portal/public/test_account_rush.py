"""Strangers who fill the count of an account do not shut out its owner."""

from __future__ import annotations

import pytest

from captive_portal.public import throttle
from captive_portal.web.limits import Limit
from identity.office import Office
from tests.conftest import add_person
from tests.unit.captive_portal.public.conftest import Visitor, make_app

PASSWORD = "password of theirs"
OWN = "192.0.2.77"


def test_an_owner_elsewhere_gets_in_while_strangers_guess_and_they_do_not_go_on(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The real count takes sixty; each attempt hashes a password.
    few = Limit.of("login-account", "4 per 30 minutes", shared=True)
    monkeypatch.setattr(throttle, "_BY_ACCOUNT", few)
    add_person(office, "teacher", PASSWORD)
    apps = [make_app(office), make_app(office)]  # two workers

    def guess(visitor: Visitor, password: str = "wrong") -> int:
        return visitor.fill("/", username="teacher", password=password).status_code

    for number in range(2):
        visitor = Visitor(apps[0], f"198.51.100.{number + 1}")
        assert [guess(visitor) for _ in range(2)] == [422, 422]
    stranger = Visitor(apps[0], "198.51.100.99")
    assert [guess(stranger) for _ in range(4)] == [422, 422, 422, 429], "less room than before"
    for app in apps:
        owner = Visitor(app, OWN)
        assert guess(owner, "a slip") == 422
        assert guess(owner, PASSWORD) == 303
