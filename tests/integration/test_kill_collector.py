"""kill -9 of the collector or its decoder while flows come in: each flow is there once.

What the collector had received is in its spool, which a killed process leaves behind; what
had not reached it yet may be missing, and nothing may be there twice.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import struct
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.integration.radius_site import (
    KINDS,
    LiveSite,
    Server,
    children_of,
    is_alive,
    site_of_kind,
    started,
)
from tests.udp_queues import wait_for_reader

pytestmark = [pytest.mark.timeout(150), pytest.mark.sampled]

SEED = 44
BURST = 30
KILLS = 3
CLIENT = "10.66.0.1"
CHANGES = {"[collector]": "[archive]\nsegment_seconds = 1\n[collector]"}


class Exporter:
    """Sends NetFlow 5, one flow a datagram, each with a source port of its own."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sent = 0

    def send(self, number: int, pause: float = 0.01) -> list[int]:
        """Send `number` flows; their source ports."""
        ports = []
        for _ in range(number):
            port = 1024 + self._sent
            self._wire.sendto(self._datagram(port), self._target)
            self._sent += 1
            ports.append(port)
            time.sleep(pause)
        return ports

    def close(self) -> None:
        self._wire.close()

    def _datagram(self, port: int) -> bytes:
        """Cisco's NetFlow 5: a header of 24 octets and a record of 48."""
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        head = struct.pack("!HHIIIIBBH", 5, 1, 100_000, seconds, nanoseconds, self._sent, 0, 0, 0)
        record = struct.pack(
            "!4s4s4sHHIIIIHHBBBBHHBBH",
            *(socket.inet_aton(text) for text in (CLIENT, "203.0.113.9", "0.0.0.0")),
            *(1, 2, 3, 300, 99_000, 99_500, port, 443, 0, 24, 6, 0, 0, 0, 0, 0, 0),
        )
        return head + record


def archived(live: LiveSite, since: datetime) -> Counter[int]:
    """How often each source port is in the archive."""
    period = ("--from", since.isoformat(), "--to", (datetime.now(UTC)).isoformat())
    answer = json.loads(
        live.yuenyan(
            *("flows", "--address", CLIENT, *period, "--case", "test", "--reason", "test"),
            "--json",
        ).stdout
    )
    return Counter(flow["src_port"] for flow in answer["flows"])


def wait_for_collector(server: Server, starts: int) -> None:
    """Return when the log, which all runs share, tells of as many starts as there were."""
    wait_until(
        lambda: (
            server.log().count('"event": "collector_started"') >= starts
            or server.process.poll() is not None
        ),
        60,
        "the collector does not start",
    )
    assert server.process.poll() is None, server.log()


def decoder_of(server: Server) -> int:
    wait_until(lambda: children_of(server.process.pid), 20, "the decoder does not start")
    return children_of(server.process.pid)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_collector_loses_and_doubles_nothing_it_had_received(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    live = site_of_kind(request, tmp_path, kind, CHANGES)
    chance = random.Random(SEED)
    exporter = Exporter(live.flow_port)
    since = datetime.now(UTC) - timedelta(minutes=5)
    certain: set[int] = set()
    perhaps: set[int] = set()
    try:
        for run in range(1, KILLS + 1):
            with started(live.site, "collector") as server:
                wait_for_collector(server, run)
                certain.update(exporter.send(BURST))
                wait_for_reader(live.flow_port)
                time.sleep(chance.random())
                perhaps.update(exporter.send(3, pause=0.0))
                decoder = decoder_of(server)
                os.kill(server.process.pid, signal.SIGKILL)
                server.process.wait(10)
                wait_until(lambda d=decoder: not is_alive(d), 30, "the decoder stayed behind")  # type: ignore[misc]
        with started(live.site, "collector") as server:
            wait_for_collector(server, KILLS + 1)
            certain.update(exporter.send(BURST))
            wait_for_reader(live.flow_port)
            assert server.stop() == 0, server.log()
    finally:
        exporter.close()

    found = archived(live, since)
    assert certain - set(found) == set()
    assert set(found) <= certain | perhaps
    assert {port for port, times in found.items() if times > 1} == set()
    assert list((live.site.data_dir / "spool").iterdir()) == []
    verified = live.yuenyan("archive", "verify", "--json")
    assert verified.exit_code == 0, verified


def test_a_killed_decoder_is_replaced_and_doubles_nothing(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    live = site_of_kind(request, tmp_path, "sqlite", CHANGES)
    chance = random.Random(SEED)
    exporter = Exporter(live.flow_port)
    since = datetime.now(UTC) - timedelta(minutes=5)
    sent: set[int] = set()
    try:
        with started(live.site, "collector") as server:
            wait_for_collector(server, 1)
            for _ in range(KILLS):
                decoder = decoder_of(server)
                sent.update(exporter.send(BURST, pause=0.02))
                time.sleep(chance.random())
                os.kill(decoder, signal.SIGKILL)
                wait_until(
                    lambda d=decoder: children_of(server.process.pid) not in ([], [d]),  # type: ignore[misc]
                    20,
                    "the decoder was not started again",
                )
            sent.update(exporter.send(BURST))
            wait_for_reader(live.flow_port)
            assert server.stop() == 0, server.log()
    finally:
        exporter.close()
    found = archived(live, since)
    assert set(found) == sent
    assert set(found.values()) == {1}
