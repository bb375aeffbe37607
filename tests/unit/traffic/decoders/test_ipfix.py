"""IPFIX messages: framing, templates of a session and domain, elements, sequence numbers."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest

from tests.unit.traffic.decoders.test_decoder import EXPORTER, RECEIVED_NS, column
from tests.vectors.flows.datagrams import SECONDS, STANDARD, Flow, encode_flow, version_9
from tests.vectors.flows.datagrams import data_set as data_set_9
from tests.vectors.flows.datagrams import template_set as template_set_9
from tests.vectors.flows.ipfix import (
    REVERSE,
    VARIABLE,
    Specifier,
    data_set,
    message,
    options_set,
    template_set,
    text,
    withdraw_all,
)
from traffic.decoders.decoder import Datagram, Decoded, FlowDecoder
from traffic.decoders.sequences import GapReason
from traffic.decoders.unread import Flaw

SIMPLE: tuple[Specifier, ...] = ((8, 4), (7, 2))


def feed(
    decoder: FlowDecoder, *octets: bytes, port: int = 4000, exporter: str = EXPORTER
) -> Decoded:
    return decoder.decode(Datagram(RECEIVED_NS, exporter, memoryview(one), port) for one in octets)


def record(port: int, address: str = "10.0.0.1") -> bytes:
    return ip_address(address).packed + port.to_bytes(2, "big")


def simple(*ports: int, number: int = 256) -> bytes:
    return data_set(number, [record(port) for port in ports])


def test_records_are_read_by_their_template() -> None:
    found = feed(FlowDecoder(), message(template_set(256, SIMPLE), simple(1, 2)))
    assert column(found, "src_port") == [1, 2]
    assert column(found, "src4") == [0x0A000001] * 2
    assert column(found, "domain") == [7, 7]
    assert column(found, "exported_ms") == [SECONDS * 1000] * 2
    assert found.batch.exporters == (EXPORTER,)
    assert not found.gaps and not found.unread


@pytest.mark.parametrize(
    ("domain", "port", "exporter"),
    [
        pytest.param(8, 4000, EXPORTER, id="another-domain"),
        pytest.param(7, 4001, EXPORTER, id="another-session"),
        pytest.param(7, 4000, "192.0.2.99", id="another-exporter"),
    ],
)
def test_a_template_is_used_in_its_own_session_and_domain_only(
    domain: int, port: int, exporter: str
) -> None:
    decoder = FlowDecoder()
    feed(decoder, message(template_set(256, SIMPLE)))
    found = feed(decoder, message(simple(1), domain=domain), port=port, exporter=exporter)
    assert (len(found.batch), found.counts.pending_sets) == (0, 1)
    assert [one.reasons for one in found.unread] == [(Flaw.NO_TEMPLATE,)]


def test_templates_of_netflow_9_are_not_those_of_ipfix() -> None:
    decoder = FlowDecoder()
    feed(decoder, version_9(template_set_9(256, STANDARD)))
    found = feed(decoder, message(simple(1)))
    assert (len(found.batch), found.counts.pending_sets) == (0, 1)
    again = feed(decoder, version_9(data_set_9(256, [encode_flow(Flow(), STANDARD)]), sequence=1))
    assert len(again.batch) == 1


def test_data_waits_for_its_template_and_its_octets_are_kept_meanwhile() -> None:
    decoder = FlowDecoder()
    octets = message(simple(9))
    early = feed(decoder, octets)
    (kept,) = early.unread
    assert (kept.octets, kept.port, kept.exporter) == (octets, 4000, EXPORTER)
    found = feed(decoder, message(template_set(256, SIMPLE), sequence=1))
    assert column(found, "src_port") == [9]


@pytest.mark.parametrize(
    ("withdrawal", "left"),
    [
        pytest.param(template_set(256, ()), [257, 300], id="one"),
        pytest.param(withdraw_all(), [300], id="all"),
        pytest.param(withdraw_all(options=True), [256, 257], id="all-options"),
    ],
)
def test_withdrawn_templates_are_forgotten(withdrawal: bytes, left: list[int]) -> None:
    decoder = FlowDecoder()
    announced = (
        template_set(256, SIMPLE),
        template_set(257, SIMPLE),
        options_set(300, [(149, 4)], [(41, 8)]),
    )
    feed(decoder, message(*announced), message(*announced, domain=8))
    feed(decoder, message(withdrawal))
    assert [number for _, domain, number in decoder.store.templates if domain == 7] == left
    assert [number for _, domain, number in decoder.store.templates if domain == 8] == [
        256,
        257,
        300,
    ]


def test_enterprise_elements_are_passed_over_and_never_taken_for_others() -> None:
    fields: tuple[Specifier, ...] = ((8, 4, 9999), (8, 4), (7, 2))
    octets = b"\x01\x02\x03\x04" + record(5)
    found = feed(FlowDecoder(), message(template_set(256, fields), data_set(256, [octets])))
    assert (column(found, "src4"), column(found, "src_port")) == ([0x0A000001], [5])


def test_the_other_direction_of_a_biflow_is_counted() -> None:
    fields: tuple[Specifier, ...] = (
        *SIMPLE, (1, 8), (2, 4), (1, 8, REVERSE), (2, 4, REVERSE),
    )  # fmt: skip
    octets = record(5) + struct.pack("!QIQI", 1000, 10, 2**33, 20)
    found = feed(FlowDecoder(), message(template_set(256, fields), data_set(256, [octets])))
    assert (column(found, "octets"), column(found, "packets")) == ([1000], [10])
    assert (column(found, "reverse_octets"), column(found, "reverse_packets")) == ([2**33], [20])


@pytest.mark.parametrize("width", [1, 2, 3, 5, 8])
def test_reduced_size_encoding_is_read(width: int) -> None:
    fields: tuple[Specifier, ...] = (*SIMPLE, (1, width))
    octets = record(5) + (200).to_bytes(width, "big")
    found = feed(FlowDecoder(), message(template_set(256, fields), data_set(256, [octets])))
    assert column(found, "octets") == [200]


def test_variable_length_fields_are_passed_over() -> None:
    fields: tuple[Specifier, ...] = ((8, 4), (82, VARIABLE), (96, VARIABLE, 6871), (7, 2))
    records = [
        ip_address("10.0.0.1").packed + text(b"eth0") + text(b"") + b"\x00\x50",
        ip_address("10.0.0.2").packed + text(b"x" * 300) + text(b"y", long=True) + b"\x00\x51",
    ]
    found = feed(FlowDecoder(), message(template_set(256, fields), data_set(256, records)))
    assert column(found, "src_port") == [80, 81]


def test_a_template_of_strings_alone_is_no_flaw() -> None:
    octets = message(template_set(256, ((82, VARIABLE),)), data_set(256, [text(b"eth0")]))
    found = feed(FlowDecoder(), octets, message(sequence=1))
    assert (len(found.batch), found.unread, found.gaps) == (0, [], [])


def test_options_with_scopes_are_no_flows_and_count_in_the_sequence() -> None:
    found = feed(
        FlowDecoder(),
        message(options_set(300, [(149, 4)], [(41, 8), (82, VARIABLE)])),
        message(data_set(300, [bytes(12) + text(b"a"), bytes(12) + text(b"bc")])),
        message(sequence=2),
    )
    assert (len(found.batch), found.counts.options_records, found.gaps) == (0, 2, [])


def test_flows_told_in_uptime_count_from_when_the_exporter_says_it_was_started() -> None:
    fields: tuple[Specifier, ...] = (*SIMPLE, (22, 4), (21, 4))
    init = SECONDS * 1000 - 5_000_000
    octets = record(5) + struct.pack("!II", 4_990_000, 4_995_000)
    found = feed(
        FlowDecoder(),
        message(
            options_set(300, [(143, 4)], [(160, 8)]),
            data_set(300, [struct.pack("!IQ", 1, init)]),
            template_set(256, fields),
            data_set(256, [octets]),
        ),
        message(data_set(256, [octets]), sequence=2),
    )
    assert column(found, "start_ms") == [init + 4_990_000] * 2
    assert column(found, "end_ms") == [init + 4_995_000] * 2


def test_flows_told_in_uptime_by_an_exporter_that_never_says_are_near_the_time_of_export() -> None:
    fields: tuple[Specifier, ...] = (*SIMPLE, (22, 4), (21, 4))
    early = record(1) + struct.pack("!II", 80_000, 90_000)
    late = record(2) + struct.pack("!II", 99_000, 100_000)
    found = feed(FlowDecoder(), message(template_set(256, fields), data_set(256, [early, late])))
    assert column(found, "end_ms") == [SECONDS * 1000 - 10_000, SECONDS * 1000]
    assert column(found, "start_ms") == [SECONDS * 1000 - 20_000, SECONDS * 1000 - 1_000]


@pytest.mark.parametrize(
    ("fields", "octets"),
    [
        pytest.param(((152, 8), (153, 8)), struct.pack("!QQ", 7_000, 9_000), id="milliseconds"),
        pytest.param(((150, 4), (151, 4)), struct.pack("!II", 7, 9), id="seconds"),
        pytest.param(
            ((154, 8), (155, 8)),
            struct.pack("!QQ", (7 + 2_208_988_800) << 32, (9 + 2_208_988_800) << 32),
            id="microseconds",
        ),
        pytest.param(
            ((156, 8), (157, 8)),
            struct.pack("!QQ", (7 + 2_208_988_800) << 32, (9 + 2_208_988_800) << 32),
            id="nanoseconds",
        ),
        pytest.param(
            ((158, 4), (159, 4)),
            struct.pack("!II", 5_000_000, 3_000_000),
            id="deltas-before-export",
        ),
        pytest.param(((153, 8), (161, 4)), struct.pack("!QI", 9_000, 2_000), id="duration"),
        pytest.param(
            ((160, 8), (22, 4), (21, 4)), struct.pack("!QII", 1_000, 6_000, 8_000), id="uptime"
        ),
    ],
)
def test_times_are_read_in_whatever_element_they_come(
    fields: tuple[Specifier, ...], octets: bytes
) -> None:
    found = feed(
        FlowDecoder(),
        message(
            template_set(256, (*SIMPLE, *fields)),
            data_set(256, [record(1) + octets]),
            seconds=12,
        ),
    )
    assert (column(found, "start_ms"), column(found, "end_ms")) == ([7_000], [9_000])


def test_missing_records_become_a_gap_that_counts_them() -> None:
    found = feed(
        FlowDecoder(),
        message(template_set(256, SIMPLE), simple(1, 2, 3), sequence=10),
        message(simple(4), sequence=13),
        message(simple(5), sequence=20),
    )
    (gap,) = found.gaps
    assert (gap.lost, gap.reason) == (6, GapReason.SEQUENCE)
    assert gap.source == f"{EXPORTER} port 4000 v10 domain 7"


def test_a_message_whose_records_cannot_be_counted_makes_no_false_gap() -> None:
    found = feed(
        FlowDecoder(),
        message(simple(1, 2, 3), sequence=10),
        message(template_set(256, SIMPLE), simple(4), sequence=13),
        message(simple(5), sequence=16),
    )
    assert [gap.lost for gap in found.gaps] == [2]


def test_numbers_wrap() -> None:
    found = feed(
        FlowDecoder(),
        message(template_set(256, SIMPLE), simple(1, 2), sequence=2**32 - 1),
        message(simple(3), sequence=1),
    )
    assert not found.gaps


def test_an_exporter_that_goes_on_in_another_session_may_have_lost_something() -> None:
    decoder = FlowDecoder()
    feed(decoder, message(template_set(256, SIMPLE), simple(1)))
    (gap,) = feed(decoder, message(template_set(256, SIMPLE), simple(2)), port=4001).gaps
    assert (gap.reason, gap.source) == (GapReason.RESTART, f"{EXPORTER} v10 domain 7")
    # Two sessions side by side are no restart each time the other one speaks.
    assert not feed(decoder, message(simple(3), sequence=1)).gaps
    assert not feed(decoder, message(simple(3), sequence=1), port=4001).gaps


@pytest.mark.parametrize(
    ("octets", "flaw"),
    [
        pytest.param(message(octets=15), Flaw.MALFORMED, id="length-below-the-header"),
        pytest.param(message(octets=17), Flaw.MALFORMED, id="length-beyond-the-datagram"),
        pytest.param(message()[:15], Flaw.MALFORMED, id="cut-short"),
        pytest.param(message(b"\x01\x00\x00\x03"), Flaw.MALFORMED, id="set-of-three-octets"),
        pytest.param(message(b"\x01\x00\x00\x30"), Flaw.MALFORMED, id="set-beyond-the-message"),
        pytest.param(message(b"\x01\x00"), Flaw.MALFORMED, id="half-a-set-header"),
        pytest.param(
            message(b"\x00\x02\x00\x08\x00\x05\x00\x01"), Flaw.MALFORMED, id="reserved-id"
        ),
        pytest.param(
            message(b"\x00\x02\x00\x0c\x01\x00\x00\x02\x00\x08\x00\x04"),
            Flaw.MALFORMED,
            id="template-beyond-its-set",
        ),
        pytest.param(
            message(b"\x00\x02\x00\x0c\x01\x00\x00\x01\x80\x08\x00\x04"),
            Flaw.MALFORMED,
            id="enterprise-number-cut-short",
        ),
        pytest.param(message(b"\x00\x09\x00\x04"), Flaw.UNKNOWN_SET, id="reserved-set"),
        pytest.param(message() + b"junk", Flaw.REST, id="octets-after-the-message"),
        pytest.param(message(template_set(256, ((8, 0),))), Flaw.TEMPLATE, id="empty-records"),
    ],
)
def test_what_cannot_be_read_is_kept_with_the_reason(octets: bytes, flaw: Flaw) -> None:
    found = feed(FlowDecoder(), octets)
    assert [(one.reasons, one.octets) for one in found.unread] == [((flaw,), octets)]
    assert len(found.batch) == 0


def test_sets_before_a_broken_one_still_count() -> None:
    octets = message(template_set(256, SIMPLE), simple(1), b"\x01\x00\x00\x02")
    found = feed(FlowDecoder(), octets)
    assert column(found, "src_port") == [1]
    assert [one.reasons for one in found.unread] == [(Flaw.MALFORMED,)]
