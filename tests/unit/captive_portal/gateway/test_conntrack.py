"""captive_portal.gateway.conntrack: messages of a real kernel (6.18), and any piece of them."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.gateway.conntrack import Way, decode, dump_request, is_over
from common.errors import MalformedPacket

NEW_UDP6 = bytes.fromhex(
    "d00000000001000600000000000000000a0000004c0001802c00018014000300fd770000000000000000000000"
    "00000514000400""20010db80113000000000000000000101c0002800500010011000000060002"
    "00cbd8000006000300232800004c0002802c0001801400030020010db8011300000000000000000010140004"
    "00fd7700000000000000000000000000051c0002800500010011000000060002002328000006000300cbd800"
    "0008000c0052decd0f0800030000000188080007000000001e0c001b0018ec18057b7afc09"
)  # fmt: skip
OVER_TCP = bytes.fromhex(
    "040100000201000000000000b6a96e87020000003400018014000180080001000a4d000508000200cb00710a1c"
    "000280050001000600000006000200bfc600000600030000500000340002801400018008000100cb00710a0800"
    "0200c63364071c0002800500010006000000060002000050000006000300bfc6000008000c005ef6e01c080003"
    "000000039e08000700000000771c0009800c00010000000000000000040c00020000000000000000d81c000a80"
    "0c00010000000000000000040c00020000000000000000da1c0014800c00010018ec18057ccbaeaa0c00020018"
    "ec18057df1cc4f100004800c00018005000100070000000c001b0018ec18057df1cd18"
)
OVER_ICMP = bytes.fromhex(
    "040100000201000000000000b6a96e87020000003c00018014000180080001000a4d000508000200cb00710a24"
    "00028005000100010000000600040007da0000050005000800000005000600000000003c000280140001800800"
    "0100cb00710a08000200c63364072400028005000100010000000600040007da00000500050000000000050006"
    "000000000008000c000c764178080003000000039a080007000000001d1c0009800c0001000000000000000001"
    "0c00020000000000000000541c000a800c00010000000000000000010c00020000000000000000541c0014800c"
    "00010018ec18057cc061f70c00020018ec18057df2d9940c001b0018ec18057df2d9d0"
)


def test_an_end_tells_both_ways_their_counters_and_times() -> None:
    (found,) = decode(OVER_TCP)
    assert not found.is_new and found.protocol == 6
    inside, far, outside = map(ip_address, ("10.77.0.5", "203.0.113.10", "198.51.100.7"))
    assert found.original == Way(inside, far, 49_094, 80)
    assert found.reply == Way(far, outside, 80, 49_094)
    assert (found.up_octets, found.up_packets) == (216, 4)
    assert (found.down_octets, found.down_packets) == (218, 4)
    assert (found.start_ms, found.stop_ms) == (1_795_836_763_261, 1_795_836_763_280)


def test_a_beginning_is_told_with_its_moment_and_without_counters() -> None:
    (found,) = decode(NEW_UDP6)
    assert found.is_new and found.protocol == 17
    assert found.original.source == ip_address("fd77::5")
    assert found.original.source_port == found.reply.destination_port == 52_184
    assert (found.up_octets, found.stop_ms) == (0, 0)
    assert found.start_ms == 1_795_836_763_239


def test_the_identifier_of_a_ping_stands_where_a_port_does() -> None:
    (found,) = decode(OVER_ICMP)
    assert found.original.source_port == found.reply.source_port == 2_010
    assert found.original.destination_port == 0


def test_several_messages_come_at_once() -> None:
    assert len(decode(NEW_UDP6 + OVER_TCP + OVER_ICMP)) == 3


@pytest.mark.parametrize("whole", [NEW_UDP6, OVER_TCP, OVER_ICMP], ids=["udp6", "tcp", "icmp"])
def test_no_beginning_of_a_message_is_taken_for_one(whole: bytes) -> None:
    for length in range(16, len(whole)):
        with pytest.raises(MalformedPacket):
            decode(whole[:length])


@given(st.integers(0, len(OVER_TCP) - 1), st.integers(0, 255))
def test_an_altered_message_is_a_connection_or_malformed(at: int, value: int) -> None:
    octets = bytearray(OVER_TCP)
    octets[at] = value
    with suppress(MalformedPacket):
        decode(bytes(octets))


def test_the_end_of_a_dump_is_seen() -> None:
    assert not is_over(OVER_TCP)
    assert is_over(OVER_TCP + bytes.fromhex("1400000003000200010000000000000000000000"))
    assert decode(dump_request()) == []
