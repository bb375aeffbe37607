"""Several clients behind one address: the public port leads to the right one of them.

The translation is the kernel's, by nftables. What the kernel tells of it (`conntrack -E`) is
put into NAT events of RFC 8158 here, which tshark reads too; the truth is what the server saw.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from tests.clients.namespaces import PUBLIC, SERVER, Network, inside, is_listening, translated
from tests.clients.radclient import Nas
from tests.conftest import free_port, wait_until
from tests.integration.radius_site import (
    LOOPBACK,
    LiveSite,
    running_radius,
    site_of_kind,
    started,
)
from tests.programs import require, require_root
from tests.vectors.flows import ipfix

pytestmark = [pytest.mark.real, pytest.mark.root, pytest.mark.timeout(180), pytest.mark.sampled]

PASSWORD = "seven green elephants"
CLIENTS = {"10.77.0.5": "five", "10.77.0.6": "six", "10.77.0.7": "seven"}
BLOCKS = {
    "10.77.0.5": (20_000, 20_999),
    "10.77.0.6": (21_000, 21_999),
    "10.77.0.7": (22_000, 22_999),
}
EACH = 5
PORT = 9000
CREATE, DELETE, BLOCK_GIVEN = 4, 5, 16

SESSION = ((323, 8), (8, 4), (225, 4), (12, 4), (7, 2), (227, 2), (11, 2), (4, 1), (230, 1))
BLOCK = ((323, 8), (8, 4), (225, 4), (230, 1), (361, 2), (362, 2))

_EVENT = re.compile(
    r"\[(?P<what>NEW|DESTROY)\] udp .*?"
    r"src=(?P<inside>\S+) dst=(?P<to>\S+) sport=(?P<inside_port>\d+) dport=(?P<to_port>\d+)"
    r".*? src=\S+ dst=(?P<outside>\S+) sport=\d+ dport=(?P<outside_port>\d+)"
)

_SERVE = """
import socket, sys
one = socket.socket(type=socket.SOCK_DGRAM)
one.bind((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    octets, peer = one.recvfrom(100)
    print(peer[0], peer[1], octets.decode(), flush=True)
"""

_SEND = """
import socket, sys
for number in range(int(sys.argv[4])):
    with socket.socket(type=socket.SOCK_DGRAM) as one:
        one.bind((sys.argv[1], 30000 + number))
        one.sendto(sys.argv[1].encode(), (sys.argv[2], int(sys.argv[3])))
"""


@pytest.fixture
def collecting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[LiveSite, int]]:
    """A site that serves RADIUS and collects, and its port for IPFIX; everybody is signed in."""
    require_root()
    require("conntrack", "conntrack")
    require("radclient", "freeradius-utils")
    port = free_port(socket.SOCK_DGRAM)
    changes = {
        'ipfix = ["127.0.0.1:0"]': f'ipfix = ["127.0.0.1:{port}"]',
        "[collector]": "[archive]\nsegment_seconds = 1\n[collector]",
    }
    live = site_of_kind(request, tmp_path, "sqlite", changes)
    live.add_nas("gate", LOOPBACK)
    for name in CLIENTS.values():
        live.add_person(name, PASSWORD)
    with running_radius(live), started(live.site, "collector") as collector:
        wait_until(lambda: "collector_started" in collector.log(), 60, "no collector")
        nas = Nas(live)
        for address, name in CLIENTS.items():
            accepted = nas.access(name, PASSWORD)
            accounted = nas.account(
                "Start", f"{name}-1", User_Name=name, Framed_IP_Address=address,
                Class=accepted.one("Class"),
            )  # fmt: skip
            assert accounted.code == "Accounting-Response"
        yield live, port
        assert collector.stop() == 0, collector.log()


@contextmanager
def running(namespace: str, log: Path, *command: str) -> Iterator[None]:
    """A program in a namespace, its output in `log`; killed at the end."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, *command], stdout=stream, stderr=stream
        )
    try:
        yield
    finally:
        process.kill()
        process.wait(20)


def talk(net: Network, folder: Path) -> tuple[dict[int, str], list[re.Match[str]]]:
    """(public port -> client, as the server saw it; what conntrack told of it)."""
    seen, events = folder / "server.log", folder / "conntrack.log"
    conntrack = require("conntrack", "conntrack")
    with (
        running(net.server, seen, sys.executable, "-u", "-c", _SERVE, SERVER, str(PORT)),
        running(net.gateway, events, conntrack, "-E", "-p", "udp", "-o", "timestamp"),
    ):
        wait_until(lambda: "ready" in seen.read_text(), 20, "no server")
        # conntrack does not say when it listens.
        wait_until(lambda: is_listening(net.gateway), 20, "conntrack does not listen")
        for address in CLIENTS:
            inside(net.client, sys.executable, "-c", _SEND, address, SERVER, str(PORT), str(EACH))
        expected = EACH * len(CLIENTS)
        wait_until(lambda: len(seen.read_text().splitlines()) > expected, 20, seen.read_text())
        # They end a second after their last packet, and the kernel tells when it next clears up,
        # which may take minutes. It fails when there is nothing left to delete.
        time.sleep(1)
        with contextlib.suppress(subprocess.CalledProcessError):
            inside(net.gateway, conntrack, "-D", "-p", "udp", "--dport", str(PORT))
        wait_until(
            lambda: events.read_text().count("[DESTROY]") >= expected, 30, events.read_text()
        )
    truth = {}
    for line in seen.read_text().splitlines()[1:]:
        address, port, client = line.split()
        assert address == PUBLIC
        truth[int(port)] = client
    assert len(truth) == expected
    return truth, list(_EVENT.finditer(events.read_text()))


def session_record(event: re.Match[str], at_ms: int) -> bytes:
    """One NAT44 session event."""
    addresses = [ip_address(event[name]).packed for name in ("inside", "outside", "to")]
    ports = [int(event[name]) for name in ("inside_port", "outside_port", "to_port")]
    what = CREATE if event["what"] == "NEW" else DELETE
    return struct.pack("!Q4s4s4sHHHBB", at_ms, *addresses, *ports, 17, what)


def block_record(client: str, first: int, last: int, at_ms: int) -> bytes:
    """One allocation of a block of ports."""
    addresses = [ip_address(one).packed for one in (client, PUBLIC)]
    return struct.pack("!Q4s4sBHH", at_ms, *addresses, BLOCK_GIVEN, first, last)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def send(port: int, template: tuple[tuple[int, int], ...], records: list[bytes]) -> bytes:
    """Export `records` in one message."""
    octets = ipfix.message(
        ipfix.template_set(256, template), ipfix.data_set(256, records), seconds=int(time.time())
    )
    with socket.socket(type=socket.SOCK_DGRAM) as wire:
        wire.sendto(octets, ("127.0.0.1", port))
    return octets


def await_records(live: LiveSite, kind: str, records: int) -> None:
    path = live.site.data_dir / "archive" / "manifest.jsonl"

    def stored() -> int:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines]
        return sum(one["records"] for one in found if one["kind"] == kind)

    wait_until(lambda: stored() >= records, 60, f"{records} records of {kind} do not arrive")


def who(live: LiveSite, at: datetime, port: int) -> tuple[str, list[str], dict[str, Any]]:
    """(outcome, accounts, the answer) of a look-up of one public port."""
    answer = json.loads(
        live.yuenyan(
            *("lookup", "--at", at.isoformat(), "--address", PUBLIC, "--port", str(port)),
            *("--protocol", "udp", "--case", "test", "--reason", "test", "--json"),
        ).stdout
    )
    accounts = [candidate["account"] for candidate in answer["candidates"]]
    return answer["outcome"], accounts, answer


def test_the_port_of_a_translation_leads_to_its_client(
    collecting: tuple[LiveSite, int], tmp_path: Path
) -> None:
    live, port = collecting
    with translated(list(CLIENTS)) as net:
        truth, events = talk(net, tmp_path)
    at = datetime.now(UTC)
    assert len(events) == 2 * len(truth)
    ours = {
        event["what"]: now_ms() + (500 if event["what"] == "DESTROY" else 0) for event in events
    }
    octets = send(port, SESSION, [session_record(event, ours[event["what"]]) for event in events])
    assert tshark_events(octets, tmp_path) == sorted([CREATE, DELETE] * len(truth))
    await_records(live, "flow", len(events))
    for outside_port, client in truth.items():
        outcome, accounts, answer = who(live, at, outside_port)
        assert (outcome, accounts) == ("single", [CLIENTS[client]]), answer
    unused = next(one for one in range(20_000, 40_000) if one not in truth)
    assert who(live, at, unused)[0] == "none"


def test_a_port_in_a_block_leads_to_whose_block_it_is(
    collecting: tuple[LiveSite, int], tmp_path: Path
) -> None:
    live, port = collecting
    records = [block_record(client, *span, now_ms()) for client, span in BLOCKS.items()]
    octets = send(port, BLOCK, records)
    assert tshark_events(octets, tmp_path) == [BLOCK_GIVEN] * len(BLOCKS)
    time.sleep(1.5)
    with translated(list(CLIENTS), BLOCKS) as net:
        truth, _ = talk(net, tmp_path)
    await_records(live, "nat", len(BLOCKS))
    at = datetime.now(UTC)
    for outside_port, client in truth.items():
        outcome, accounts, answer = who(live, at, outside_port)
        assert (outcome, accounts) == ("single", [CLIENTS[client]]), answer
        assert any(one.startswith("nat:") for one in answer["candidates"][0]["evidence"])
    assert who(live, at, 23_000)[0] == "none"


def tshark_events(octets: bytes, folder: Path) -> list[int]:
    """The natEvents that tshark, which nobody here wrote, reads in a message."""
    tshark = require("tshark", "tshark")
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 101)
    udp = struct.pack("!HHHH", 4000, 4739, 8 + len(octets), 0) + octets
    addresses = ip_address("192.0.2.1").packed * 2
    packet = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + addresses + udp
    path = folder / "message.pcap"
    path.write_bytes(head + struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet)
    told = subprocess.run(
        [tshark, "-r", str(path), "-d", "udp.port==4739,cflow", "-T", "fields",
         "-e", "cflow.nat_event"],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    return sorted(int(one) for one in told.strip().split(",") if one)
