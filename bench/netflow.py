"""Synthetic NetFlow 9: 20,000 clients behind 64 public addresses, 28 flows a datagram."""

from __future__ import annotations

import struct

import numpy as np

PER_DATAGRAM = 28
SECONDS = 1_795_000_000
"""unix_secs of the datagrams."""

FIELDS = (
    *((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (1, 4), (2, 4), (22, 4), (21, 4)),
    *((225, 4), (227, 2), (10, 4), (14, 4)),
)
RECORD = np.dtype([(f"f{kind}", f">u{octets}") for kind, octets in FIELDS])


def count_of_client(datagrams: list[bytes], address: int) -> int:
    """How many flows of `make_datagrams` are of an inside address."""
    size = RECORD.itemsize * PER_DATAGRAM
    records = np.frombuffer(b"".join(one[-size:] for one in datagrams), RECORD)
    return int((records["f8"] == address).sum())


def make_datagrams(seed: int, datagrams: int) -> list[bytes]:
    """Flows of one second of a busy site, as an exporter sends them."""
    rng = np.random.default_rng(seed)
    count = datagrams * PER_DATAGRAM
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
    uptime = 1_000_000 + np.arange(count) // PER_DATAGRAM * 1000 // datagrams
    records["f21"] = uptime
    records["f22"] = uptime - rng.integers(0, 5000, count)
    records["f225"] = 0xCB007100 + clients % 64
    records["f10"], records["f14"] = 1, 2
    template = struct.pack("!HHHH", 0, 8 + 4 * len(FIELDS), 256, len(FIELDS))
    template += b"".join(struct.pack("!HH", *field) for field in FIELDS)
    octets, size = records.tobytes(), RECORD.itemsize * PER_DATAGRAM
    made = []
    for number in range(datagrams):
        head = struct.pack(
            "!HHIIII",
            9,
            1,
            int(uptime[number * PER_DATAGRAM]),
            SECONDS,
            seed * datagrams + number,
            1,
        )
        body = octets[number * size : (number + 1) * size]
        first = template if number == 0 else b""
        made.append(head + first + struct.pack("!HH", 256, 4 + size) + body)
    return made
