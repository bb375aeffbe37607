"""Thousands of connections to a RadSec server that is a process of its own, and one good client."""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.certificates import Issued
from tests.conftest import wait_until
from tests.integration.radius_packets import ACCESS_ACCEPT
from tests.integration.radius_site import Server
from tests.integration.radsec_site import RadSecClient, RadSecSite, running_radsec

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

PASSWORD = "seven green elephants"
FLOOD = 4000
HELD = 400
"""Connections the flood has open at a time."""


class Flood:
    """Opens connections as fast as it can, from many addresses of the loopback, and holds them."""

    def __init__(self, port: int, addresses: int) -> None:
        self._port = port
        self._addresses = [f"127.0.0.{number}" for number in range(2, 2 + addresses)]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.opened = 0
        self.failed = 0

    def __enter__(self) -> Flood:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join(30)

    def _run(self) -> None:
        held: list[socket.socket] = []
        for host in itertools.cycle(self._addresses):
            if self._ended.is_set():
                break
            try:
                held.append(
                    socket.create_connection(("127.0.0.1", self._port), 5, source_address=(host, 0))
                )
                self.opened += 1
            except OSError:
                self.failed += 1
            if len(held) > HELD:
                held.pop(0).close()
        for item in held:
            item.close()


def descriptors(number: int) -> int:
    return len(os.listdir(f"/proc/{number}/fd"))  # noqa: PTH208 - a count is all that is wanted


def processor_seconds(number: int) -> float:
    fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def served(
    request: pytest.FixtureRequest, folder: Path, connections: int
) -> Iterator[tuple[RadSecSite, Server, Issued]]:
    more = f"connections = {connections}\n[database]"
    with running_radsec(request, folder, "sqlite", more) as (site, server):
        site.live.add_person("somchai", PASSWORD)
        issued = site.enrol("school-1")
        wait_until(lambda: logs_in(site, issued), 10, "the server does not serve")
        yield site, server, issued


def logs_in(site: RadSecSite, issued: Issued) -> bool:
    try:
        with site.client(issued) as client:
            client.access("somchai", PASSWORD)
            return client.receive()[:1] == bytes((ACCESS_ACCEPT,))
    except (OSError, ssl.SSLError):
        return False


def test_a_good_client_gets_in_through_a_flood_of_connections_and_nothing_leaks(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with served(request, tmp_path, 200) as (site, server, issued):
        number = server.process.pid
        before = descriptors(number)
        with site.client(issued) as settled, Flood(site.port, 40) as flood:
            highest = 0
            came_in = 0
            deadline = time.monotonic() + 60
            while flood.opened < FLOOD and time.monotonic() < deadline:
                assert logs_in(site, issued), "a good client is kept out"
                came_in += 1
                highest = max(highest, descriptors(number))
            assert flood.opened >= FLOOD and came_in >= 5
            # Who is inside is not touched by who crowds in.
            settled.access("somchai", PASSWORD)
            assert settled.receive()[0] == ACCESS_ACCEPT
        # A quarter of the places for strangers, and those that are being closed.
        assert highest < before + 50 + 200 + 20, highest
        wait_until(lambda: descriptors(number) <= before + 2, 10, "descriptors leak")
        assert_idle(number)


def test_without_descriptors_the_server_waits_says_so_and_serves_on(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with served(request, tmp_path, 600) as (site, server, issued):
        number = server.process.pid
        with site.client(issued) as settled:
            limits = resource.prlimit(number, resource.RLIMIT_NOFILE)
            present = descriptors(number)
            resource.prlimit(number, resource.RLIMIT_NOFILE, (present + 20, limits[1]))
            crowd = []
            try:
                for host in range(2, 62):
                    for _ in range(2):
                        with contextlib.suppress(OSError):
                            crowd.append(
                                socket.create_connection(
                                    ("127.0.0.1", site.port), 5, (f"127.0.0.{host}", 0)
                                )
                            )
                wait_until(
                    lambda: "radsec_accept_failed" in server.log(), 10, "nobody says what is short"
                )
                settled.access("somchai", PASSWORD)
                assert settled.receive()[0] == ACCESS_ACCEPT
                assert_idle(number)
            finally:
                for item in crowd:
                    item.close()
            wait_until(lambda: logs_in(site, issued), 10, "nobody comes in any more")
            assert server.log().count("radsec_accept_failed") <= 2, "it says so all the time"
            wait_until(
                lambda: site.live.counter("radsec_held_off", reason="EMFILE") >= 1,
                10,
                "it is not counted",
            )


def test_one_address_cannot_take_every_place(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    more = "connections = 40\nconnections_per_address = 3\n[database]"
    with running_radsec(request, tmp_path, "sqlite", more) as (site, _server):
        site.live.add_person("somchai", PASSWORD)
        issued = site.enrol("school-1")
        wait_until(lambda: logs_in(site, issued), 10, "the server does not serve")
        with contextlib.ExitStack() as inside:
            for _ in range(3):
                client: RadSecClient = inside.enter_context(site.client(issued))
                client.access("somchai", PASSWORD)
                assert client.receive()[0] == ACCESS_ACCEPT
            assert not logs_in(site, issued)
            with socket.create_connection(
                ("127.0.0.1", site.port), 5, ("127.0.0.2", 0)
            ) as elsewhere:
                elsewhere.settimeout(1)
                with pytest.raises(TimeoutError):
                    elsewhere.recv(1)  # taken in: the server waits for its first word
        wait_until(lambda: logs_in(site, issued), 5, "the places are not free again")


def test_connections_leave_the_low_descriptors_to_those_who_select(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    more = "connections = 4000\nconnections_per_address = 4000\n[database]"
    with running_radsec(request, tmp_path, "sqlite", more) as (site, server):
        issued = site.enrol("school-1")
        with contextlib.ExitStack() as held:
            for number in range(700):
                host = f"127.0.1.{number % 100 + 1}"
                held.enter_context(socket.create_connection(("127.0.0.1", site.port), 5, (host, 0)))
            with site.client(issued):
                folder = Path(f"/proc/{server.process.pid}/fd")
                numbers = sorted(int(path.name) for path in folder.iterdir())
        assert len(numbers) > 700
        assert len([number for number in numbers if number < 1024]) < 600
        assert numbers[-1] >= 1024


def assert_idle(number: int) -> None:
    """It does not burn the processor while nothing happens."""
    began, at = processor_seconds(number), time.monotonic()
    time.sleep(2)
    used = (processor_seconds(number) - began) / (time.monotonic() - at)
    assert used < 0.25, f"{used:.0%} of a processor"
