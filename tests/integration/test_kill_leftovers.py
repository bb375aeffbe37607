"""What a killed RADIUS server leaves in the temporary directory, and for how long."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.integration.radius_site import (
    children_of,
    is_alive,
    site_of_kind,
    started,
    wait_for_workers,
)
from tests.integration.test_kill_radius import kill

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def test_the_folder_of_a_killed_server_goes_with_its_workers_or_at_the_next_start(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = site_of_kind(request, tmp_path, "postgresql")
    with tempfile.TemporaryDirectory() as name:  # short: a socket's path has 108 octets at most
        monkeypatch.setenv("TMPDIR", name)

        def left() -> list[str]:
            return sorted(str(path.relative_to(name)) for path in Path(name).rglob("*.sock"))

        with started(live.site, "radius") as server:
            wait_for_workers(live, server)
            assert [path.rpartition("/")[2] for path in left()] == [
                "worker-0.sock",
                "worker-1.sock",
            ]
            workers = children_of(server.process.pid)
            kill(server.process.pid)
            server.process.wait(10)
            wait_until(lambda: not any(map(is_alive, workers)), 60, "the workers do not drain")
            assert list(Path(name).iterdir()) == []

        with started(live.site, "radius") as server:
            wait_for_workers(live, server)
            before = left()
            family = [*children_of(server.process.pid), server.process.pid]
            # All at once, as a machine without memory does it: nobody hears of the others' end.
            os.kill(server.process.pid, signal.SIGSTOP)
            for number in family:
                kill(number)
            server.process.wait(10)
            wait_until(lambda: not any(map(is_alive, family)), 20, "somebody lives")
            assert left() == before

        with started(live.site, "radius") as server:
            wait_for_workers(live, server)
            assert len(left()) == 2
            assert not set(left()) & set(before), "what was left is still there"
            assert server.stop() == 0, server.log()
        assert list(Path(name).iterdir()) == []
