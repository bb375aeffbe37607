"""Exporters that nobody here wrote, on the gateway of a network; and what they truly sent."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.clients.namespaces import Network, is_listening
from tests.conftest import free_port, wait_until
from tests.programs import require
from tests.udp_queues import unread_octets
from tests.vectors.flows.captures import read_pcap
from traffic.decoders.decoder import Datagram

_LIMIT_SECONDS = 20

_ULOGD = """\
[global]
logfile="{folder}/ulogd.out"
loglevel=1
plugin="{plugins}/ulogd_inpflow_NFCT.so"
plugin="{plugins}/ulogd_output_IPFIX.so"
stack=ct1:NFCT,ipfix1:IPFIX
[ct1]
[ipfix1]
oid=1
host="{host}"
port="{port}"
proto="udp"
mtu=512
"""


@dataclass(frozen=True, slots=True)
class Exporter:
    """One program and the version it speaks."""

    program: str
    package: str
    version: int

    def running(
        self, net: Network, client: str, port: int, folder: Path
    ) -> AbstractContextManager[None]:
        """Have it export what passes the gateway to `port` here; it is ended at the end."""
        if self.program == "pmacctd":
            return net.exporting(client, port, self.version, folder)
        program = require(self.program, self.package)
        build: dict[str, Callable[[], list[str]]] = {
            "softflowd": lambda: self._softflowd(net, port, folder),
            "fprobe": lambda: [
                *("-l", "2", "-i", "inside", "-f", "ip", "-s", "1", "-d", "1", "-e", "2"),
                f"{net.here}:{port}",
            ],
            "ulogd": lambda: self._ulogd(net, port, folder),
        }
        return _on_gateway(net, [program, *build[self.program]()], folder / f"{self.program}.log")

    def _softflowd(self, net: Network, port: int, folder: Path) -> list[str]:
        options = ["-d", "-i", "inside", "-n", f"{net.here}:{port}", "-v", str(self.version)]
        options += ["-c", str(folder / "softflowd.ctl"), "-p", str(folder / "softflowd.pid")]
        for limit in ("maxlife=3", "general=2", "tcp=2", "udp=2", "tcp.fin=1", "expint=1"):
            options += ["-t", limit]
        return options

    def _ulogd(self, net: Network, port: int, folder: Path) -> list[str]:
        plugins = next(iter(Path("/usr/lib").glob("*/ulogd")), Path("/usr/lib/ulogd"))
        path = folder / "ulogd.conf"
        path.write_text(_ULOGD.format(folder=folder, plugins=plugins, host=net.here, port=port))
        return ["-c", str(path), "-v"]


@contextmanager
def _on_gateway(net: Network, command: list[str], log: Path) -> Iterator[None]:
    """`command` in the gateway's namespace, with all its children ended at the end."""
    with log.open("wb") as stream:
        running = subprocess.Popen(
            ["ip", "netns", "exec", net.gateway, *command],
            stdout=stream, stderr=stream, cwd="/", process_group=0,
        )  # fmt: skip
    try:
        # None of them says when it is ready.
        wait_until(lambda: is_listening(net.gateway), _LIMIT_SECONDS, log.read_text())
        yield
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(5)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait(_LIMIT_SECONDS)


@contextmanager
def captured(net: Network, port: int, path: Path) -> Iterator[None]:
    """tcpdump of what arrives here for `port`, in `path`."""
    program = require("tcpdump", "tcpdump")
    log = path.with_suffix(".log")
    with log.open("wb") as stream:
        running = subprocess.Popen(
            [program, "-i", net.link, "--immediate-mode", "-U", "-n", "-w", str(path),
             "udp", "port", str(port)],
            stdout=stream, stderr=stream,
        )  # fmt: skip
    try:
        wait_until(lambda: b"listening on" in log.read_bytes(), _LIMIT_SECONDS, log.read_text())
        yield
        wait_until(lambda: _is_quiet(path), _LIMIT_SECONDS, "tcpdump writes for ever")
        running.send_signal(signal.SIGINT)
        running.wait(_LIMIT_SECONDS)
    finally:
        running.kill()
        running.wait(_LIMIT_SECONDS)


def count_with_nfdump(datagrams: list[Datagram], folder: Path) -> int:
    """How many flows nfcapd and nfdump, which nobody here wrote, get out of `datagrams`.

    Those of an exporter on loopback are sent from its address, so that it keeps its templates.
    """
    nfcapd, nfdump = require("nfcapd", "nfdump"), require("nfdump", "nfdump")
    folder.mkdir()
    port = free_port(socket.SOCK_DGRAM)
    log = folder.with_suffix(".log")
    with log.open("wb") as stream:
        running = subprocess.Popen(
            [nfcapd, "-w", str(folder), "-b", "127.0.0.1", "-p", str(port), "-t", "3600"],
            stdout=stream, stderr=stream,
        )  # fmt: skip
    try:
        wait_until(lambda: unread_octets(port) is not None, _LIMIT_SECONDS, "nfcapd does not start")
        wires: dict[str, socket.socket] = {}
        with contextlib.ExitStack() as opened:
            for datagram in datagrams:
                source = datagram.exporter if datagram.exporter.startswith("127.") else "127.0.0.1"
                if source not in wires:
                    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    wires[source] = opened.enter_context(wire)
                    wires[source].bind((source, 0))
                wires[source].sendto(datagram.payload, ("127.0.0.1", port))
                time.sleep(0.002)
        wait_until(lambda: unread_octets(port) == 0, _LIMIT_SECONDS, "nfcapd does not read")
        time.sleep(1)
        running.send_signal(signal.SIGTERM)
        running.wait(_LIMIT_SECONDS)
    finally:
        running.kill()
        running.wait(_LIMIT_SECONDS)
    told = subprocess.run(
        [nfdump, "-R", str(folder), "-I"],
        capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=True,
    ).stdout  # fmt: skip
    match = re.search(r"^Flows: (\d+)$", told, re.MULTILINE)
    assert match, told
    return int(match[1])


def capture_of(path: Path) -> list[Datagram]:
    """The datagrams tcpdump saw."""
    return list(read_pcap(path))


def _is_quiet(path: Path) -> bool:
    """True when a file has not grown for a second."""
    before = path.stat().st_size
    time.sleep(1)
    return path.stat().st_size == before
