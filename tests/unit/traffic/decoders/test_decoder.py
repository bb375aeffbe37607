"""Whole datagrams in, columns, gaps and counts out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.vectors.flows.datagrams import (
    IPV6,
    SECONDS,
    STANDARD,
    TRANSLATED,
    Flow,
    data_set,
    encode_flow,
    options_template_set,
    template_set,
    version_5,
    version_9,
)
from traffic.decoders import templates
from traffic.decoders.decoder import Datagram, Decoded, FlowDecoder
from traffic.decoders.sequences import GapReason
from traffic.decoders.templates import PENDING_MS

EXPORTER = "192.0.2.1"
RECEIVED_NS = (SECONDS * 1000 + 400) * 1_000_000


def feed(
    decoder: FlowDecoder,
    *octets: bytes,
    exporter: str = EXPORTER,
    received_ns: int = RECEIVED_NS,
) -> Decoded:
    return decoder.decode(Datagram(received_ns, exporter, memoryview(one)) for one in octets)


def column(found: Decoded, name: str) -> list[int]:
    return [int(value) for value in found.batch.column(name)]


def standard_data(
    *flows: Flow, number: int = 256, fields: Sequence[tuple[int, int]] = STANDARD
) -> bytes:
    return data_set(number, [encode_flow(flow, fields) for flow in flows])


def test_records_of_many_datagrams_come_out_in_one_batch() -> None:
    flows = [Flow(src_port=1000 + number) for number in range(5)]
    found = feed(
        FlowDecoder(),
        version_9(template_set(256, STANDARD), standard_data(*flows[:2])),
        version_9(standard_data(*flows[2:]), sequence=1),
    )
    assert column(found, "src_port") == [1000, 1001, 1002, 1003, 1004]
    assert found.batch.exporters == (EXPORTER,)
    assert not found.gaps


def test_templates_of_another_source_id_or_exporter_are_not_used() -> None:
    decoder = FlowDecoder()
    feed(decoder, version_9(template_set(256, STANDARD), source_id=1))
    assert len(feed(decoder, version_9(standard_data(Flow()), source_id=2)).batch) == 0
    elsewhere = feed(decoder, version_9(standard_data(Flow()), source_id=1), exporter="192.0.2.2")
    assert len(elsewhere.batch) == 0


def test_data_before_its_template_is_decoded_with_its_own_times() -> None:
    decoder = FlowDecoder()
    early = feed(decoder, version_9(standard_data(Flow())))
    assert (len(early.batch), early.counts.pending_sets) == (0, 1)
    later = version_9(template_set(256, STANDARD), sequence=1, seconds=SECONDS + 600)
    found = feed(decoder, later, received_ns=RECEIVED_NS + 600 * 10**9)
    assert column(found, "received_ms") == [RECEIVED_NS // 10**6]
    assert column(found, "end_ms") == [SECONDS * 1000 - 500]
    assert decoder.store.pending_octets == 0


def test_data_whose_template_never_comes_becomes_a_gap() -> None:
    decoder = FlowDecoder()
    feed(decoder, version_9(standard_data(Flow())))
    late_ns = RECEIVED_NS + (PENDING_MS + 1000) * 10**6
    found = feed(decoder, version_9(sequence=1), received_ns=late_ns)
    assert [gap.reason for gap in found.gaps] == [GapReason.UNDECODABLE]
    assert found.counts.dropped_sets == 1
    assert not decoder.store.pending


def test_a_redefined_template_counts_from_where_it_stands() -> None:
    found = feed(
        FlowDecoder(),
        version_9(template_set(256, STANDARD), standard_data(Flow(src_port=1))),
        version_9(
            standard_data(Flow(src_port=2)),
            template_set(256, TRANSLATED),
            standard_data(Flow(src_port=3), fields=TRANSLATED),
            sequence=1,
        ),
    )
    ports = dict(zip(column(found, "src_port"), column(found, "nat_src_port"), strict=True))
    assert ports == {1: 0, 2: 0, 3: 50_000}


def test_options_are_not_flows() -> None:
    scopes, options = [(1, 4)], [(34, 4), (36, 2)]
    found = feed(
        FlowDecoder(),
        version_9(
            options_template_set(257, scopes, options),
            data_set(257, [bytes(10), bytes(10)]),
        ),
    )
    assert (len(found.batch), found.counts.options_records) == (0, 2)


def test_ipv6_addresses_are_kept_whole() -> None:
    flow = Flow(src="2001:db8::1", dst="2001:db8:ffff::2", nat_src="0.0.0.0", octets=2**40)
    found = feed(
        FlowDecoder(),
        version_9(template_set(300, IPV6), data_set(300, [encode_flow(flow, IPV6)])),
    )
    assert column(found, "src6_high") == [0x20010DB8_00000000]
    assert column(found, "src6_low") == [1]
    assert column(found, "dst6_high") == [0x20010DB8_FFFF0000]
    assert column(found, "octets") == [2**40]
    assert column(found, "family") == [6]


@pytest.mark.parametrize("width", range(1, 9))
def test_integers_of_every_width_are_read(width: int) -> None:
    fields = ((8, 4), (1, width), (10, width))
    value = min(2 ** (8 * width) - 1, 2**31)
    record = (
        b"\x0a\x00\x00\x01"
        + value.to_bytes(width, "big")
        + (300 % 2 ** (8 * width)).to_bytes(width, "big")
    )
    found = feed(FlowDecoder(), version_9(template_set(256, fields), data_set(256, [record])))
    assert column(found, "octets") == [value]
    assert column(found, "input_if") == [300 % 2 ** (8 * width)]


def test_a_value_wider_than_its_column_saturates() -> None:
    fields = ((8, 4), (10, 8))
    record = b"\x0a\x00\x00\x01" + (2**40).to_bytes(8, "big")
    found = feed(FlowDecoder(), version_9(template_set(256, fields), data_set(256, [record])))
    assert column(found, "input_if") == [2**32 - 1]


def test_variable_length_fields_are_passed_over() -> None:
    fields = ((8, 4), (96, 0xFFFF), (7, 2))
    records = [
        b"\x0a\x00\x00\x01\x03abc\x00\x50",
        b"\x0a\x00\x00\x02\xff\x01\x00" + b"x" * 256 + b"\x00\x51",
    ]
    found = feed(FlowDecoder(), version_9(template_set(256, fields), data_set(256, records)))
    assert column(found, "src_port") == [80, 81]


def test_uptime_that_wrapped_still_gives_the_right_time() -> None:
    # The exporter was at 300 ms after the wrap; the flow began 2 s before.
    record = encode_flow(Flow(), STANDARD, uptime_ms=300)
    found = feed(
        FlowDecoder(),
        version_9(template_set(256, STANDARD), data_set(256, [record]), uptime_ms=300),
    )
    assert column(found, "start_ms") == [SECONDS * 1000 - 2000]
    assert column(found, "end_ms") == [SECONDS * 1000 - 500]


def test_absolute_times_win_and_impossible_ones_fall_back_on_receipt() -> None:
    fields = ((8, 4), (152, 8), (153, 8))
    begin, end = SECONDS * 1000 - 7, SECONDS * 1000 - 3
    records = [
        b"\x0a\x00\x00\x01" + begin.to_bytes(8, "big") + end.to_bytes(8, "big"),
        b"\x0a\x00\x00\x01" + bytes(8) + b"\xff" * 8,
    ]
    found = feed(FlowDecoder(), version_9(template_set(256, fields), data_set(256, records)))
    received = RECEIVED_NS // 10**6
    assert column(found, "start_ms") == [begin, received]
    assert column(found, "end_ms") == [end, received]


def test_nat_events_carry_their_one_time() -> None:
    fields = ((8, 4), (225, 4), (227, 2), (7, 2), (4, 1), (230, 1), (323, 8))
    record = bytes.fromhex("0a000001 c6336407 c350 9c40 06 01")
    record += (SECONDS * 1000).to_bytes(8, "big")
    found = feed(FlowDecoder(), version_9(template_set(256, fields), data_set(256, [record])))
    assert column(found, "nat_event") == [1]
    assert column(found, "start_ms") == column(found, "end_ms") == [SECONDS * 1000]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(((8, 0), (12, 0)), id="records-without-octets"),
        pytest.param(((8, 0xFFFE), (12, 0xFFFE)), id="records-beyond-any-datagram"),
        pytest.param((), id="no-field"),
        pytest.param(tuple((99, 1) for _ in range(600)), id="too-many-fields"),
    ],
)
def test_absurd_templates_are_refused(fields: Sequence[tuple[int, int]]) -> None:
    found = feed(FlowDecoder(), version_9(template_set(256, fields), data_set(256, [bytes(64)])))
    assert found.counts.refused_templates == 1
    assert len(found.batch) == 0


def test_sets_before_a_broken_one_still_count() -> None:
    broken = b"\x01\x00\x00\x02"
    found = feed(
        FlowDecoder(), version_9(template_set(256, STANDARD), standard_data(Flow()), broken)
    )
    assert (len(found.batch), found.counts.malformed) == (1, 1)


def test_zero_octets_after_the_last_set_are_padding() -> None:
    datagram = version_9(template_set(256, STANDARD), standard_data(Flow())) + bytes(500)
    found = feed(FlowDecoder(), datagram)
    assert (len(found.batch), found.counts.malformed) == (1, 0)


@pytest.mark.parametrize("count", [0, 1, 3, 31, 65_535])
def test_version_5_with_a_wrong_count_is_refused_whole(count: int) -> None:
    found = feed(FlowDecoder(), version_5([Flow(), Flow()], count=count))
    assert (len(found.batch), found.counts.malformed) == (0, 1)


def test_versions_of_one_exporter_do_not_disturb_each_other() -> None:
    found = feed(
        FlowDecoder(),
        version_5([Flow(src_port=1)], sequence=10),
        version_9(
            template_set(256, TRANSLATED), standard_data(Flow(src_port=2), fields=TRANSLATED)
        ),
        version_5([Flow(src_port=3)], sequence=11),
    )
    assert sorted(column(found, "src_port")) == [1, 2, 3]
    assert not found.gaps


def test_missing_datagrams_become_a_gap() -> None:
    decoder = FlowDecoder()
    feed(decoder, version_9(sequence=41))
    found = feed(decoder, version_9(sequence=45), received_ns=RECEIVED_NS + 10**9)
    (gap,) = found.gaps
    assert (gap.lost, gap.reason, gap.source) == (3, GapReason.SEQUENCE, "192.0.2.1 v9 domain 7")
    assert gap.to_ms - gap.from_ms == 1000


def test_empty_sets_of_unknown_templates_are_nothing_to_wait_for() -> None:
    decoder = FlowDecoder()
    found = feed(decoder, version_9(*(data_set(256 + number, []) for number in range(1000))))
    assert (found.counts.pending_sets, found.gaps) == (0, [])


@pytest.mark.parametrize(
    ("limit", "value"), [("MAX_TEMPLATES", 2), ("MAX_TEMPLATE_FIELDS", 2 * len(STANDARD))]
)
def test_the_template_used_longest_ago_makes_room(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(templates, limit, value)
    decoder = FlowDecoder()
    feed(
        decoder,
        version_9(template_set(256, STANDARD), template_set(257, STANDARD)),
        version_9(standard_data(Flow(), number=256), sequence=1),
        version_9(template_set(258, STANDARD), sequence=2),
    )
    assert [number for _, _, number in decoder.store.templates] == [256, 258]


def test_sets_that_waited_are_passed_over_once_their_template_came() -> None:
    decoder = FlowDecoder()
    for number in range(3000):
        feed(
            decoder,
            version_9(
                standard_data(Flow(), number=256 + number),
                template_set(256 + number, STANDARD),
                sequence=number,
            ),
        )
    feed(decoder, version_9(standard_data(Flow(), number=9000), sequence=3000))
    assert len(decoder.store.waiting()) == 1
    assert len(decoder.store._order) < 1100
    late_ns = RECEIVED_NS + (PENDING_MS + 1000) * 10**6
    found = feed(decoder, version_9(sequence=3001), received_ns=late_ns)
    assert [gap.reason for gap in found.gaps] == [GapReason.UNDECODABLE]
    assert decoder.store.pending_octets == 0
