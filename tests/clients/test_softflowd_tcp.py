"""softflowd sends IPFIX over TCP; every flow that it says it sent is in the archive."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import free_port, wait_until
from tests.integration.test_ipfix_streams import Collector
from tests.programs import require, require_root

pytestmark = [pytest.mark.real, pytest.mark.root, pytest.mark.timeout(120)]

DATAGRAMS, OCTETS = 700, 1400
"""Of a burst: softflowd hands on what it captured only when so much more has come."""
MAX_BURSTS = 30
_EXPORTED = re.compile(r"Flows exported: *(\d+) \((\d+) records\)")


def burst(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(DATAGRAMS):
            sender.sendto(bytes(OCTETS), ("127.0.0.1", port))


def test_what_softflowd_sends_over_tcp_is_archived_whole(tmp_path: Path) -> None:
    require_root()
    program = require("softflowd", "softflowd")
    traffic, control = free_port(socket.SOCK_DGRAM), str(tmp_path / "ctl")
    with Collector(tmp_path / "site", ipfix_tcp=True) as collector:
        command = [program, "-d", "-i", "lo", "-n", f"127.0.0.1:{collector.port}", "-P", "tcp"]
        command += ["-v", "10", "-c", control, "-p", str(tmp_path / "pid")]
        for limit in ("general=1", "udp=1", "maxlife=2", "expint=1"):
            command += ["-t", limit]
        exporter = subprocess.Popen(
            [*command, f"udp and port {traffic}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: Path(control).exists(), 20, "softflowd does not start")
            bursts = 0
            while len(collector.messages()) < 3 and bursts < MAX_BURSTS:
                burst(traffic)
                bursts += 1
                time.sleep(0.6)
            told = subprocess.run(
                ["softflowctl", "-c", control, "statistics"],
                capture_output=True, text=True, timeout=20, check=True,
            ).stdout  # fmt: skip
            subprocess.run(["softflowctl", "-c", control, "exit"], timeout=20, check=True)
        finally:
            exporter.terminate()
            exporter.wait(20)
        collector.stored()
    exported = _EXPORTED.search(told)
    assert exported is not None, told
    ports = collector.archived("dst_port")
    # At its end it may send what it still held.
    assert len(ports) >= int(exported[1]) > 0, told
    assert set(ports) == {traffic}
    assert set(collector.archived("protocol")) == {17}
