"""How fast flows are decoded, written and found here, and how many octets one takes.

Synthetic NetFlow 9: 20,000 clients behind 64 public addresses, 28 flows a datagram. No
network, no processes: one core, one temporary directory, under 30 seconds.

`--sustain SECONDS` instead sends so many seconds of 100,000 flows/s to a collector of its own
over loopback, and watches the memory of the process that receives and the one that decodes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from ipaddress import ip_network
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.netflow import PER_DATAGRAM, SECONDS, count_of_client, make_datagrams
from bench.processes import end_on_sigterm
from bench.sustained import sustain
from common.config import Config
from common.metrics import Counters
from traffic.archive.inside import Inside
from traffic.archive.manifest import Manifest
from traffic.archive.reading import Asked, FlowReader
from traffic.collectors.archivist import Archivist
from traffic.collectors.paths import CollectorPaths
from traffic.collectors.records import Listener, RecordKind, encode_record
from traffic.collectors.spool import closed_files
from traffic.decoders.decoder import Datagram, FlowDecoder

DATAGRAMS = 36_000
ROUNDS = 3


def measure() -> int:
    datagrams = [make_datagrams(seed, DATAGRAMS) for seed in range(ROUNDS)]
    flows = ROUNDS * DATAGRAMS * PER_DATAGRAM
    decoder = FlowDecoder()
    started = time.perf_counter()
    for number, some in enumerate(datagrams):
        base = (SECONDS + number) * 10**9
        decoder.decode(Datagram(base, "192.0.2.1", memoryview(one)) for one in some)
    decode_seconds = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        paths = CollectorPaths(root / "spool", root / "state", root / "archive", "bench")
        paths.make()
        for number, some in enumerate(datagrams):
            base = (SECONDS + number) * 10**9
            records = (
                encode_record(
                    RecordKind.DATAGRAM,
                    Listener.NETFLOW,
                    base + position * 1_000_000_000 // DATAGRAMS,
                    2055,
                    bytes(10) + b"\xff\xff\xc0\x00\x02\x01",
                    datagram,
                )
                for position, datagram in enumerate(some)
            )
            (paths.spool / f"{number + 1:012d}.spool").write_bytes(b"".join(records))
        archivist = Archivist(Config(), paths, Counters())
        archivist.recover()
        started = time.perf_counter()
        while files := closed_files(paths.spool):
            archivist.consume(files[:1])
        archive_seconds = time.perf_counter() - started
        entries = Manifest(paths.archive).entries()
        octets, stored = (
            sum(getattr(one, name) for one in entries) for name in ("octets", "records")
        )
        started = time.perf_counter()
        reader = FlowReader(paths.archive, Inside(Config().collector.inside))
        client = ip_network("10.0.3.232")
        asked = Asked(client, SECONDS * 1000 - 10_000, SECONDS * 1000 + 10_000)
        found, _ = reader.find_flows([asked], 100_000)
        find_seconds = time.perf_counter() - started
    rows = (
        ("decode", f"{flows / decode_seconds:,.0f} flows/s"),
        ("spool to archive", f"{flows / archive_seconds:,.0f} flows/s"),
        ("size", f"{octets / flows:.1f} octets a flow"),
        (f"{len(found)} flows of one client", f"{find_seconds * 1000:.0f} ms of {flows:,} flows"),
    )
    for name, value in rows:
        print(f"{name:<28} {value}")
    there = sum(count_of_client(one, int(client[0])) for one in datagrams)
    if (stored, len(found)) != (flows, there):
        print(f"FAILED: {stored:,} of {flows:,} flows stored; {len(found)} of {there} found")
        return 1
    return 0


def main() -> int:
    """Measure; the exit code says whether every flow was stored and found."""
    end_on_sigterm()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sustain", type=int, metavar="SECONDS")
    parser.add_argument("--rate", type=int, default=100_000, help="flows/s of --sustain")
    asked = parser.parse_args()
    if asked.sustain:
        return sustain(asked.sustain, asked.rate)
    return measure()


if __name__ == "__main__":
    sys.exit(main())
