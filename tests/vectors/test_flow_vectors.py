"""Flow datagrams whose octets are written out, with every value they carry.

Origin: composed by hand from RFC 3954 sections 5 and 6 and Cisco's version 5 layout.
"""

from __future__ import annotations

import pytest

from traffic.decoders.decoder import Datagram, Decoded, FlowDecoder

RECEIVED_NS = 1_795_000_001_234_567_890

NETFLOW_5 = bytes.fromhex(
    "0005 0001 004c4b40 6afd9cc0 0ee6b280 00000064 01 02 0000"  # header, engine 1/2
    "0a010203 cb007109 00000000 0001 0002 00000003 000005dc"  # addresses .. octets
    "004c4370 004c494c 9c40 01bb 00 1b 06 00 fbf4 fbf5 18 18 0000"
)

NETFLOW_9 = bytes.fromhex(
    "0009 0002 004c4b40 6afd9cc0 00000064 00000007"  # header, source id 7
    "0000 0030 0100 000a 0008 0004 000c 0004 0007 0002 000b 0002 0004 0001"
    "0006 0001 0001 0004 0002 0004 0016 0004 0015 0004"  # template 256, ten fields
    "0100 0024 0a010203 cb007109 9c40 01bb 06 1b 000005dc 00000003 004c4370 004c494c 0000"
)

EXPECTED = {
    "src4": 0x0A010203,
    "dst4": 0xCB007109,
    "src_port": 40_000,
    "dst_port": 443,
    "protocol": 6,
    "tcp_flags": 0x1B,
    "octets": 1500,
    "packets": 3,
    "received_ms": 1_795_000_001_234,
    "family": 4,
}

VECTORS = [
    pytest.param(
        NETFLOW_5,
        {**EXPECTED, "exported_ms": 1_795_005_632_250, "domain": 258, "input_if": 1},
        id="version-5",
    ),
    pytest.param(NETFLOW_9, {**EXPECTED, "exported_ms": 1_795_005_632_000, "domain": 7}, id="9"),
]


def decode(*datagrams: bytes) -> Decoded:
    """All of them, as received one after the other from one exporter."""
    return FlowDecoder().decode(
        Datagram(RECEIVED_NS, "192.0.2.1", memoryview(octets)) for octets in datagrams
    )


@pytest.mark.parametrize(("octets", "expected"), VECTORS)
def test_every_value_of_a_vector_is_read(octets: bytes, expected: dict[str, int]) -> None:
    found = decode(octets)
    assert len(found.batch) == 1
    assert found.counts.malformed == 0
    assert {name: int(found.batch.column(name)[0]) for name in expected} == expected
    exported = expected["exported_ms"]
    assert int(found.batch.column("start_ms")[0]) == exported - 2000
    assert int(found.batch.column("end_ms")[0]) == exported - 500


@pytest.mark.parametrize(("octets", "expected"), VECTORS)
def test_every_prefix_is_counted_and_gives_nothing(octets: bytes, expected: object) -> None:
    for length in range(len(octets)):
        found = decode(octets[:length])
        assert len(found.batch) == 0
        counts = found.counts
        # A prefix that ends where a set ends is a whole datagram with fewer sets, and up to
        # three zero octets of the next one cannot be told from padding.
        whole = octets is NETFLOW_9 and length in (20, 21, 22, 23, 68)
        assert counts.malformed + counts.unknown_version == (0 if whole else 1)
