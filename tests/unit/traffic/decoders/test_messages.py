"""IPFIX streams cut into messages, however TCP has cut them, and the sessions they belong to."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from common.errors import MalformedPacket
from tests.unit.traffic.decoders.test_decoder import EXPORTER, RECEIVED_NS, column
from tests.unit.traffic.decoders.test_ipfix import SIMPLE, simple
from tests.vectors.flows.captures import Capture, captures
from tests.vectors.flows.ipfix import message, template_set
from traffic.decoders.decoder import Datagram, Decoded, FlowDecoder
from traffic.decoders.messages import Message, MessageFramer
from traffic.decoders.sequences import GapReason
from traffic.decoders.sessions import STREAM

MESSAGES = [message(template_set(256, SIMPLE), simple(1)), message(simple(2, 3), sequence=1)]
IPFIX = [one for one in captures() if one.name.startswith("ls-ipfix") and one.records is not None]


def cut(octets: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(octets), size):
        yield octets[start : start + size]


def feed(decoder: FlowDecoder, *octets: bytes, port: int = 4000, listener: str = STREAM) -> Decoded:
    return decoder.decode(
        Datagram(RECEIVED_NS, EXPORTER, memoryview(one), port, listener) for one in octets
    )


def test_messages_come_out_whole_wherever_the_stream_is_cut() -> None:
    stream = b"".join(MESSAGES)
    for place in range(len(stream) + 1):
        framer = MessageFramer()
        found = [*framer.feed(stream[:place]), *framer.feed(stream[place:])]
        assert found == [Message(one, whole=True) for one in MESSAGES], place
        assert (framer.waiting, framer.finish()) == (0, [])
    framer = MessageFramer()
    found = [one for octet in cut(stream, 1) for one in framer.feed(octet)]
    assert [one.octets for one in found] == MESSAGES


@pytest.mark.parametrize("junk", [b"\x00\x09\x00\x20", b"GET ", struct.pack("!HH", 10, 15)])
def test_what_stands_where_a_message_is_due_ends_the_reading_and_what_was_whole_counts(
    junk: bytes,
) -> None:
    framer = MessageFramer()
    with pytest.raises(MalformedPacket):
        framer.feed(junk)
    framer = MessageFramer()
    assert [one.octets for one in framer.feed(MESSAGES[0] + junk)] == [MESSAGES[0]]
    with pytest.raises(MalformedPacket):
        framer.feed(b"")


def test_a_message_that_the_connection_ended_in_is_kept_as_far_as_it_came() -> None:
    framer = MessageFramer()
    framer.feed(MESSAGES[0][:20])
    assert framer.waiting == 20
    (kept,) = framer.finish()
    assert kept == Message(MESSAGES[0][:20], whole=False)
    found = feed(FlowDecoder(), kept.octets)
    assert [one.octets for one in found.unread] == [kept.octets]


def test_the_longest_message_there_can_be_is_one() -> None:
    long = struct.pack("!HHIII", 10, 65_535, 0, 0, 0) + bytes(65_519)
    framer = MessageFramer()
    found = [one for piece in cut(long + MESSAGES[0], 4096) for one in framer.feed(piece)]
    assert [len(one.octets) for one in found] == [65_535, len(MESSAGES[0])]


@pytest.mark.parametrize("capture", IPFIX, ids=[one.name for one in IPFIX])
def test_what_real_exporters_sent_is_the_same_over_tcp(capture: Capture) -> None:
    """Captures of UDP, whose messages are what TCP would carry one after the other."""
    datagrams = [one for one in capture.datagrams() if bytes(one.payload[:2]) == b"\x00\x0a"]
    whole = [one for one in datagrams if struct.unpack_from("!H", one.payload, 2)[0] >= 16]
    # What stands behind a message in its datagram is no part of a stream.
    stream = b"".join(
        bytes(one.payload[: struct.unpack_from("!H", one.payload, 2)[0]]) for one in whole
    )
    framer, cuts = MessageFramer(), (1, 2, 3, 5, 15, 16, 17, 64, 1460)
    found: list[bytes] = []
    position = turn = 0
    while position < len(stream):
        size = cuts[turn % len(cuts)]
        found += [one.octets for one in framer.feed(stream[position : position + size])]
        position, turn = position + size, turn + 1
    assert b"".join(found) == stream
    by_tcp = feed(FlowDecoder(), *found)
    by_udp = feed(FlowDecoder(), *found, listener="ipfix")
    assert len(by_tcp.batch) == len(by_udp.batch)
    for name in ("src4", "dst4", "src_port", "octets", "nat_src4"):
        assert column(by_tcp, name) == column(by_udp, name)


def test_a_connection_is_one_session_whose_templates_end_with_it() -> None:
    decoder = FlowDecoder()
    assert column(feed(decoder, *MESSAGES), "src_port") == [1, 2, 3]
    decoder.end_session(EXPORTER, 4000)
    assert decoder.store.templates == {}
    found = feed(decoder, message(simple(4)))
    assert (len(found.batch), found.counts.pending_sets) == (0, 1)
    assert not [gap for gap in found.gaps if gap.reason is GapReason.SEQUENCE]


def test_the_same_port_of_udp_is_another_session() -> None:
    decoder = FlowDecoder()
    feed(decoder, MESSAGES[0])
    found = feed(decoder, message(simple(5)), listener="ipfix")
    assert (len(found.batch), found.counts.pending_sets) == (0, 1)
    decoder.end_session(EXPORTER, 4000)
    assert decoder.store.waiting(), "what came by UDP goes on waiting"


def test_what_waits_when_the_connection_ends_is_said_to_be_lost() -> None:
    decoder = FlowDecoder()
    feed(decoder, message(simple(6)))
    decoder.end_session(EXPORTER, 4000)
    assert (decoder.store.waiting(), decoder.store.pending_octets) == ([], 0)
    # Not those of another exporter's connection: they are not the same fields.
    found = feed(decoder, message(template_set(256, SIMPLE)))
    assert len(found.batch) == 0
