"""kill -9 under load: every accounting packet that was acknowledged is in the database.

The load is a closed loop of its own that knows what was acknowledged; a worker, or the
whole server, is killed at random moments and started again.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.integration.radius_packets import START, accounting_request, reply_fits
from tests.integration.radius_site import (
    KINDS,
    LOOPBACK,
    SECRET,
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

pytestmark = [pytest.mark.timeout(150), pytest.mark.sampled]

KEY = SECRET.encode()
ROUNDS = 3
SEED = 1969


class Load(threading.Thread):
    """Sends accounting packets, each with a session of its own, and notes what was answered."""

    WINDOW = 32
    AGAIN_SECONDS = 0.4

    def __init__(self, port: int, tag: str) -> None:
        super().__init__(name=f"load-{tag}", daemon=True)
        self.acknowledged: set[str] = set()
        self._port = port
        self._tag = tag
        self._stopping = threading.Event()
        self.wrong = 0

    def stop(self) -> None:
        self._stopping.set()
        self.join(20)
        assert not self.is_alive()

    def run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.bind(("127.0.0.1", 0))
            wire.settimeout(0.05)
            target = ("127.0.0.1", self._port)
            under_way: dict[int, tuple[str, bytes, float]] = {}
            number = 0
            while not self._stopping.is_set():
                now = time.monotonic()
                for identifier in range(self.WINDOW):
                    if identifier not in under_way:
                        name = f"{self._tag}-{number}"
                        number += 1
                        octets = accounting_request(identifier, KEY, START, name.encode())
                        under_way[identifier] = (name, octets, now)
                        wire.sendto(octets, target)
                    elif now - under_way[identifier][2] > self.AGAIN_SECONDS:
                        name, octets, _ = under_way[identifier]
                        under_way[identifier] = (name, octets, now)
                        wire.sendto(octets, target)
                self._receive(wire, under_way)

    def _receive(self, wire: socket.socket, under_way: dict[int, tuple[str, bytes, float]]) -> None:
        for _ in range(self.WINDOW):
            try:
                reply = wire.recv(4096)
            except TimeoutError:
                return
            except ConnectionError:
                continue
            waiting = under_way.get(reply[1])
            if waiting is None or not reply_fits(waiting[1], reply, KEY):
                # An answer to an earlier user of the identifier is late, not wrong.
                self.wrong += 1
                continue
            self.acknowledged.add(waiting[0])
            del under_way[reply[1]]


@contextmanager
def load_on(live: LiveSite, tag: str, threads: int = 2) -> Iterator[Callable[[], set[str]]]:
    """Load from several sources while the block runs; gives what was acknowledged so far."""
    loads = [Load(live.acct_port, f"{tag}{number}") for number in range(threads)]

    def acknowledged() -> set[str]:
        return set().union(*(set(load.acknowledged) for load in loads))

    for load in loads:
        load.start()
    try:
        yield acknowledged
    finally:
        for load in loads:
            load.stop()


def stored(live: LiveSite) -> list[str]:
    """Acct-Session-Id of every accounting event, read from the octets that were kept."""
    found = []
    for (octets,) in live.rows("SELECT octets FROM accounting_event"):
        kept, at = bytes(octets), 20
        while kept[at] != 44:
            at += kept[at + 1]
        found.append(kept[at + 2 : at + kept[at + 1]].decode())
    return found


def more_than(acknowledged: Callable[[], set[str]], number: int) -> None:
    wait_until(lambda: len(acknowledged()) > number, 40, "nothing is acknowledged any more")


def kill(number: int) -> None:
    os.kill(number, signal.SIGKILL)
    wait_until(lambda: not is_alive(number), 10, "SIGKILL did not end it")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_acknowledged_is_lost_when_the_server_is_killed(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    live = site_of_kind(request, tmp_path, kind)
    live.add_nas("gate", LOOPBACK)
    chance = random.Random(SEED)
    with load_on(live, "k") as acknowledged:
        for _ in range(ROUNDS):
            with started(live.site, "radius") as server:
                more_than(acknowledged, len(acknowledged()) + 50)
                time.sleep(chance.random() / 2)
                workers = descendants_of(server.process.pid)
                kill(server.process.pid)
                server.process.wait(10)
                # Workers of a killed parent end by themselves; they must not keep the ports.
                for worker in workers:
                    wait_until(lambda w=worker: not is_alive(w), 20, "a worker stayed behind")  # type: ignore[misc]
    lost = acknowledged() - set(stored(live))
    assert lost == set()
    assert len(acknowledged()) > ROUNDS * 50
    sessions = live.rows("SELECT acct_session_id FROM network_session")
    assert {row[0] for row in sessions} >= acknowledged()


@pytest.mark.real
def test_nothing_acknowledged_is_lost_when_workers_are_killed_and_come_back(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    live = site_of_kind(request, tmp_path, "postgresql")
    live.add_nas("gate", LOOPBACK)
    chance = random.Random(SEED)
    with started(live.site, "radius") as server:
        wait_for_workers(live, server)
        with load_on(live, "w", threads=4) as acknowledged:
            for _ in range(ROUNDS):
                more_than(acknowledged, len(acknowledged()) + 50)
                time.sleep(chance.random() / 2)
                victim = chance.choice(workers_of(server))
                kill(victim)
                wait_until(
                    lambda gone=victim: (
                        len(workers_of(server)) >= 2  # type: ignore[misc]
                        and gone not in workers_of(server)
                    ),
                    20,
                    "the killed worker was not started again",
                )
            more_than(acknowledged, len(acknowledged()) + 50)
        assert server.stop() == 0, server.log()
    assert acknowledged() - set(stored(live)) == set()
    assert "worker_died" in server.log()


def workers_of(server: Server) -> list[int]:
    """The workers among the children; the other one keeps multiprocessing's books."""
    children = children_of(server.process.pid)
    return [number for number in children if "spawn_main" in " ".join(words_of(number))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_told_to_stop_under_load_drains_and_loses_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    live = site_of_kind(request, tmp_path, kind)
    live.add_nas("gate", LOOPBACK)
    with started(live.site, "radius") as server:
        wait_for_workers(live, server)
        with load_on(live, "d") as acknowledged:
            more_than(acknowledged, 100)
            assert server.stop() == 0, server.log()
    assert acknowledged() - set(stored(live)) == set()
    runs = live.rows("SELECT stopped_at FROM service_run WHERE process = 'radius'")
    assert all(row[0] is not None for row in runs)
