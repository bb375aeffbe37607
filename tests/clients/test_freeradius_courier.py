"""Accounting for a FreeRADIUS home server that is away while ours is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.clients.radclient import Nas
from tests.clients.test_freeradius_proxy import _PROXY, HOME_SECRET, VISITOR, Roaming
from tests.conftest import free_port, wait_until
from tests.integration.radius_site import (
    KINDS,
    LOOPBACK,
    descendants_of,
    site_of_kind,
    started,
    wait_for_workers,
)
from tests.programs import require

pytestmark = [pytest.mark.real, pytest.mark.timeout(200), pytest.mark.sampled]

SESSIONS = 6
IN_ORDER = ["Start", "Interim-Update", "Stop"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_answered_reaches_home_though_both_were_down(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    require("freeradius", "freeradius")
    ports = [free_port(socket.SOCK_DGRAM) for _ in range(4)]
    secret = tmp_path / "partner-secret"
    secret.write_text(HOME_SECRET + "\n")
    text = _PROXY.format(
        first=ports[0],
        first_acct=ports[1],
        second=ports[2],
        second_acct=ports[3],
        secret=secret,
    )
    live = site_of_kind(request, tmp_path, kind, {"[database]": text})
    live.add_nas("gate", LOOPBACK)
    nas = Nas(live, tries=5)

    with started(live.site, "radius") as server:
        wait_for_workers(live, server)
        roaming = Roaming(live, server, tmp_path, ((ports[0], ports[1]), (ports[2], ports[3])))
        for number in range(SESSIONS):
            for status in IN_ORDER[:2]:
                answer = nas.account(status, f"visit-{number}", User_Name=VISITOR)
                assert answer.code == "Accounting-Response"
        nas.account("Start", "ours-1", User_Name="somchai")
        wait_until(
            lambda: (
                live.counter("proxy_timeouts", server="first/acct") > 0
                or "home_server_dead" in server.log()
            ),
            20,
            "it was never offered",
        )
        family = [server.process.pid, *descendants_of(server.process.pid)]
        for process in family:
            os.kill(process, signal.SIGKILL)
        server.process.wait(20)

    shown = json.loads(live.yuenyan("proxy", "status", "--json").stdout)
    waiting = {one["realm"]: one["waiting"] for one in shown["realms"]}
    assert waiting == {"partner.example": 2 * SESSIONS, "deaf.example": 0}
    assert shown["waiting"] == 2 * SESSIONS
    with started(live.site, "radius") as server:
        wait_for_workers(live, server)
        for number in range(SESSIONS):
            answer = nas.account("Stop", f"visit-{number}", User_Name=VISITOR)
            assert answer.code == "Accounting-Response"
        with roaming.home(0) as home:

            def heard() -> list[tuple[str, str]]:
                return [
                    (asked["Acct-Session-Id"][0], asked["Acct-Status-Type"][0])
                    for asked in home.requests("Accounting-Request")
                ]

            wait_until(lambda: len(set(heard())) == 3 * SESSIONS, 90, f"home heard {heard()}")
            for number in range(SESSIONS):
                of_one = [status for session, status in heard() if session == f"visit-{number}"]
                assert list(dict.fromkeys(of_one)) == IN_ORDER, of_one
            assert "ours-1" not in dict(heard())
            delays = [
                int(asked["Acct-Delay-Time"][0])
                for asked in home.requests("Accounting-Request")
                if asked["Acct-Status-Type"] == ["Start"]
            ]
            assert min(delays) >= 1, "home cannot tell when it was"
            wait_until(
                lambda: live.rows("SELECT count(*) FROM relay_outbox") == [(0,)],
                15,
                "what was delivered is still owed",
            )
        assert server.stop() == 0, server.log()
    assert live.rows("SELECT count(*) FROM accounting_event") == [(3 * SESSIONS + 1,)]
