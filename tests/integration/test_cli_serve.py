"""`yuenyan serve` with all its real processes, and the housekeeper by itself."""

from __future__ import annotations

import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from db.models import ServiceRun
from identity.office import Office
from tests.conftest import Site, free_port, run_command, wait_until
from tests.integration.radius_site import command
from yuenyan.commands.serve import PROCESSES, reachable


class Running:
    """A `yuenyan` process whose output goes to a file."""

    def __init__(self, site: Site, *arguments: str) -> None:
        self.log = site.data_dir / "test.log"
        self.stream = self.log.open("wb")
        self.process = subprocess.Popen(
            command(site, *arguments),
            stdout=self.stream,
            stderr=subprocess.STDOUT,
        )

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def stop(self, seconds: float = 60) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.stream.close()


@pytest.fixture
def on_ports(site: Site) -> Site:
    """The site with pages on ports of its own, so that they can be asked for."""
    text = site.config_file.read_text(encoding="utf-8")
    for section in ("portal", "admin"):
        text = text.replace(
            f'[{section}]\nlisten = "127.0.0.1:0"',
            f'[{section}]\nlisten = "127.0.0.1:{free_port()}"',
        )
    site.config_file.write_text(text, encoding="utf-8")
    return site


@pytest.fixture
def started() -> Iterator[list[Running]]:
    running: list[Running] = []
    yield running
    for one in running:
        one.close()


def test_serve_runs_everything_says_where_the_pages_are_and_drains(
    on_ports: Site, started: list[Running]
) -> None:
    served = Running(on_ports, "serve")
    started.append(served)
    wait_until(
        lambda: "Yuenyan is running." in served.text() or served.process.poll() is not None,
        90,
        "the pages did not answer",
    )
    pages = [word for word in served.text().split() if word.startswith("http://127.0.0.1:")]
    assert len(pages) == 2, served.text()
    for page in pages:
        with urllib.request.urlopen(page, timeout=20) as answer:
            assert answer.status == 200
    # By the script that people run: other tests begin these from tests/prepared.py. Of admin's
    # start its page has told.
    others = [name for name in PROCESSES if name != "admin"]
    wait_until(
        lambda: all(f"{name}_started" in served.text() for name in others),
        60,
        "not every process says that it has started",
    )
    assert served.stop() == 0, served.text()
    log = served.text()
    for name in PROCESSES:
        assert f'"name": "{name}", "exit_code": 0' in log, log


def test_serve_on_a_site_without_init_is_one_sentence(
    site: Site, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (site.data_dir / "yuenyan.db").unlink()
    result = site.yuenyan("serve")
    assert result.exit_code == 2
    assert result.stderr == ("yuenyan: the database has no tables yet; run 'yuenyan init' first\n")
    assert not (site.data_dir / "yuenyan.db").exists()


@pytest.mark.parametrize(
    "command",
    [
        "user list",
        "session list",
        "login list",
        "directory list",
        "proxy status",
        "cert list",
        "archive status",
        "archive verify",
        "serve",
        "lookup --address 10.0.0.1 --at 2026-11-22T10:00:00 --case 1 --reason court",
        "flows --address 10.0.0.1 --from 2026-11-22 --to 2026-11-23 --case 1 --reason court",
    ],
)
def test_a_folder_without_a_site_is_named_and_stays_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run_command(*command.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"there is no site in {tmp_path / 'var'}: change to the folder" in result.stderr
    assert "--config" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_help_says_what_each_exit_code_means() -> None:
    told = " ".join(run_command("--help").stdout.split())
    for code in ("0 done", "1 refused or not found", "2 wrong usage", "3 a back end"):
        assert code in told


def test_doctor_and_help_work_in_a_folder_without_a_site_and_leave_it_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command("user", "list", "--help").exit_code == 0
    told = run_command("doctor")
    assert told.exit_code == 1
    assert f"{tmp_path / 'var'} does not exist" in told.stdout and "--config" in told.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_housekeeper_writes_its_run_and_ends_at_once(
    site: Site, office: Office, started: list[Running]
) -> None:
    housekeeper = Running(site, "housekeeper")
    started.append(housekeeper)
    wait_until(lambda: "housekeeper_started" in housekeeper.text(), 30, "it did not start")
    wait_until(lambda: _runs(office), 30, "it wrote no run")
    began = time.monotonic()
    assert housekeeper.stop() == 0
    assert time.monotonic() - began < 5
    (run,) = _runs(office)
    assert run.process == "housekeeper"
    assert run.stopped_at is not None
    assert (site.data_dir / "metrics" / "housekeeper.prom").exists()


def _runs(office: Office) -> list[ServiceRun]:
    with office.database.read() as session:
        return list(session.scalars(select(ServiceRun)))


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("0.0.0.0:8080", ("127.0.0.1", 8080)),
        ("10.0.0.1:80", ("10.0.0.1", 80)),
        ("[::]:8080", ("[::1]", 8080)),
    ],
)
def test_pages_are_reachable_where_this_machine_can_reach_them(
    listen: str, expected: tuple[str, int]
) -> None:
    assert reachable(listen) == expected


def test_make_help_lists_every_target() -> None:
    root = Path(__file__).parents[2]
    listed = subprocess.run(["make", "help"], cwd=root, capture_output=True, text=True, check=True)
    for target in ("help", "setup", "run", "test", "test-all", "check", "bench", "fmt", "clean"):
        assert f"make {target} " in listed.stdout
