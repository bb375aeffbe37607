"""TEAP's fragments: the version, and TLVs outside of TLS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import EapViolation
from radius_server.eap.teap_framing import TeapFraming
from tests.unit.radius_server.eap.test_framing import talk

OUTER = b"\0\1\0\2id"
START = b"\x31" + len(OUTER).to_bytes(4, "big") + OUTER
HELLO = bytes(range(100))


def framing(octets: int = 1024) -> TeapFraming:
    return TeapFraming(octets, OUTER)


def test_the_start_tells_version_and_outer_tlvs() -> None:
    made = framing()
    sent, message = talk(made.start(), [b"\1" + HELLO])
    assert sent == [START]
    assert (message, made.peer_outer) == (HELLO, b"")


@given(st.integers(1, 120), st.binary(max_size=30))
def test_the_peers_outer_tlvs_are_cut_off_however_they_are_cut(size: int, outer: bytes) -> None:
    whole = HELLO + outer
    parts = [whole[at : at + size] for at in range(0, len(whole), size)]
    answers = []
    for number, part in enumerate(parts):
        flags, head = 1, b""
        if len(parts) > 1 and number == 0:
            flags, head = flags | 0x80, len(whole).to_bytes(4, "big")
        if number < len(parts) - 1:
            flags |= 0x40
        if number == 0:
            flags, head = flags | 0x10, head + len(outer).to_bytes(4, "big")
        answers.append(bytes((flags,)) + head + part)
    made = framing()
    sent, message = talk(made.start(), answers)
    assert (message, made.peer_outer) == (HELLO, outer)
    assert set(sent[1:]) <= {b"\1"}


def test_outer_tlvs_of_later_messages_count_for_nothing() -> None:
    made = framing()
    talk(made.start(), [b"\x11" + (3).to_bytes(4, "big") + HELLO + b"abc"])
    sent, message = talk(
        made.exchange(b"records"), [b"\x11" + (2).to_bytes(4, "big") + b"answerxx"]
    )
    assert sent == [b"\1records"]
    assert (message, made.peer_outer) == (b"answer", b"abc")


@given(st.integers(1, 3000), st.sampled_from([64, 200, 1024]))
def test_every_packet_fits_and_bears_the_version(length: int, octets: int) -> None:
    made = framing(octets)
    message = bytes(length)
    sent, _ = talk(made.exchange(message), [b"\1"] * (length // (octets - 6) + 2))
    assert all(len(part) <= octets - 5 and part[0] & 7 == 1 for part in sent)
    assert all(not part[0] & 0x10 for part in sent)


def test_reserved_bits_are_passed_over() -> None:
    _, message = talk(framing().start(), [b"\x09" + HELLO])
    assert message == HELLO


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "flags_missing"),
        (b"\0" + HELLO, "version_wrong"),
        (b"\2" + HELLO, "version_wrong"),
        (b"\x21" + HELLO, "flags_wrong"),
        (b"\x11\0\0", "outer_length_missing"),
        (b"\x91\0\0\0\4\0\0", "outer_length_missing"),
        (b"\x11" + (200).to_bytes(4, "big") + HELLO, "outer_length_wrong"),
    ],
)
def test_a_peer_that_breaks_the_rules_is_named(answer: bytes, reason: str) -> None:
    with pytest.raises(EapViolation) as raised:
        talk(framing().start(), [answer])
    assert raised.value.reason == reason
