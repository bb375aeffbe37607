"""NAT events, of blocks of ports and of firewalls, in NetFlow 9 and IPFIX alike."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest

from tests.unit.traffic.decoders.test_decoder import EXPORTER, RECEIVED_NS, column, feed
from tests.vectors.flows.datagrams import SECONDS, data_set, template_set, version_9
from traffic.decoders.decoder import Decoded, FlowDecoder

INSIDE, OUTSIDE = "10.0.0.1", "198.51.100.7"
NOW_MS = SECONDS * 1000


def decoded(fields: tuple[tuple[int, int], ...], *values: int) -> Decoded:
    record = b"".join(
        value.to_bytes(octets, "big") for (_, octets), value in zip(fields, values, strict=True)
    )
    return feed(FlowDecoder(), version_9(template_set(256, fields), data_set(256, [record])))


def number(address: str) -> int:
    return int(ip_address(address))


BLOCK = ((323, 8), (8, 4), (225, 4), (230, 1), (361, 2), (362, 2))


@pytest.mark.parametrize(("event", "freed"), [(16, False), (17, True)])
def test_a_block_of_ports_is_no_flow(event: int, freed: bool) -> None:
    found = decoded(BLOCK, NOW_MS, number(INSIDE), number(OUTSIDE), event, 1024, 2047)
    (block,) = found.blocks
    assert (len(found.batch), found.counts.blocks) == (0, 1)
    assert (block.inside, block.outside, block.first, block.last) == (INSIDE, OUTSIDE, 1024, 2047)
    assert (block.freed, block.event_ms, block.protocol) == (freed, NOW_MS, None)
    assert (block.exporter, block.received_ms) == (EXPORTER, RECEIVED_NS // 10**6)
    assert block.record == struct.pack(
        "!QIIBHH", NOW_MS, number(INSIDE), number(OUTSIDE), event, 1024, 2047
    )


def test_records_of_other_events_in_the_same_template_stay_flows() -> None:
    found = decoded(BLOCK, NOW_MS, number(INSIDE), number(OUTSIDE), 4, 0, 0)
    assert (found.blocks, column(found, "nat_event")) == ([], [4])


@pytest.mark.parametrize(("event", "freed"), [(14, False), (15, True)])
def test_an_address_binding_is_a_block_of_every_port(event: int, freed: bool) -> None:
    found = decoded(((8, 4), (225, 4), (230, 1)), number(INSIDE), number(OUTSIDE), event)
    (block,) = found.blocks
    assert (block.first, block.last, block.freed) == (0, 65_535, freed)


def test_scattered_ports_are_kept_as_the_span_they_lie_in() -> None:
    fields = ((8, 4), (225, 4), (230, 1), (361, 2), (363, 2), (364, 2))
    (block,) = decoded(fields, number(INSIDE), number(OUTSIDE), 16, 1000, 4, 100).blocks
    assert (block.first, block.last) == (1000, 1396)


def test_blocks_without_an_event_are_freed_by_the_template_without_an_outside_address() -> None:
    (given,) = decoded(
        ((8, 4), (225, 4), (361, 2), (362, 2)), number(INSIDE), number(OUTSIDE), 512, 1023
    ).blocks
    (freed,) = decoded(((8, 4), (361, 2)), number(INSIDE), 512).blocks
    assert (given.freed, given.last, freed.freed, freed.outside) == (False, 1023, True, None)


def test_an_end_below_the_start_covers_the_start_alone() -> None:
    (block,) = decoded(BLOCK, NOW_MS, number(INSIDE), number(OUTSIDE), 16, 2000, 1000).blocks
    assert (block.first, block.last) == (2000, 2000)


ASA = ((8, 4), (7, 2), (225, 4), (227, 2), (4, 1), (233, 1), (152, 8), (323, 8))


@pytest.mark.parametrize(
    ("event", "outside", "expected"),
    [
        pytest.param(1, OUTSIDE, 4, id="created"),
        pytest.param(2, OUTSIDE, 5, id="deleted"),
        pytest.param(5, OUTSIDE, 0, id="an-update-is-a-flow"),
        pytest.param(3, OUTSIDE, 0, id="denied"),
        pytest.param(1, INSIDE, 0, id="not-translated"),
    ],
)
@pytest.mark.parametrize("old", [False, True])
def test_a_firewall_tells_of_translations(
    event: int, outside: str, expected: int, old: bool
) -> None:
    fields: tuple[tuple[int, int], ...] = ASA
    if old:
        others = {225: 40_001, 227: 40_003, 233: 40_005}
        fields = tuple((others.get(element, element), octets) for element, octets in ASA)
    found = decoded(
        fields, number(INSIDE), 4000, number(outside), 4000, 6, event, NOW_MS - 9000, NOW_MS
    )
    assert column(found, "nat_event") == [expected]
    assert column(found, "nat_src4") == [number(outside)]
    assert (column(found, "start_ms"), column(found, "end_ms")) == ([NOW_MS - 9000], [NOW_MS])
