"""What could not be decoded whole is kept, up to a limit; sFlow is recognised."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from tests.unit.traffic.decoders.test_decoder import EXPORTER, feed
from tests.vectors.flows.datagrams import STANDARD, Flow, data_set, encode_flow, version_9
from traffic.decoders import unread
from traffic.decoders.decoder import FlowDecoder
from traffic.decoders.sequences import GapReason
from traffic.decoders.unread import Flaw, Unread, UnreadHour

SFLOW = struct.pack("!IIIIIII", 5, 1, 0xC0000201, 0, 42, 1000, 0)


def test_sflow_is_counted_and_not_kept() -> None:
    found = feed(FlowDecoder(), SFLOW, struct.pack("!II", 5, 2) + bytes(28))
    assert (found.counts.sflow, found.sflow) == (2, frozenset({EXPORTER}))
    assert not found.unread and found.counts.unknown_version == 0


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00\x00\x00\x05", id="version-alone"),
        pytest.param(SFLOW[:20], id="cut-short"),
        pytest.param(struct.pack("!II", 5, 3) + bytes(40), id="no-kind-of-address"),
        pytest.param(b"\x00\x08" + bytes(40), id="version-8"),
    ],
)
def test_what_is_neither_flows_nor_sflow_is_kept(octets: bytes) -> None:
    found = feed(FlowDecoder(), octets)
    assert [(one.reasons, one.octets) for one in found.unread] == [((Flaw.VERSION,), octets)]
    assert found.counts.sflow == 0


def test_one_datagram_is_kept_once_with_all_its_reasons() -> None:
    record = encode_flow(Flow(), STANDARD)
    octets = version_9(
        data_set(300, [record]), data_set(301, [record]), b"\x00\x07\x00\x04", b"\x01"
    )
    (kept,) = feed(FlowDecoder(), octets).unread
    assert kept.reasons == (Flaw.NO_TEMPLATE, Flaw.UNKNOWN_SET, Flaw.MALFORMED)


@pytest.mark.parametrize(("limit", "value"), [("MAX_UNREAD", 3), ("MAX_UNREAD_OCTETS", 10)])
def test_a_flood_that_cannot_be_read_is_bounded_and_becomes_a_gap(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(unread, limit, value)
    found = feed(FlowDecoder(), *[b"abc"] * 5)
    assert (len(found.unread), found.counts.unread) == (3, 5)
    assert {gap.reason for gap in found.gaps} == {GapReason.UNDECODABLE}
    assert len(found.gaps) == 2


def test_what_strangers_leave_in_an_hour_is_bounded_whatever_address_they_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unread, "HOUR_OCTETS_EXPORTER", 3 * 300)
    monkeypatch.setattr(unread, "HOUR_OCTETS", 5 * 300)
    hour, one = UnreadHour(), Unread(
        received_ms=7_200_000, exporter="a", port=1, listener="netflow", reasons=(),
        octets=bytes(44),
    )  # fmt: skip
    assert [hour.take(one) for _ in range(4)] == [True, True, True, False]
    assert [hour.take(replace(one, exporter=name)) for name in "bcd"] == [True, True, False]
    assert hour.take(replace(one, received_ms=3 * 3_600_000))


def test_what_an_hour_has_no_room_for_is_a_gap_in_the_next_call_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unread, "HOUR_OCTETS_EXPORTER", 2 * 259)
    decoder = FlowDecoder()
    assert len(feed(decoder, b"abc").unread) == 1
    found = feed(decoder, *[b"abc"] * 3)
    assert len(found.unread) == 1
    assert {gap.reason for gap in found.gaps} == {GapReason.UNDECODABLE}
