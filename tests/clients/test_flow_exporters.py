"""Real exporters on a gateway: what they sent is in the archive, as often as nfdump finds it."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.clients.exporters import Exporter, capture_of, captured, count_with_nfdump
from tests.clients.namespaces import SERVER, translated
from tests.conftest import wait_until
from tests.integration.radius_site import LiveSite, site_of_kind, started
from tests.programs import require, require_root
from tests.vectors.flows.captures import captures
from traffic.decoders.decoder import FlowDecoder

pytestmark = [pytest.mark.real, pytest.mark.root, pytest.mark.timeout(180), pytest.mark.sampled]

CLIENT = "10.77.0.5"
TCP, UDP = 5, 20

MAX_ROUNDS = 12
PORT = 8080
CHANGES = {
    'netflow = ["127.0.0.1:': 'netflow = ["0.0.0.0:',
    "[collector]": "[archive]\nsegment_seconds = 1\n[collector]",
}

EXPORTERS = [
    pytest.param(Exporter("pmacctd", "pmacct", 5), True, id="pmacctd-5"),
    pytest.param(Exporter("pmacctd", "pmacct", 9), True, id="pmacctd-9"),
    pytest.param(Exporter("pmacctd", "pmacct", 10), True, id="pmacctd-ipfix"),
    # These lose some short flows before they send anything; what they send is another matter.
    pytest.param(Exporter("softflowd", "softflowd", 5), False, id="softflowd-5"),
    pytest.param(Exporter("softflowd", "softflowd", 9), False, id="softflowd-9"),
    pytest.param(Exporter("softflowd", "softflowd", 10), False, id="softflowd-ipfix"),
    pytest.param(Exporter("fprobe", "fprobe", 5), False, id="fprobe-5"),
    pytest.param(Exporter("ulogd", "ulogd2", 10), False, id="ulogd-ipfix"),
]


@pytest.fixture
def collecting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LiveSite]:
    """A site whose collector runs."""
    require_root()
    live = site_of_kind(request, tmp_path, "sqlite", CHANGES)
    with started(live.site, "collector") as collector:
        wait_until(lambda: "collector_started" in collector.log(), 60, "no collector")
        yield live
        assert collector.stop() == 0, collector.log()


def entries(live: LiveSite) -> list[dict[str, Any]]:
    path = live.site.data_dir / "archive" / "manifest.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def archived(live: LiveSite) -> int:
    return sum(one["records"] for one in entries(live) if one["kind"] == "flow")


@pytest.mark.parametrize(("exporter", "exact"), EXPORTERS)
def test_what_an_exporter_sends_is_archived_to_the_last_record(
    collecting: LiveSite, tmp_path: Path, exporter: Exporter, exact: bool
) -> None:
    live, path = collecting, tmp_path / "sent.pcap"
    since = datetime.now(UTC) - timedelta(seconds=5)
    require("nfcapd", "nfdump")
    with (
        translated([CLIENT]) as net,
        captured(net, live.flow_port, path),
        exporter.running(net, CLIENT, live.flow_port, tmp_path),
    ):
        rounds = 0
        # softflowd hands on what it captured only after more has come, ulogd full messages only.
        while archived(live) < TCP and rounds < MAX_ROUNDS:
            net.talk(CLIENT, PORT, TCP, UDP)
            rounds += 1
            time.sleep(3)
            if exporter.program == "ulogd":
                net.forget_connections()
    told = count_with_nfdump(capture_of(path), tmp_path / "nfdump")
    assert told >= TCP
    wait_until(lambda: archived(live) >= told, 40, f"{archived(live)} of {told} are archived")
    assert archived(live) == told
    listed = entries(live)
    assert {one["kind"] for one in listed if one["path"]} == {"flow"}
    assert [gap for one in listed for gap in one["gaps"]] == []

    period = ("--from", since.isoformat(), "--to", datetime.now(UTC).isoformat())
    purpose = ("--case", "test", "--reason", "test", "--json")
    answer = json.loads(live.yuenyan("flows", "--address", CLIENT, *period, *purpose).stdout)
    flows = [flow for flow in answer["flows"] if flow["src"] == CLIENT]
    assert all((flow["dst"], flow["dst_port"]) == (SERVER, PORT) for flow in flows)
    sent = Counter(flow["protocol"] for flow in flows)
    octets = sum(flow["octets"] for flow in flows if flow["protocol"] == "tcp")
    if exact:
        assert (sent["tcp"], sent["udp"]) == (TCP * rounds, UDP * rounds)
        assert octets > TCP * rounds * 20_000
    else:
        assert 0 < sent["tcp"] <= TCP * rounds
        assert sent["udp"] <= UDP * rounds


def test_nfdump_finds_as_many_records_in_the_captures(tmp_path: Path) -> None:
    datagrams = []
    expected = 0
    for number, capture in enumerate(captures(), 1):
        if capture.records:
            expected += capture.records
            source = f"127.1.{number}.1"
            datagrams += [one._replace(exporter=source) for one in capture.datagrams()]
    found = FlowDecoder().decode(datagrams)
    assert len(found.batch) + len(found.blocks) == expected
    assert count_with_nfdump(datagrams, tmp_path / "nfdump") == expected
