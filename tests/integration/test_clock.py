"""Clocks against servers on loopback, and against a chrony that nobody here wrote."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from common import config as configuration
from tests.conftest import Site, free_port, wait_until
from tests.integration.ntp_servers import Reply, ntp_server, silent, telling
from tests.programs import missing, require
from traffic.clock.chrony import ask_chrony
from traffic.clock.judgement import State, Verdict, agree
from traffic.clock.ntp import Measurement
from traffic.clock.sntp import ask_server, ask_servers, split_server

LIMIT_US = 10_000
PATIENCE = 0.5


def verdict_of(*replies: Reply) -> tuple[Verdict, list[str]]:
    """(verdict, the servers in the order of `replies`)."""
    with ExitStack() as stack:
        servers = [stack.enter_context(ntp_server(reply)) for reply in replies]
        return agree(*ask_servers(servers, PATIENCE)), servers


def test_servers_that_are_right_prove_that_this_clock_is_right() -> None:
    found, servers = verdict_of(telling(), telling(stratum=2, reference=b"\xc0\0\2\1"), telling())
    assert found.believed == tuple(sorted(servers))
    assert found.is_within(LIMIT_US)


def test_a_wrong_server_is_outvoted_and_named() -> None:
    found, servers = verdict_of(telling(), telling(wrong_ms=2_000), telling())
    assert found.wrong == (servers[1],)
    assert found.is_within(LIMIT_US)


def test_right_servers_show_that_this_clock_is_wrong() -> None:
    ahead = telling(wrong_ms=250)
    found, _ = verdict_of(ahead, ahead, ahead)
    assert found.state is State.SYNCHRONISED and not found.is_within(LIMIT_US)
    assert found.offset_us is not None and -260_000 < found.offset_us < -240_000


def test_kisses_of_death_silence_lies_and_local_clocks_prove_nothing() -> None:
    found, servers = verdict_of(
        telling(stratum=0, reference=b"RATE"),
        silent,
        telling(leap=3),
        telling(stratum=1, reference=b"LOCL"),
        telling(stratum=17),
        telling(),
    )
    whys = [found.others.get(server) for server in servers]
    assert whys == [
        "kiss_of_death:RATE",
        "no_answer",
        "server_unsynchronised",
        "local_clock",
        "server_unsynchronised",
        None,
    ]
    assert (found.reason, found.bound_us) == ("one_server_only", None)


def test_a_forged_answer_does_not_keep_the_true_one_out() -> None:
    with ntp_server(telling(forge_first=True)) as server:
        found = ask_server(server, PATIENCE)
    assert isinstance(found, Measurement) and abs(found.offset_us) <= found.error_us


def test_nobody_there_is_told_apart_from_a_name_that_is_none() -> None:
    port = free_port(socket.SOCK_DGRAM)
    began = time.monotonic()
    assert ask_server(f"127.0.0.1:{port}", PATIENCE) == "refused"
    assert ask_server("no-such-name.invalid", PATIENCE) == "name_not_found"
    assert time.monotonic() - began < 20


def test_all_servers_are_asked_at_once() -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(ntp_server(silent)) for _ in range(6)]
        began = time.monotonic()
        measured, others = ask_servers(servers, PATIENCE)
    assert time.monotonic() - began < 6 * PATIENCE / 2
    assert measured == {} and set(others.values()) == {"no_answer"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("time1.nimt.or.th", ("time1.nimt.or.th", 123)),
        ("10.0.0.1:1123", ("10.0.0.1", 1123)),
        ("fd00::1", ("fd00::1", 123)),
        ("[fd00::1]:1123", ("fd00::1", 1123)),
    ],
)
def test_a_server_is_a_name_or_address_with_or_without_a_port(
    text: str, found: tuple[str, int]
) -> None:
    assert split_server(text) == found


def test_the_command_samples_the_configured_servers_and_equipment(site: Site) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(ntp_server(telling())) for _ in range(3)]
        router = stack.enter_context(ntp_server(telling(stratum=3, reference=b"\xc0\0\2\1")))
        late = stack.enter_context(ntp_server(telling(wrong_ms=-400)))
        text = site.config_file.read_text().replace(
            "[clock]\nservers = []", f"[clock]\nservers = {servers}\nequipment = {[router, late]}"
        )
        site.config_file.write_text(text)
        result = site.yuenyan("clock", "sample", "--json")
    assert result.exit_code == 0, result.stderr
    tree = json.loads(result.stdout)
    assert (tree["method"], tree["proven_within_limit"]) == ("sntp", True)
    assert [one["source"] for one in tree["servers"]] == sorted(servers)
    proven = {one["source"]: one["proven_within_limit"] for one in tree["equipment"]}
    assert proven == {router: True, late: False}


# chrony itself -----------------------------------------------------------------------------


@contextmanager
def chronyd(folder: Path, name: str, settings: str) -> Iterator[str]:
    """The command that asks a chronyd of its own, which never touches this machine's clock."""
    program, client = require("chronyd", "chrony"), require("chronyc", "chrony")
    command_port = free_port(socket.SOCK_DGRAM)
    home = folder / name
    home.mkdir()
    (home / "chrony.conf").write_text(
        f"{settings}\ncmdport {command_port}\nbindcmdaddress 127.0.0.1\nbindcmdaddress /\n"
        f"bindaddress 127.0.0.1\nallow 127.0.0.1\npidfile {home}/pid\ndriftfile {home}/drift\n"
    )
    with (home / "log").open("wb") as log:
        running = subprocess.Popen(
            [program, "-x", "-d", "-U", "-f", str(home / "chrony.conf")], stdout=log, stderr=log
        )
    try:
        command = f"{client} -h 127.0.0.1 -p {command_port}"
        wait_until(
            lambda: ask_chrony(command) is not None or running.poll() is not None,
            10,
            f"chronyd does not answer: {(home / 'log').read_text()}",
        )
        assert running.poll() is None, (home / "log").read_text()
        yield command
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(10)


@pytest.mark.real
def test_a_real_chrony_is_believed_once_it_has_a_server_and_not_on_its_own(
    tmp_path: Path, site: Site
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    with chronyd(tmp_path, "server", f"local stratum 1\nport {port}") as alone:
        own = ask_chrony(alone)
        assert own is not None
        assert (own.state, own.reason) == (State.UNSYNCHRONISED, "local_clock")
        assert ask_server(f"127.0.0.1:{port}", 2.0) == "local_clock"

        source = f"server 127.0.0.1 port {port} iburst minpoll -2 maxpoll 0"
        follower_port = free_port(socket.SOCK_DGRAM)
        with chronyd(tmp_path, "client", f"{source}\nport {follower_port}") as following:
            # The bound of its error narrows with each sample; on a busy machine that takes some.
            wait_until(
                lambda: (ask_chrony(following) or own).is_within(LIMIT_US),
                60,
                "chrony follows its server not",
            )
            found = ask_chrony(following)
            assert found is not None and found.state is State.SYNCHRONISED
            assert (found.source, found.stratum) == ("127.0.0.1", 2)
            told = ask_server(f"127.0.0.1:{follower_port}", 2.0)
            assert isinstance(told, Measurement)
            assert told.stratum == 2 and abs(told.offset_us) <= told.error_us

            text = site.config_file.read_text().replace('chronyc = ""', f'chronyc = "{following}"')
            site.config_file.write_text(text)
            assert configuration.load(site.config_file).clock.chronyc == following
            result = site.yuenyan("clock", "sample", "--json")
    assert result.exit_code == 0, result.stdout
    tree = json.loads(result.stdout)
    assert (tree["method"], tree["source"]) == ("chrony", "127.0.0.1")
    assert tree["root_distance_us"] > 0


# the housekeeper itself ---------------------------------------------------------------------


@contextmanager
def housekeeper(site: Site, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A real housekeeper of `site`, ended in good order."""
    with (site.data_dir / "housekeeper.log").open("wb") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "yuenyan.cli", "--config", str(site.config_file), "housekeeper"],
            stdout=log,
            stderr=log,
            env={**os.environ, **environment},
        )
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0, (site.data_dir / "housekeeper.log").read_text()


def test_a_disk_that_takes_no_numbers_does_not_end_the_housekeeper(site: Site) -> None:
    (site.data_dir / "metrics").write_text("no directory: as unwritable as on a full disk")
    told = site.data_dir / "housekeeper.log"
    with housekeeper(site) as running:
        wait_until(lambda: "archive_sealed" in told.read_text(), 60, "nothing was sealed")
        assert running.poll() is None
    assert "counters_not_written" in told.read_text()


def status_of(site: Site) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(site.yuenyan("clock", "status", "--json").stdout)
    return tree


def test_the_housekeeper_samples_as_soon_as_it_starts(site: Site) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(ntp_server(telling())) for _ in range(3)]
        text = site.config_file.read_text().replace("servers = []", f"servers = {servers}")
        site.config_file.write_text(text)
        stack.enter_context(housekeeper(site))
        wait_until(lambda: status_of(site)["proven_within_limit"], 60, "there is no sample")
    assert status_of(site)["method"] == "sntp"
    assert "clock_sampled" in (site.data_dir / "housekeeper.log").read_text()
    metrics = (site.data_dir / "metrics" / "housekeeper.prom").read_text()
    assert "housekeeper_clock_samples_total 1" in metrics


@pytest.mark.real
def test_the_housekeeper_notices_that_its_clock_was_set(site: Site, tmp_path: Path) -> None:
    library = faketime_library()
    set_to = tmp_path / "faketime"
    set_to.write_text("+0")
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(set_to),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    log = site.data_dir / "housekeeper.log"
    with housekeeper(site, **environment):
        wait_until(lambda: status_of(site)["at"] is not None, 60, "there is no sample")
        set_to.write_text("-7")
        wait_until(lambda: "clock_stepped" in log.read_text(), 30, "no step was noticed")
        wait_until(lambda: status_of(site)["steps"], 30, "no step was stored")
    (step,) = status_of(site)["steps"]
    assert abs(step["step_us"] + 7_000_000) < 50_000
    told = site.yuenyan("doctor").stdout
    assert "1 steps of this machine's clock" in told


def faketime_library() -> Path:
    """libfaketime, which gives one process another wall clock."""
    require("faketime", "faketime")
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        missing("libfaketime is not where Debian keeps it")
    return found[0]
