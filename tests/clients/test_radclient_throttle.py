"""A device that keeps failing waits, whichever worker hears it, and no other device does."""

from __future__ import annotations

import pytest

from tests.clients.radclient import Nas
from tests.conftest import wait_until
from tests.integration.radius_site import LiveSite

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

PASSWORD = "seven green elephants"
PHONE, TABLET = "3C-22-FB-61-00-01", "3C-22-FB-61-00-02"
ALLOWED = 10
"""Wrong passwords of one device at one account: the default."""


def reasons(live: LiveSite, name: str) -> list[str]:
    rows = live.rows("SELECT reason FROM auth_event WHERE user_name = :name ORDER BY id", name=name)
    return [row[0] for row in rows]


def test_a_device_that_keeps_failing_waits_and_no_other_does(live: LiveSite, nas: Nas) -> None:
    live.add_person("guessed", PASSWORD)
    for _ in range(ALLOWED + 4):
        answer = nas.access("guessed", "a guess", Calling_Station_Id=PHONE)
        assert answer.code == "Access-Reject"
        assert answer.one("Reply-Message") == "Login refused"
    # Each try is a socket of its own, so the workers took turns: they share what they saw.
    found = reasons(live, "guessed")
    assert found[:ALLOWED] == ["wrong_password"] * ALLOWED
    assert found.count("too_many_attempts") >= 2
    assert nas.access("guessed", PASSWORD, Calling_Station_Id=TABLET).code == "Access-Accept"
    # The wait was seconds: a try that is held back does not prolong it.
    wait_until(
        lambda: nas.access("guessed", PASSWORD, Calling_Station_Id=PHONE).code == "Access-Accept",
        20,
        "the device still waits",
    )
    wait_until(
        lambda: live.counter("radius_throttled", by="account_device") >= 2,
        10,
        "the counter of held back logins did not move",
    )
    why = live.yuenyan("login", "list", "--user", "guessed", "--refused", "--language", "en")
    assert "Too many wrong passwords came" in why.stdout
