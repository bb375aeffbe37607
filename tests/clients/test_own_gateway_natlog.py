"""The gateway's log of translations: a public port leads to who was behind it, octets included.

The translation is the real kernel's, the truth is what the far side saw.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from captive_portal.gateway.verbs import Admit
from tests.clients.namespaces import inside
from tests.clients.own_gateway import (
    FAR4,
    FAR6,
    ONE,
    ONE4,
    ONE6,
    OTHER,
    OTHER4,
    OTHER6,
    OUTSIDE4,
    Lab,
    as_its_unit_allows,
    connect,
    echoed,
    own_gateway,
    within,
)
from tests.clients.radclient import Nas
from tests.conftest import free_port, wait_until
from tests.integration.radius_site import (
    LOOPBACK,
    LiveSite,
    command,
    running_radius,
    site_of_kind,
)
from tests.programs import require, require_root

pytestmark = [pytest.mark.real, pytest.mark.root, pytest.mark.timeout(180)]

PASSWORD = "seven green elephants"
PEOPLE = {ONE4: "five", OTHER4: "six"}
ECHO, LINE = 9000, 9001
SO_RCVBUFFORCE = 33
"""Linux; Python has no name for it."""


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[LiveSite, int]]:
    """A site with both people signed in, and its port for IPFIX; nothing collects yet."""
    require_root()
    require("radclient", "freeradius-utils")
    require("conntrack", "conntrack")
    port = free_port(socket.SOCK_DGRAM)
    changes = {
        'ipfix = ["127.0.0.1:0"]': f'ipfix = ["127.0.0.1:{port}"]',
        "[collector]": "[archive]\nsegment_seconds = 1\n[collector]",
    }
    live = site_of_kind(request, tmp_path, "sqlite", changes)
    live.add_nas("gate", LOOPBACK)
    for name in PEOPLE.values():
        live.add_person(name, PASSWORD)
    with running_radius(live):
        nas = Nas(live)
        for address, name in PEOPLE.items():
            accepted = nas.access(name, PASSWORD)
            nas.account(
                "Start", f"{name}-1", User_Name=name, Framed_IP_Address=address,
                Class=accepted.one("Class"),
            )  # fmt: skip
        yield live, port


@contextlib.contextmanager
def running(lab: Lab, log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program in the gateway's namespace; killed at the end if it has not ended."""
    with log.open("ab") as stream:
        process = subprocess.Popen(
            ["ip", "netns", "exec", lab.gate, *arguments], stdout=stream, stderr=stream, cwd="/"
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(20)


def natlog(lab: Lab) -> list[str]:
    return [
        *as_its_unit_allows("natlog"),
        *(sys.executable, "-P", "-m", "yuenyan.cli"),
        *("--config", str(lab.folder / "yuenyan.toml"), "gateway-natlog"),
    ]


def stored(live: LiveSite) -> int:
    path = live.site.data_dir / "archive" / "manifest.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return sum(one["records"] for one in map(json.loads, lines) if one["kind"] == "flow")


def who(live: LiveSite, at: datetime, port: int, protocol: str) -> dict[str, Any]:
    """The answer of a look-up of one public port."""
    told: dict[str, Any] = json.loads(
        live.yuenyan(
            *("lookup", "--at", at.isoformat(), "--address", OUTSIDE4, "--port", str(port)),
            *("--protocol", protocol, "--case", "test", "--reason", "test", "--json"),
        ).stdout
    )
    return told


def flows(live: LiveSite, address: str, from_at: datetime) -> list[dict[str, Any]]:
    told = live.yuenyan(
        *("flows", "--address", address, "--from", from_at.isoformat()),
        *("--to", datetime.now(UTC).isoformat(), "--case", "test", "--reason", "test", "--json"),
    ).stdout
    found: list[dict[str, Any]] = json.loads(told)["flows"]
    return found


def test_a_public_port_of_our_gateway_leads_to_its_client(
    site: tuple[LiveSite, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    live, port = site
    folder = tmp_path_factory.mktemp("natlog")
    seen: dict[tuple[str, int], str] = {}

    def far_side(wire: socket.socket) -> None:
        address, public, *_ = wire.getpeername()
        seen["tcp", public] = wire.recv(100).decode()
        assert address.endswith(OUTSIDE4)
        wire.sendall(b"seen")
        wire.recv(100)

    with own_gateway(folder) as lab:
        lab.configure(f'collector = "127.0.0.1:{port}"')
        lab.serve(lab.far, LINE, far_side)
        for address in (FAR4, FAR6):
            lab.echo(lab.far, address, ECHO)
        lab.start_helper()
        lab.do(Admit(mac=ONE, addresses=(ONE4, ONE6), seconds=120))
        lab.do(Admit(mac=OTHER, addresses=(OTHER4, OTHER6), seconds=120))
        collector_log, natlog_log = folder / "collector.log", folder / "natlog.log"
        with (
            contextlib.ExitStack() as opened,
            running(lab, collector_log, *command(live.site, "collector")) as collector,
        ):
            wait_until(lambda: "collector_started" in collector_log.read_text(), 60, "no collector")
            began = datetime.now(UTC)
            # These begin before anybody listens to the kernel.
            early = [opened.enter_context(connect(one, FAR4, LINE)) for one in (lab.one, lab.other)]
            for wire, name in zip(early, PEOPLE.values(), strict=True):
                wire.sendall(name.encode())
                assert wire.recv(10) == b"seen"
            with running(lab, natlog_log, *natlog(lab)) as killed:
                wait_until(lambda: "natlog_started" in natlog_log.read_text(), 30, "no natlog")
                for namespace, name in ((lab.one, "five"), (lab.other, "six")):
                    with connect(namespace, FAR4, LINE) as wire:
                        wire.sendall(name.encode())
                        assert wire.recv(10) == b"seen"
                time.sleep(0.7)  # what it heard is sent every half second
                killed.kill()
            with running(lab, natlog_log, *natlog(lab)) as log:
                wait_until(
                    lambda: natlog_log.read_text().count("natlog_started") == 2, 30, "no natlog"
                )
                for namespace, name in ((lab.one, "five"), (lab.other, "six")):
                    with connect(namespace, FAR4, LINE) as wire:
                        wire.sendall(name.encode())
                        assert wire.recv(10) == b"seen"
                echoed(lab.one, FAR4, ECHO, bytes(100), times=7)
                echoed(lab.one, FAR6, ECHO, bytes(100), times=5)
                at = datetime.now(UTC)
                assert len(seen) == 6
                # Both families: the kernel would tell of their end in a minute or more.
                inside(lab.gate, "conntrack", "-D", "-p", "udp", "--dport", str(ECHO))
                inside(lab.gate, "conntrack", "-D", "-p", "tcp", "--dport", str(LINE))
                time.sleep(1.5)  # the kernel tells of the ends when it comes to it
                log.terminate()
                assert log.wait(20) == 0, natlog_log.read_text()
            wait_until(lambda: stored(live) >= 6, 60, "records do not arrive")
            collector.terminate()
            assert collector.wait(60) == 0
    for (protocol, public), name in seen.items():
        answer = who(live, at, public, protocol)
        accounts = [candidate["account"] for candidate in answer["candidates"]]
        assert (answer["outcome"], accounts) == ("single", [name]), answer
    used = {public for _, public in seen}
    unused = next(one for one in range(20_000, 60_000) if one not in used)
    assert who(live, at, unused, "tcp")["outcome"] in ("none", "gap")
    over = [one for one in flows(live, ONE4, began) if one["protocol"] in (6, "tcp")]
    assert sum(one["octets"] > 150 for one in over) == 3, over
    for address, octets in ((ONE4, 7 * (20 + 8 + 100)), (ONE6, 5 * (40 + 8 + 100))):
        of_it = [one for one in flows(live, address, began) if one["protocol"] in (17, "udp")]
        assert [one for one in of_it if one["octets"] == octets], of_it


def test_events_that_the_kernel_dropped_are_a_gap_and_are_told_from_its_table(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """It sleeps while more connections begin than the kernel keeps events for."""
    require_root()
    folder = tmp_path_factory.mktemp("overflow")
    many = range(20_000, 40_000)
    with own_gateway(folder) as lab:
        with within(lab.gate):
            collector = socket.socket(type=socket.SOCK_DGRAM)
        collector.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
        collector.bind(("127.0.0.1", 4739))
        collector.settimeout(5)
        lab.configure('collector = "127.0.0.1:4739"')
        lab.start_helper()
        lab.do(Admit(mac=ONE, addresses=(ONE4,), seconds=120))
        natlog_log = folder / "natlog.log"
        with collector, running(lab, natlog_log, *natlog(lab)) as log:
            wait_until(lambda: "natlog_started" in natlog_log.read_text(), 30, "no natlog")
            time.sleep(0.5)
            log.send_signal(signal.SIGSTOP)
            with within(lab.one):
                for port in many:
                    with socket.socket(type=socket.SOCK_DGRAM) as wire:
                        wire.bind((ONE4, port))
                        wire.sendto(b"x", (FAR4, 9))
            log.send_signal(signal.SIGCONT)
            told: set[int] = set()
            records = expected = 0
            while not told.issuperset(many):
                octets = collector.recv(2000)
                sequence, ports = _creates(octets)
                records += len(ports)
                expected = sequence + len(ports)
                told.update(ports)
        assert "events_lost" in natlog_log.read_text()
        assert expected > records


def _creates(octets: bytes) -> tuple[int, list[int]]:
    """(sequence number, inside ports) of a message of NAT44 create events alone."""
    sequence = int.from_bytes(octets[8:12], "big")
    at = 16 + int.from_bytes(octets[18:20], "big")
    number, length = int.from_bytes(octets[at : at + 2], "big"), octets[at + 2 : at + 4]
    assert number == 256
    body = octets[at + 4 : at + int.from_bytes(length, "big")]
    size = 8 + 4 + 4 + 4 + 2 + 2 + 2 + 1 + 1
    return sequence, [
        int.from_bytes(body[one + 22 : one + 24], "big") for one in range(0, len(body), size)
    ]
