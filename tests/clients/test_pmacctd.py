"""pmacctd exports real traffic by NetFlow 9 and 5 and IPFIX; a look-up names who it was.

The address is the one that radclient accounted; the flows are those that passed a veth
pair between two network namespaces.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.clients.namespaces import SERVER, network
from tests.clients.radclient import Nas
from tests.conftest import wait_until
from tests.integration.radius_site import (
    KINDS,
    LOOPBACK,
    LiveSite,
    Server,
    running_radius,
    site_of_kind,
    started,
)
from tests.programs import require, require_root

pytestmark = [pytest.mark.real, pytest.mark.root, pytest.mark.timeout(120), pytest.mark.sampled]

PURPOSE = ("--case", "คดี 12/2569", "--reason", "lawful request")
PASSWORD = "seven green elephants"
TCP, UDP = 6, 25
EXPECTED = 2 * TCP + UDP
"""A connection is two flows, one a direction; a datagram without an answer is one."""

CLIENTS = {9: ("10.77.0.9", "nine"), 5: ("10.77.0.5", "five"), 10: ("10.77.0.10", "ten")}
"""Version (10: IPFIX) → the address whose flows it carries, and whose address that is."""

LIMIT_SECONDS = 60
"""pmacctd sends a flow two to six seconds after its last packet, the collector hands it on after
one, and the decoding process is started and decodes at a lower priority than all the others."""

CHANGES = {
    'netflow = ["127.0.0.1:': 'netflow = ["0.0.0.0:',
    "[collector]": "[archive]\nsegment_seconds = 1\n[collector]",
}


@pytest.fixture(params=KINDS)
def collecting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[LiveSite, Server]]:
    """A site whose RADIUS server and collector run."""
    require_root()
    require("pmacctd", "pmacct")
    require("radclient", "freeradius-utils")
    live = site_of_kind(request, tmp_path, request.param, CHANGES)
    live.add_nas("gate", LOOPBACK)
    for _, name in CLIENTS.values():
        live.add_person(name, PASSWORD, **{"full-name": f"Somebody {name}"})
    with running_radius(live), started(live.site, "collector") as collector:
        wait_until(
            lambda: live.rows("SELECT id FROM service_run WHERE process = 'collector'"),
            30,
            "the collector does not start",
        )
        yield live, collector
        assert collector.stop() == 0, collector.log()


def ask(live: LiveSite, at: datetime, address: str, *options: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(
        live.yuenyan(
            *("lookup", "--at", at.isoformat(), "--address", address),
            *(*options, *PURPOSE, "--json"),
        ).stdout
    )
    return answer


def flows_of(live: LiveSite, since: datetime, *whose: str) -> list[dict[str, Any]]:
    until = datetime.now(UTC) + timedelta(seconds=5)
    period = ("--from", since.isoformat(), "--to", until.isoformat())
    answer = json.loads(live.yuenyan("flows", *whose, *period, *PURPOSE, "--json").stdout)
    found: list[dict[str, Any]] = answer["flows"]
    return found


def archived(live: LiveSite) -> int:
    """Flows in the archive, by the manifest alone: a look-up takes the processor, and a commit
    to the database each time, from the very process that is waited for."""
    path = live.site.data_dir / "archive" / "manifest.jsonl"
    if not path.exists():
        return 0
    lines = path.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
    return sum(json.loads(line)["records"] for line in lines)


def await_flows(live: LiveSite, collector: Server, folder: Path) -> None:
    """Return when all flows of all clients are in the archive; else tell how far they came."""
    expected = EXPECTED * len(CLIENTS)
    deadline = time.monotonic() + LIMIT_SECONDS
    while archived(live) < expected:
        if time.monotonic() > deadline:
            spooled = [path.name for path in (live.site.data_dir / "spool").iterdir()]
            logs = [path.read_text() for path in sorted(folder.glob("pmacctd-*.log"))]
            pytest.fail(
                f"{archived(live)} of {expected} flows are archived, spooled: {spooled}\n"
                + "\n".join((collector.log(), *logs))
            )
        time.sleep(0.2)


def test_a_lookup_names_whose_flows_pmacctd_exported(
    collecting: tuple[LiveSite, Server], tmp_path: Path
) -> None:
    live, collector = collecting
    nas = Nas(live)
    began = datetime.now(UTC)
    with network([address for address, _ in CLIENTS.values()]) as net:
        for address, name in CLIENTS.values():
            accepted = nas.access(name, PASSWORD)
            accounted = nas.account(
                "Start", f"{name}-1", User_Name=name, Framed_IP_Address=address,
                Class=accepted.one("Class"),
            )  # fmt: skip
            assert accounted.code == "Accounting-Response"
        port = live.flow_port
        with ExitStack() as exporting:
            for version, (address, _) in CLIENTS.items():
                exporting.enter_context(net.exporting(address, port, version, tmp_path))
            for address, _ in CLIENTS.values():
                net.talk(address, 8080, TCP, UDP)
            # A second of clock error is looked at on both sides; all must run by then.
            at = max(datetime.now(UTC), began + timedelta(seconds=1.2))
            # While the exporters run: at its end pmacctd may drop what it has just seen.
            await_flows(live, collector, tmp_path)

    for address, name in CLIENTS.values():
        flows = flows_of(live, began, "--user", name)
        assert len(flows) == EXPECTED
        assert {flow["exporter"] for flow in flows} == {flows[0]["exporter"]}
        to_server = [flow for flow in flows if flow["dst"] == SERVER]
        assert len(to_server) == TCP + UDP
        assert all(flow["src"] == address and flow["dst_port"] == 8080 for flow in to_server)
        udp = [flow for flow in to_server if flow["protocol"] == "udp"]
        assert len({flow["src_port"] for flow in udp}) == len(udp) == UDP
        assert {(flow["packets"], flow["octets"]) for flow in udp} == {(1, 128)}
        tcp = [flow for flow in to_server if flow["protocol"] == "tcp"]
        assert all(flow["octets"] > 20_000 for flow in tcp)

        one = udp[0]
        answer = ask(live, at, address, "--port", str(one["src_port"]), "--protocol", "udp")
        assert answer["outcome"] == "single", answer
        (candidate,) = answer["candidates"]
        assert candidate["account"] == name
        assert candidate["full_name"] == f"Somebody {name}"
        assert candidate["inside_address"] == address
        assert candidate["evidence"]

    # Nobody had this one, inside or outside, while everything was recorded.
    for address in ("10.77.0.200", "198.51.100.7"):
        answer = ask(live, at, address)
        assert (answer["outcome"], answer["gaps"]) == ("none", []), json.dumps(answer)
    # Before anything ran nobody can know.
    for address in (CLIENTS[9][0], "198.51.100.7"):
        answer = ask(live, began - timedelta(days=1), address)
        assert answer["outcome"] == "gap", answer
        assert {gap["reason"] for gap in answer["gaps"]} == {"not_running"}

    # A look-up that found nothing is on record too.
    asked = live.rows("SELECT count(*) FROM audit_event WHERE action = 'lookup:run'")
    assert asked == [(7,)]
