"""kill -9 of the collector while log lines come in: each that was spooled is there once."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import free_port, wait_until
from tests.integration.radius_site import LiveSite, children_of, is_alive, site_of_kind, started
from tests.integration.test_kill_collector import wait_for_collector
from traffic.archive.kinds import NAT
from traffic.archive.tables import TableArchive

pytestmark = [pytest.mark.timeout(150), pytest.mark.sampled]

KILLS = 3
BURST = 40
SPOOLED_SECONDS = 1.5

Send = Callable[[bytes], object]


@contextmanager
def sender(transport: str, port: int) -> Iterator[Send]:
    """Sends a line to this machine; the connection may break when the collector dies."""
    if transport == "udp":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.connect(("127.0.0.1", port))
            yield wire.sendall
    else:
        with socket.create_connection(("127.0.0.1", port), 10) as wire:
            yield lambda line: wire.sendall(b"%d %s" % (len(line), line))


def line(number: int) -> bytes:
    return (
        f"<30>conntrack: [NEW] tcp 6 src=10.1.2.3 dst=203.0.113.9 sport={number} dport=443 "
        f"src=203.0.113.9 dst=198.51.100.7 sport=443 dport={number}"
    ).encode()


LISTENS = {
    "udp": 'syslog = ["127.0.0.1:{}"]',
    # Left out, it would be the port that it has on a server.
    "tcp": 'syslog = []\nsyslog_tcp = ["127.0.0.1:{}"]',
}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_killed_collector_loses_and_doubles_no_line_it_had_spooled(
    request: pytest.FixtureRequest, tmp_path: Path, transport: str
) -> None:
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    port = free_port(kind)
    live = site_of_kind(
        request,
        tmp_path,
        "sqlite",
        {
            'syslog = ["127.0.0.1:0"]': LISTENS[transport].format(port),
            "[collector]": "[archive]\nsegment_seconds = 1\n[collector]",
        },
    )
    certain: set[int] = set()
    perhaps: set[int] = set()
    numbers = iter(range(1024, 65_536))
    for run in range(1, KILLS + 1):
        with started(live.site, "collector") as server:
            wait_for_collector(server, run)
            with sender(transport, port) as send:
                for number in (sent := [next(numbers) for _ in range(BURST)]):
                    send(line(number))
                certain.update(sent)
                time.sleep(SPOOLED_SECONDS)
                for number in (late := [next(numbers) for _ in range(5)]):
                    with contextlib.suppress(OSError):
                        send(line(number))
                perhaps.update(late)
                (decoder,) = children_of(server.process.pid)
                os.kill(server.process.pid, signal.SIGKILL)
                server.process.wait(10)
            wait_until(lambda d=decoder: not is_alive(d), 30, "the decoder stayed behind")  # type: ignore[misc]
    with started(live.site, "collector") as server:
        wait_for_collector(server, KILLS + 1)
        with sender(transport, port) as send:
            for number in (sent := [next(numbers) for _ in range(BURST)]):
                send(line(number))
            certain.update(sent)
        # Nothing is waited for here: what has arrived is stored before a collector stops.
        assert server.stop() == 0, server.log()

    found = archived(live)
    assert certain - set(found) == set()
    assert set(found) <= certain | perhaps
    assert [number for number, times in found.items() if times > 1] == []
    assert list((live.site.data_dir / "spool").iterdir()) == []
    live.yuenyan("archive", "verify")


def archived(live: LiveSite) -> Counter[int]:
    """How often each outside port is in the archive."""
    rows = TableArchive(live.site.data_dir / "archive", "any").read(NAT)
    return Counter(row.values["outside_port"] for row in rows)
