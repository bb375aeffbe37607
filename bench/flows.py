"""How fast flows are decoded, written and found here, and how many octets one takes.

Synthetic NetFlow 9: 20,000 clients behind 64 public addresses, 28 flows a datagram. No
network, no processes: one core, one temporary directory, under 30 seconds.
"""

from __future__ import annotations

import struct
import sys
import tempfile
import time
from ipaddress import ip_network
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

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

PER_DATAGRAM = 28
DATAGRAMS = 36_000
ROUNDS = 3
SECONDS = 1_795_000_000
FIELDS = (
    *((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (1, 4), (2, 4), (22, 4), (21, 4)),
    *((225, 4), (227, 2), (10, 4), (14, 4)),
)
RECORD = np.dtype([(f"f{kind}", f">u{octets}") for kind, octets in FIELDS])


def make_datagrams(seed: int) -> list[bytes]:
    """About a million flows of one second of a busy site."""
    rng = np.random.default_rng(seed)
    count = DATAGRAMS * PER_DATAGRAM
    records = np.zeros(count, RECORD)
    clients = rng.integers(0, 20_000, count)
    records["f8"] = 0x0A000000 + clients
    records["f12"] = rng.integers(0x01000000, 2**32, count)
    records["f7"] = records["f227"] = rng.integers(1024, 61_024, count)
    records["f11"] = np.where(rng.random(count) < 0.8, 443, rng.integers(0, 65_536, count))
    records["f4"] = np.where(rng.random(count) < 0.7, 6, 17)
    records["f6"] = 0x1B
    records["f1"] = rng.integers(64, 200_064, count)
    records["f2"] = rng.integers(1, 201, count)
    uptime = 1_000_000 + np.arange(count) // PER_DATAGRAM * 1000 // DATAGRAMS
    records["f21"] = uptime
    records["f22"] = uptime - rng.integers(0, 5000, count)
    records["f225"] = 0xCB007100 + clients % 64
    records["f10"], records["f14"] = 1, 2
    template = struct.pack("!HHHH", 0, 8 + 4 * len(FIELDS), 256, len(FIELDS))
    template += b"".join(struct.pack("!HH", *field) for field in FIELDS)
    octets, size = records.tobytes(), RECORD.itemsize * PER_DATAGRAM
    made = []
    for number in range(DATAGRAMS):
        head = struct.pack(
            "!HHIIII",
            9,
            1,
            int(uptime[number * PER_DATAGRAM]),
            SECONDS,
            seed * DATAGRAMS + number,
            1,
        )
        body = octets[number * size : (number + 1) * size]
        first = template if number == 0 else b""
        made.append(head + first + struct.pack("!HH", 256, 4 + size) + body)
    return made


def main() -> None:
    datagrams = [make_datagrams(seed) for seed in range(ROUNDS)]
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
        octets = sum(entry.octets for entry in Manifest(paths.archive).entries())
        started = time.perf_counter()
        reader = FlowReader(paths.archive, Inside(Config().collector.inside))
        asked = Asked(ip_network("10.0.3.232"), SECONDS * 1000 - 10_000, SECONDS * 1000 + 10_000)
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


if __name__ == "__main__":
    main()
