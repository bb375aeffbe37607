"""Spool records: both ways, and what a crash leaves at the end."""

from __future__ import annotations

from tests.vectors.flows.spools import mapped, record
from traffic.collectors.records import (
    HEADER_OCTETS,
    Listener,
    Loss,
    RecordKind,
    decode_loss,
    decode_records,
    encode_loss,
    format_address,
    whole_octets,
)


def test_a_record_says_what_was_written() -> None:
    (found,) = decode_records(memoryview(record(b"abc", received_ns=5, exporter="192.0.2.9")))
    assert (found.kind, found.listener) == (RecordKind.DATAGRAM, Listener.NETFLOW)
    assert (found.received_ns, found.port) == (5, 50_000)
    assert format_address(found.address) == "192.0.2.9"
    assert bytes(found.body) == b"abc"


def test_every_cut_gives_the_whole_records_before_it() -> None:
    records = [record(b"a" * size) for size in (0, 1, 30)]
    octets = b"".join(records)
    ends = [len(b"".join(records[:count])) for count in range(4)]
    for length in range(len(octets) + 1):
        whole = sum(1 for end in ends[1:] if end <= length)
        view = memoryview(octets[:length])
        assert len(list(decode_records(view))) == whole
        assert whole_octets(view) == ends[whole]


def test_octets_that_are_no_record_end_the_reading() -> None:
    octets = record(b"one") + bytes(HEADER_OCTETS) + record(b"two")
    assert len(list(decode_records(memoryview(octets)))) == 1


def test_a_loss_is_read_back() -> None:
    loss = Loss(10, 20, 3)
    (found,) = decode_records(memoryview(encode_loss(Listener.NETFLOW, loss)))
    assert found.kind == RecordKind.LOSS
    assert decode_loss(found.body) == loss


def test_ipv6_exporters_stay_ipv6() -> None:
    assert format_address(bytes.fromhex("20010db8" + "00" * 11 + "05")) == "2001:db8::5"
    assert format_address(mapped("10.0.0.1")) == "10.0.0.1"
