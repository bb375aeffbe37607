"""A real collector process on loopback: received, stored, answered, and survived."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from db.engine import Database
from db.models import Gap, ServiceRun
from tests import prepared
from tests.conftest import Site, free_port, wait_until
from tests.integration.radius_site import command
from tests.udp_queues import wait_for_reader
from tests.vectors.flows.datagrams import Flow
from tests.vectors.flows.spools import flow_datagram


@pytest.fixture
def port(site: Site) -> int:
    """The port the site's collector listens on, IPv4 and IPv6."""
    number = free_port(socket.SOCK_DGRAM)
    text = site.config_file.read_text(encoding="utf-8")
    listeners = f'netflow = ["127.0.0.1:{number}", "[::1]:{number}"]'
    text = text.replace('netflow = ["127.0.0.1:0"]', listeners)
    text = text.replace('exporters = ["any"]\n', "")  # this machine may send unasked
    site.config_file.write_text(text + "[archive]\nsegment_seconds = 1\n", encoding="utf-8")
    return number


@contextmanager
def collector(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    """A running collector; killed at the end when it still runs."""
    log = site.config_file.with_suffix(".log")
    with log.open("ab") as stream:
        before = log.stat().st_size
        process = prepared.start("collector", command(site, "collector"), stream)
        try:
            wait_until(
                lambda: b"collector_started" in log.read_bytes()[before:], 30, log.read_text()
            )
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def send(port: int, first: int, datagrams: int, host: str = "127.0.0.1", skip: int = 0) -> int:
    """Send flows, 20 a datagram; returns how many."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        for number in range(first, first + datagrams):
            flows = [Flow(src_port=1000 + row) for row in range(20)]
            now = int(time.time())
            sock.sendto(flow_datagram(flows, number + skip, seconds=now), (host, port))
    return 20 * datagrams


def records(site: Site) -> int:
    status = json.loads(site.yuenyan("archive", "status", "--json").stdout)
    held = status["kinds"].get("flow")
    return int(held["records"]) if held else 0


def test_everything_received_is_stored_when_it_stops(site: Site, port: int) -> None:
    with collector(site) as process:
        sent = send(port, 0, 200) + send(port, 0, 10, host="::1")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert records(site) == sent
    assert not list((site.data_dir / "spool").iterdir())
    assert site.yuenyan("archive", "verify").exit_code == 0
    database = Database(site.config.database_url)
    with database.read() as session:
        run = session.scalars(select(ServiceRun).where(ServiceRun.process == "collector")).one()
        assert run.stopped_at is not None
    database.dispose()


def test_a_killed_collector_loses_and_doubles_nothing(site: Site, port: int) -> None:
    sent = 0
    for _ in range(3):
        with collector(site) as process:
            sent += send(port, sent // 20, 50)
            wait_until(lambda: _spooled(site, 1), 20, "nothing was spooled")
            wait_for_reader(port)
            process.kill()
    with collector(site) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert records(site) == sent
    assert site.yuenyan("archive", "verify").exit_code == 0


def test_missing_datagrams_reach_the_gap_table(site: Site, port: int) -> None:
    with collector(site) as process:
        send(port, 0, 2)
        send(port, 2, 2, skip=7)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    database = Database(site.config.database_url)
    with database.read() as session:
        (gap,) = session.scalars(select(Gap))
        assert (gap.kind, gap.lost, gap.reason) == ("flow", 7, "sequence")
    database.dispose()


def test_a_quiet_exporter_is_archived_without_waiting_for_the_stop(site: Site, port: int) -> None:
    with collector(site):
        sent = send(port, 0, 1)
        wait_until(lambda: records(site) == sent, 20, "the segment was never written")


def test_receiving_goes_on_while_the_database_is_gone(site: Site, port: int) -> None:
    database = site.data_dir / "yuenyan.db"
    hidden = database.with_name("hidden")
    with collector(site) as process:
        database.rename(hidden)
        sent = send(port, 0, 20)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    hidden.rename(database)
    assert records(site) == sent


def _spooled(site: Site, octets: int) -> bool:
    files: Callable[[Path], list[os.DirEntry[str]]] = lambda path: list(os.scandir(path))  # noqa: E731
    return sum(entry.stat().st_size for entry in files(site.data_dir / "spool")) >= octets or (
        (site.data_dir / "archive" / "manifest.jsonl").exists()
    )
