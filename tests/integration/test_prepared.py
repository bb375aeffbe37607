"""What the tests build on: a server that begins with everything imported, and waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests import prepared
from tests.conftest import Site, wait_until
from tests.integration.radius_site import command, is_alive


def begun(how: str, site: Site, log_file: Path) -> subprocess.Popen[bytes]:
    words = command(site, "radius")
    with log_file.open("ab") as log:
        if how == "prepared":
            return prepared.start("radius", words, log)
        return subprocess.Popen(words, stdout=log, stderr=log, process_group=0, cwd="/")


def test_a_server_that_refuses_its_configuration_says_and_ends_alike(
    site: Site, tmp_path: Path
) -> None:
    site.config_file.write_text(site.config_file.read_text() + "[nonsense]\n", encoding="utf-8")
    logs = {how: tmp_path / f"{how}.log" for how in ("prepared", "script")}
    ends = {how: begun(how, site, log).wait(60) for how, log in logs.items()}
    assert ends == {"prepared": 2, "script": 2}
    assert "nonsense" in logs["script"].read_text()
    assert logs["prepared"].read_bytes() == logs["script"].read_bytes()


def test_a_prepared_server_is_a_child_of_ours_with_a_group_and_a_folder_of_its_own(
    site: Site, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    first, second = (begun("prepared", site, log) for _ in range(2))
    try:
        assert first.pid != second.pid
        for one in (first, second):
            assert os.getpgid(one.pid) == one.pid
            assert Path(f"/proc/{one.pid}/cwd").resolve() == Path("/")
            parent = Path(f"/proc/{one.pid}/stat").read_text().rpartition(")")[2].split()[1]
            assert int(parent) == os.getpid()
        wait_until(lambda: log.read_bytes().count(b"radius_listening") == 2, 60, "no start")
        assert first.poll() is None
    finally:
        first.send_signal(signal.SIGTERM)
        second.kill()
    assert first.wait(60) == 0, log.read_text()
    assert second.wait(60) == -signal.SIGKILL
    assert not is_alive(second.pid)


def test_a_wait_ends_in_time_but_a_machine_that_stood_still_is_not_held_against_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, asked = 0.0, 0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += 130.0 if asked == 3 else seconds

    def is_so() -> bool:
        nonlocal asked
        asked += 1
        return asked > enough

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "sleep", sleep)
    enough = 20
    wait_until(is_so, 5, "it gave up because the machine stood still")
    now, asked, enough = 0.0, 3, 1_000_000
    with pytest.raises(pytest.fail.Exception, match="it takes too long"):
        wait_until(is_so, 5, "it takes too long")
    assert now < 140
