"""Anything at all, cut anywhere and changed: a value or MalformedPacket, and soon."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import MalformedPacket
from radius_server.packet.packet import Packet, decode, sub_attributes
from radius_server.process.accounting import read
from tests.vectors.radius_packets import VECTORS, ZERO_LENGTH_VENDOR

_SEEDS = [bytes.fromhex(vector.request) for vector in VECTORS] + [ZERO_LENGTH_VENDOR]
_NOW = datetime(2026, 11, 22, tzinfo=UTC)
_LIMIT_SECONDS = 0.010


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real packet with octets changed, its end cut off or junk added."""
    octets = bytearray(draw(st.sampled_from(_SEEDS)))
    for _ in range(draw(st.integers(0, 8))):
        octets[draw(st.integers(0, len(octets) - 1))] = draw(st.integers(0, 255))
    cut = draw(st.integers(0, len(octets)))
    return bytes(octets[:cut]) + draw(st.binary(max_size=64))


@st.composite
def framed(draw: st.DrawFn) -> bytes:
    """Attributes of any type and content in a right frame."""
    attributes = b"".join(
        bytes((kind, len(value) + 2)) + value
        for kind, value in draw(
            st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=20)
        )
    )
    code = draw(st.integers(0, 255))
    head = bytes((code, draw(st.integers(0, 255)))) + (20 + len(attributes)).to_bytes(2, "big")
    return head + draw(st.binary(min_size=16, max_size=16)) + attributes


def _read_everything(octets: bytes) -> Packet | None:
    try:
        packet = decode(octets)
        for kind, value in packet.values.items():
            assert value == next(packet.all(kind))
            text = packet.text(kind)
            assert text is not None and "\0" not in text
            text.encode("utf-8")
            sub_attributes(value)
        list(packet.addresses())
        read(packet, 1, _NOW)
    except MalformedPacket:
        return None
    return packet


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=300), mutated(), framed()))
def test_any_octets_give_a_value_or_malformed_packet(octets: bytes) -> None:
    # The best of three, so that a machine that is busy elsewhere is not blamed on the packet.
    spent = []
    for _ in range(3):
        begun = time.perf_counter()
        packet = _read_everything(octets)
        spent.append(time.perf_counter() - begun)
        if spent[-1] < _LIMIT_SECONDS:
            break
    assert min(spent) < _LIMIT_SECONDS
    if packet is not None:
        assert len(packet.octets) <= len(octets)
