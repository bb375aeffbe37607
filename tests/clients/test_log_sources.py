"""A real gateway's log alone names the person: DHCP, NAT and a session without an address.

dnsmasq, Kea or dhcpd gives real clients their addresses, nftables translates their connections,
conntrack or ulogd tells of them, rsyslogd brings it here by UDP, TCP and TLS. RADIUS knows the
device and the account, and no address: nothing but the three together says who it was.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.clients.gateway import OUTSIDE_PORTS, gateway, take_lease
from tests.clients.namespaces import network
from tests.clients.radclient import Nas
from tests.clients.test_pmacctd import ask
from tests.conftest import free_port, wait_until
from tests.integration.radius_site import (
    LOOPBACK,
    LiveSite,
    running_radius,
    site_of_kind,
    started,
)
from tests.programs import require, require_root
from traffic.archive.kinds import ACCESS, LEASE, NAT
from traffic.archive.tables import TableArchive

pytestmark = [pytest.mark.real, pytest.mark.root, pytest.mark.timeout(180), pytest.mark.sampled]

PASSWORD = "seven green elephants"
PEOPLE = {"somchai": "3c:22:fb:01:02:03", "malee": "3c:22:fb:0a:0b:0c"}
TRANSPORTS = {
    "udp": 'syslog = ["0.0.0.0:{port}"]',
    "tcp": 'syslog = []\nsyslog_tcp = ["0.0.0.0:{port}"]',
    "tls": 'syslog = []\nsyslog_tls = ["0.0.0.0:{port}"]',
}

_TALK = """
import socket, sys
host, port, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for _ in range(number):
    with socket.create_connection((host, port), 10) as one:
        one.sendall(b"x" * 1000)
        one.shutdown(socket.SHUT_WR)
        one.recv(10)
"""


@contextmanager
def listening(host: str) -> Iterator[tuple[int, list[tuple[datetime, str, int]]]]:
    """(port, connections as an asker's server sees them: when, from which address and port)."""
    seen: list[tuple[datetime, str, int]] = []
    with socket.create_server((host, 0)) as server:
        server.settimeout(0.2)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    peer, (address, port) = server.accept()
                except TimeoutError:
                    continue
                with peer:
                    seen.append((datetime.now(UTC), address, port))
                    peer.settimeout(10)
                    while peer.recv(4096):
                        pass
                    peer.sendall(b"bye")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1], seen
        finally:
            stop.set()
            thread.join(20)


@pytest.mark.parametrize(
    ("transport", "teller", "dhcp"),
    [
        ("udp", "conntrack", "dnsmasq"),
        ("tcp", "conntrack", "kea-dhcp4"),
        ("tls", "conntrack", "dnsmasq"),
        ("udp", "ulogd", "dhcpd"),
    ],
)
def test_lease_conntrack_and_session_together_name_the_person(
    request: pytest.FixtureRequest, tmp_path: Path, transport: str, teller: str, dhcp: str
) -> None:
    require_root()
    require("radclient", "freeradius-utils")
    port = free_port(socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM)
    changes = {
        'syslog = ["127.0.0.1:0"]': TRANSPORTS[transport].format(port=port)
        + '\nloggers = ["198.18.0.0/15"]',
        "[collector]": "[archive]\nsegment_seconds = 1\n[collector]",
    }
    live = site_of_kind(request, tmp_path, "sqlite", changes)
    live.add_nas("gate", LOOPBACK)
    for name in PEOPLE:
        live.add_person(name, PASSWORD, **{"full-name": f"Somebody {name}"})
    nas, ca = Nas(live), live.site.config.ca_dir / "ca.pem"
    talked: dict[str, list[tuple[datetime, str, int]]] = {}
    addresses: dict[str, str] = {}
    with (
        running_radius(live),
        started(live.site, "collector") as collector,
        network(["10.77.0.250"]) as net,
    ):
        wait_until(lambda: "collector_started" in collector.log(), 30, "no collector")
        with (
            gateway(net, tmp_path / "gateway", transport, port, ca, teller, dhcp),
            listening(net.here) as (server, seen),
        ):
            for name, mac in PEOPLE.items():
                accepted = nas.access(name, PASSWORD, Calling_Station_Id=mac)
                accounted = nas.account(
                    "Start", f"{name}-1", User_Name=name, Calling_Station_Id=mac,
                    Class=accepted.one("Class"),
                )  # fmt: skip
                assert accounted.code == "Accounting-Response"
                addresses[name] = take_lease(net, mac, tmp_path)
                before = len(seen)
                subprocess.run(
                    ["ip", "netns", "exec", net.client, sys.executable, "-c", _TALK, net.here,
                     str(server), "3"],
                    check=True, timeout=60, capture_output=True,
                )  # fmt: skip
                talked[name] = seen[before:]
                time.sleep(2.5)  # further apart than the clock error that is looked at
            assert len(set(addresses.values())) == 2
            wait_until(lambda: rows(live, LEASE) >= 2, 30, "the leases do not arrive")
            wait_until(lambda: rows(live, NAT) >= 6, 30, "the translations do not arrive")

            for name, connections in talked.items():
                assert len(connections) == 3
                for at, address, outside_port in connections:
                    assert OUTSIDE_PORTS[0] <= outside_port <= OUTSIDE_PORTS[1]
                    options = ("--port", str(outside_port), "--protocol", "tcp")
                    answer = ask(live, at, address, *options)
                    assert answer["outcome"] == "single", json.dumps(answer, ensure_ascii=False)
                    (candidate,) = answer["candidates"]
                    assert candidate["account"] == name
                    assert candidate["mac"] == PEOPLE[name]
                    assert candidate["inside_address"] == addresses[name]
                    kinds = {one.partition(":")[0] for one in candidate["evidence"]}
                    assert kinds == {"network_session", "lease", "nat"}
            inside = ask(live, talked["malee"][0][0], addresses["malee"])
            assert (inside["outcome"], inside["candidates"][0]["account"]) == ("single", "malee")
        assert collector.stop() == 0, collector.log()

    live.yuenyan("archive", "verify")
    archive = TableArchive(live.site.config.data_dir / "archive", "any")
    (note,) = [row.values["raw"] for row in archive.read(ACCESS) if b"a page" in row.values["raw"]]
    assert b"[cut:47]" in note
    assert live.counter("collector_content_cut") >= 1
    for path in live.site.config.data_dir.rglob("*"):
        if path.is_file():
            octets = path.read_bytes()
            assert b"secret.example" not in octets and b"hunter2" not in octets, path


def rows(live: LiveSite, kind: Any) -> int:
    return len(TableArchive(live.site.config.data_dir / "archive", "any").read(kind))
