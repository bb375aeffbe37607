"""captive_portal.gateway.nat_records: what the collector's own decoder reads in a message."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from captive_portal.gateway.conntrack import Connection, Way
from captive_portal.gateway.nat_records import (
    LARGEST_MESSAGE,
    Record,
    fitting,
    message,
    record_of,
)
from tests.unit.traffic.decoders.test_decoder import EXPORTER, RECEIVED_NS, column
from traffic.decoders.decoder import Datagram, Decoded, FlowDecoder

INSIDE = (ip_network("10.7.0.0/24"), ip_network("fd07::/64"))
OWN = frozenset({ip_address("10.7.0.1"), ip_address("fd07::1")})
NOW_MS = 1_795_000_000_000


def way(source: str, destination: str, source_port: int, destination_port: int) -> Way:
    return Way(ip_address(source), ip_address(destination), source_port, destination_port)


def connection(*, is_new: bool, **changes: Any) -> Connection:
    """One device's page, translated to the outside's address."""
    values: dict[str, Any] = {
        "protocol": 6,
        "original": way("10.7.0.5", "203.0.113.10", 40_000, 443),
        "reply": way("203.0.113.10", "198.51.100.7", 443, 61_000),
        "start_ms": NOW_MS - 5_000,
    }
    if not is_new:
        values |= {"stop_ms": NOW_MS, "up_octets": 700, "down_octets": 9_000}
        values |= {"up_packets": 7, "down_packets": 9}
    return Connection(is_new=is_new, **(values | changes))


def record(told: Connection) -> Record:
    found = record_of(told, INSIDE, OWN, NOW_MS)
    assert found is not None
    return found


def decoded(*records: Record, sequence: int = 0, decoder: FlowDecoder | None = None) -> Decoded:
    octets = message(records, sequence, 1, NOW_MS // 1000)
    datagram = Datagram(RECEIVED_NS, EXPORTER, memoryview(octets), 4739)
    found = (decoder or FlowDecoder()).decode([datagram])
    assert not found.unread and not found.counts.malformed
    return found


def test_a_translation_begins_and_ends_by_events_and_its_end_has_the_octets() -> None:
    found = decoded(record(connection(is_new=True)), record(connection(is_new=False)))
    by_event = dict(
        zip(column(found, "nat_event"), zip(
            column(found, "src4"), column(found, "nat_src4"), column(found, "src_port"),
            column(found, "nat_src_port"), column(found, "dst_port"), strict=True,
        ), strict=True)
    )  # fmt: skip
    expected = (
        *(int(ip_address("10.7.0.5")), int(ip_address("198.51.100.7"))),
        *(40_000, 61_000, 443),
    )
    assert by_event == {4: expected, 5: expected}
    octets = dict(zip(column(found, "nat_event"), column(found, "octets"), strict=True))
    back = dict(zip(column(found, "nat_event"), column(found, "reverse_octets"), strict=True))
    assert (octets, back) == ({4: 0, 5: 700}, {4: 0, 5: 9_000})
    ends = dict(zip(column(found, "nat_event"), column(found, "end_ms"), strict=True))
    assert ends == {4: NOW_MS - 5_000, 5: NOW_MS}


def test_what_is_not_translated_is_a_flow_when_it_is_over() -> None:
    plain = {
        "original": way("fd07::5", "2001:db8::1", 40_000, 443),
        "reply": way("2001:db8::1", "fd07::5", 443, 40_000),
    }
    assert record_of(connection(is_new=True, **plain), INSIDE, OWN, NOW_MS) is None
    found = decoded(record(connection(is_new=False, **plain)))
    assert column(found, "nat_event") == [0]
    assert (column(found, "octets"), column(found, "reverse_octets")) == ([700], [9_000])
    assert column(found, "src6_low") == [5]
    assert column(found, "start_ms") == [NOW_MS - 5_000]


def test_ipv6_that_is_translated_is_told_as_such() -> None:
    both = {
        "original": way("fd07::5", "2001:db8::1", 40_000, 443),
        "reply": way("2001:db8::1", "2001:db8:51::7", 443, 61_000),
    }
    found = decoded(
        record(connection(is_new=True, **both)), record(connection(is_new=False, **both))
    )
    assert sorted(column(found, "nat_event")) == [1, 2]
    assert column(found, "nat_src6_low") == [7, 7]


def test_a_question_that_was_led_to_a_resolver_goes_where_the_far_side_saw_it() -> None:
    led = {
        "protocol": 17,
        "original": way("10.7.0.5", "192.0.2.53", 5_000, 53),
        "reply": way("203.0.113.53", "198.51.100.7", 53, 5_000),
    }
    found = decoded(record(connection(is_new=True, **led)))
    assert column(found, "dst4") == [int(ip_address("203.0.113.53"))]


def test_a_ping_is_told_by_its_identifier() -> None:
    ping = {
        "protocol": 1,
        "original": way("10.7.0.5", "203.0.113.10", 77, 0),
        "reply": way("203.0.113.10", "198.51.100.7", 91, 0),
    }
    found = decoded(record(connection(is_new=True, **ping)))
    assert (column(found, "src_port"), column(found, "nat_src_port")) == ([77], [91])
    assert column(found, "dst_port") == [0]


@pytest.mark.parametrize(
    ("original", "reply"),
    [
        pytest.param(
            way("10.7.0.5", "203.0.113.10", 1, 80), way("10.7.0.1", "10.7.0.5", 8090, 1),
            id="caught",
        ),
        pytest.param(
            way("198.51.100.7", "203.0.113.10", 1, 80), way("203.0.113.10", "198.51.100.7", 80, 1),
            id="ours",
        ),
    ],
)  # fmt: skip
def test_what_did_not_pass_from_inside_is_not_told(original: Way, reply: Way) -> None:
    told = connection(is_new=False, original=original, reply=reply)
    assert record_of(told, INSIDE, OWN, NOW_MS) is None


def test_a_kernel_without_times_has_that_of_its_word() -> None:
    found = decoded(record(connection(is_new=False, start_ms=0, stop_ms=0)))
    assert column(found, "end_ms") == [NOW_MS]


def test_a_message_fits_into_a_packet_and_missing_records_are_a_gap() -> None:
    records = [record(connection(is_new=at % 2 == 0)) for at in range(100)]
    decoder = FlowDecoder()
    sequence, sizes = 0, []
    while records:
        part = records[: fitting(records)]
        octets = message(part, sequence, 1, NOW_MS // 1000)
        sizes.append(len(octets))
        assert not decoded(*part, sequence=sequence, decoder=decoder).gaps or sequence == 0
        records, sequence = records[len(part) :], sequence + len(part)
    assert max(sizes) <= LARGEST_MESSAGE and len(sizes) > 3
    one = record(connection(is_new=True))
    assert decoded(one, sequence=sequence + 3, decoder=decoder).gaps
