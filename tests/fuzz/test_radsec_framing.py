"""A stream of packets cut anywhere, and anything at all as a stream."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import MalformedPacket
from radius_server.radsec.framing import Framer


@st.composite
def _packets(draw: st.DrawFn) -> list[bytes]:
    packets = []
    for body in draw(st.lists(st.binary(max_size=200), max_size=8)):
        head = bytes((draw(st.integers(0, 255)), draw(st.integers(0, 255))))
        octets = head + (20 + len(body)).to_bytes(2, "big") + bytes(16) + body
        packets.append(octets)
    return packets


@st.composite
def _cut(draw: st.DrawFn, octets: bytes) -> list[bytes]:
    places = sorted(draw(st.sets(st.integers(0, len(octets)), max_size=12)))
    edges = [0, *places, len(octets)]
    return [octets[a:b] for a, b in itertools.pairwise(edges)]


@given(st.data(), _packets())
def test_packets_come_out_as_they_went_in_wherever_the_stream_is_cut(
    data: st.DataObject, packets: list[bytes]
) -> None:
    framer, found = Framer(), []
    for part in data.draw(_cut(b"".join(packets))):
        found += framer.feed(part)
    assert found == packets
    assert framer.waiting == 0


@given(st.lists(st.binary(max_size=5000), max_size=6))
def test_anything_is_packets_of_a_right_length_or_malformed(parts: list[bytes]) -> None:
    framer, held = Framer(), b""
    try:
        for part in parts:
            held += part
            for packet in framer.feed(part):
                assert packet == held[: len(packet)]
                assert 20 <= len(packet) <= 4096
                held = held[len(packet) :]
            assert framer.waiting == len(held) < 4096
    except MalformedPacket:
        return


@pytest.mark.parametrize("length", [0, 19, 4097, 65535])
def test_a_length_that_no_packet_has_is_refused_at_once(length: int) -> None:
    with pytest.raises(MalformedPacket):
        Framer().feed(b"\x01\x00" + length.to_bytes(2, "big"))
