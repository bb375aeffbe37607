"""`yuenyan serve` whole: five processes from one configuration, and a clean end."""

from __future__ import annotations

import http.client
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.clients.radclient import Nas
from tests.conftest import wait_until
from tests.integration.radius_site import (
    KINDS,
    LOOPBACK,
    LiveSite,
    Server,
    children_of,
    descendants_of,
    is_alive,
    site_of_kind,
    started,
    wait_for_workers,
    words_of,
)
from tests.integration.test_kill_collector import Exporter
from tests.programs import require
from tests.udp_queues import wait_for_reader

pytestmark = [pytest.mark.real, pytest.mark.timeout(150), pytest.mark.sampled]

PASSWORD = "seven green elephants"
PROCESSES = ("radius", "portal", "admin", "collector", "housekeeper")
CHANGES = {"[collector]": "[archive]\nsegment_seconds = 1\n[collector]"}


def processes_of(server: Server) -> dict[str, int]:
    """The process number of each of the five, by the last word of its command line."""
    found = {}
    for number in children_of(server.process.pid):
        words = words_of(number)
        if words:
            found[words[-1]] = number
    return found


def page(listen: str) -> int:
    """The status of the front page."""
    connection = http.client.HTTPConnection(listen, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def serves(live: LiveSite) -> bool:
    config = live.site.config
    return page(config.portal.listen) == 200 and page(config.admin.listen) in (200, 302)


@pytest.mark.parametrize("kind", KINDS)
def test_serve_runs_everything_survives_kill_9_and_drains(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    require("radclient", "freeradius-utils")
    live = site_of_kind(request, tmp_path, kind, CHANGES)
    live.add_nas("gate", LOOPBACK)
    live.add_person("somchai", PASSWORD)
    exporter = Exporter(live.flow_port)
    with started(live.site, "serve") as server:
        wait_until(lambda: "Yuenyan is running." in server.log(), 60, server.log())
        wait_for_workers(live, server)
        before = processes_of(server)
        assert set(before) == set(PROCESSES)
        assert serves(live)
        nas = Nas(live)
        assert nas.access("somchai", PASSWORD).code == "Access-Accept"

        listening = server.log().count("radius_listening")
        for name in PROCESSES:
            os.kill(before[name], signal.SIGKILL)
        wait_until(
            lambda: (
                set(now := processes_of(server)) == set(PROCESSES)
                and not set(now.values()) & set(before.values())
            ),
            30,
            f"not every killed process came back: {server.log()}",
        )
        wait_until(lambda: serves(live), 40, "the pages do not come back")
        # The workers of the killed server drain, and write their metrics once more, before the
        # new ones have the ports: what is in the log tells them apart.
        wait_until(
            lambda: server.log().count("radius_listening") == 2 * listening,
            40,
            f"the RADIUS workers do not come back: {server.log()}",
        )
        assert nas.access("somchai", PASSWORD).code == "Access-Accept"
        accounted = nas.account("Start", "serve-1", User_Name="somchai")
        assert accounted.code == "Accounting-Response"
        wait_until(lambda: bound(live.flow_port), 30, "the collector does not listen again")
        exporter.send(5)
        wait_for_reader(live.flow_port)

        family = descendants_of(server.process.pid)
        assert server.stop() == 0, server.log()
        assert not any(is_alive(number) for number in family)
    exporter.close()
    assert live.rows("SELECT user_name FROM accounting_event") == [("somchai",)]
    assert len(live.rows("SELECT id FROM auth_event WHERE outcome = 'accept'")) == 2
    assert list((live.site.data_dir / "spool").iterdir()) == []


def bound(port: int) -> bool:
    """Whether somebody listens on this UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
