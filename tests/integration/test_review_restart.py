"""A RADIUS server whose first process was killed is started again while its workers drain."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.integration.radius_packets import access_request
from tests.integration.radius_site import (
    LOOPBACK,
    SECRET,
    site_of_kind,
    started,
    wait_for_workers,
)
from tests.integration.test_kill_radius import kill

pytestmark = pytest.mark.timeout(120)

LOGINS = 230
"""Each costs one argon2: the workers have seconds of work when they are told to end."""


@pytest.mark.real
def test_a_killed_server_is_started_again_while_its_workers_drain(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    live = site_of_kind(request, tmp_path, "postgresql")
    live.add_nas("gate", LOOPBACK)
    with started(live.site, "radius") as first:
        wait_for_workers(live, first)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            for number in range(LOGINS):
                octets = access_request(number, SECRET.encode(), b"nobody", b"guess")
                wire.sendto(octets, ("127.0.0.1", live.auth_port))
            wire.settimeout(20)
            wire.recv(4096)  # they are at work
            kill(first.process.pid)
            first.process.wait(10)
            time.sleep(1.0)  # what the supervisor waits
            with started(live.site, "radius") as second:
                wait_until(
                    lambda: (
                        second.log().count("radius_started") == 2
                        or second.process.poll() is not None
                    ),
                    40,
                    "the second server neither starts nor ends",
                )
                assert second.process.poll() is None, second.log()
                wait_for_workers(live, second)
