"""A steady stream of flows to a real collector, and the memory it takes meanwhile."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.netflow import PER_DATAGRAM, make_datagrams
from bench.postgresql import free_port
from bench.processes import descendants, end, memory
from common import config as configuration
from tests.conftest import write_configuration
from yuenyan.initialise import initialise

EXPORTERS = 4
POOL = 4_000
WARM_SHARE = 0.25
"""Of the time; memory is compared from then on."""
GROWTH = 0.15
TURN_SECONDS = 0.01
DRAIN_SECONDS = 300.0


def sustain(seconds: int, rate: int) -> int:
    """Send `rate` flows a second; 1 when a flow was lost or memory grew."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_configuration(Path(folder))
        port = free_port(socket.SOCK_DGRAM)
        text = path.read_text(encoding="utf-8")
        text = text.replace('netflow = ["127.0.0.1:0"]', f'netflow = ["127.0.0.1:{port}"]')
        path.write_text(text, encoding="utf-8")
        initialise(configuration.load(path), "head", "correct horse battery")
        command = [sys.executable, "-m", "yuenyan.cli", "--config", str(path)]
        log = (Path(folder) / "log").open("w+")
        collector = subprocess.Popen([*command, "collector"], stderr=log)
        try:
            while "collector_started" not in (Path(folder) / "log").read_text():
                if collector.poll() is not None:
                    raise SystemExit((Path(folder) / "log").read_text())
                time.sleep(0.1)
            sent, took, samples = send(port, seconds, rate, collector.pid)
            stopped = time.monotonic()
            end(collector, DRAIN_SECONDS)
            drained = time.monotonic() - stopped
        finally:
            if collector.poll() is None:
                collector.kill()
                collector.wait()
            log.close()
        status = subprocess.run(
            [*command, "archive", "status", "--json"], capture_output=True, check=True
        )
        stored = json.loads(status.stdout)["kinds"]["flow"]["records"]
    print(f"sent {sent:,} flows in {took:.0f} s: {sent / took:,.0f} flows/s", end="; ")
    print(f"stored {stored:,}; drained in {drained:.1f} s")
    flat = True
    for name, values in samples.items():
        later = values[int(len(values) * WARM_SHARE) :]
        half = len(later) // 2
        first, last = max(later[:half]), max(later[half:])
        flat &= last <= first * (1 + GROWTH)
        print(
            f"{name:<9} RSS after warm-up {min(later) / 1e6:.0f} to {max(later) / 1e6:.0f} MB;"
            f" highest in the first half {first / 1e6:.0f}, in the second {last / 1e6:.0f} MB"
        )
    print("lossless" if sent == stored else "LOST FLOWS", "and" if flat else "but", end=" ")
    print("memory flat" if flat else "MEMORY GROWS")
    return int(sent != stored or not flat)


def send(
    port: int, seconds: int, rate: int, number: int
) -> tuple[int, float, dict[str, list[int]]]:
    """(flows sent, seconds taken, RSS samples of both processes)."""
    template, *pool = [bytearray(one) for one in make_datagrams(1, POOL)]
    sockets = []
    for _ in range(EXPORTERS):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        one.connect(("127.0.0.1", port))
        sockets.append(one)
    samples: dict[str, list[int]] = {"receiver": [], "decoder": []}
    sequences = [0] * EXPORTERS
    sent, begun, sampled = 0, time.monotonic(), 0.0
    while (passed := time.monotonic() - begun) < seconds:
        due = int(passed * rate) // PER_DATAGRAM
        while sent < due:
            which = sent % EXPORTERS
            datagram = template if sequences[which] % 1000 == 0 else pool[sent % len(pool)]
            # Its own domain for each exporter: on loopback all have one address.
            struct.pack_into("!III", datagram, 8, int(time.time()), sequences[which], which)
            sockets[which].send(datagram)
            sequences[which] += 1
            sent += 1
        if passed - sampled > 1:
            sampled = passed
            samples["receiver"].append(memory(number)[0])
            samples["decoder"].append(
                max((memory(one)[0] for one in descendants(number)), default=0)
            )
        time.sleep(TURN_SECONDS)
    took = time.monotonic() - begun
    for one in sockets:
        one.close()
    return sent * PER_DATAGRAM, took, samples
