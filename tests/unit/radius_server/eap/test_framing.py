"""Fragments of TLS messages, both ways, right and wrong. RFC 5216 section 3.1."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import EapViolation
from radius_server.eap.framing import (
    MAXIMUM_MESSAGE_OCTETS,
    MINIMUM_LINK_OCTETS,
    Framing,
    link_octets,
)
from radius_server.eap.methods import Send

LENGTH, MORE, START = 0x80, 0x40, 0x20

Course = Generator[Send, bytes, bytes]


def pieces(message: bytes, size: int, repeat_length: bool = False) -> list[bytes]:
    """`message` as a peer sends it, `size` octets at a time."""
    parts = [message[at : at + size] for at in range(0, len(message), size)] or [b""]
    made = []
    for number, part in enumerate(parts):
        flags = MORE if number < len(parts) - 1 else 0
        head = b""
        if len(parts) > 1 and (number == 0 or repeat_length):
            flags |= LENGTH
            head = len(message).to_bytes(4, "big")
        made.append(bytes((flags,)) + head + part)
    return made


def talk(course: Course, answers: list[bytes]) -> tuple[list[bytes], bytes]:
    """What was sent, and what came of it."""
    sent = [next(course).type_data]
    for answer in answers:
        try:
            sent.append(course.send(answer).type_data)
        except StopIteration as ended:
            return sent, ended.value
    raise AssertionError("the conversation goes on")


@given(
    message=st.binary(max_size=3000),
    size=st.integers(40, 1400),
    room=st.integers(MINIMUM_LINK_OCTETS - 4, 1400),
    repeat=st.booleans(),
)
def test_messages_of_any_length_arrive_whole(
    message: bytes, size: int, room: int, repeat: bool
) -> None:
    sent, got = talk(Framing(room, True).start(), pieces(message, size, repeat))
    assert got == message
    assert sent[0] == bytes((START,))
    assert set(sent[1:]) <= {b"\0"}

    answers = [b"\0"] * (len(message) // (room - 10) + 2)
    course = Framing(room, True).exchange(message)
    sent = [next(course).type_data]
    while True:
        try:
            sent.append(course.send(answers.pop()).type_data)
        except StopIteration as ended:
            assert ended.value == b""
            break
    assert all(len(part) + 5 <= room for part in sent)
    heads = [part[0] for part in sent]
    if len(sent) == 1:
        assert sent[0] == b"\0" + message
        return
    assert heads[0] == LENGTH | MORE
    assert int.from_bytes(sent[0][1:5], "big") == len(message)
    assert heads[1:] == [MORE] * (len(sent) - 2) + [0]
    assert sent[0][5:] + b"".join(part[1:] for part in sent[1:]) == message


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        pytest.param([b""], "flags_missing", id="nothing"),
        pytest.param([bytes((START,))], "flags_wrong", id="start"),
        pytest.param([b"\x01abc"], "flags_wrong", id="version-1"),
        pytest.param([b"\x80\0\0"], "message_length_missing", id="length-cut"),
        pytest.param([b"\x80\0\0\0\x09abc"], "message_length_wrong", id="length-long"),
        pytest.param([b"\xc0\xff\xff\xff\xffabc"], "message_too_long", id="length-huge"),
        pytest.param([b"\xc0\0\0\0\x06abc", b"\0abcd"], "message_too_long", id="too-much"),
        pytest.param([b"\xc0\0\0\0\x06abc", b"\0ab"], "message_length_wrong", id="too-little"),
        pytest.param(
            [b"\xc0\0\0\0\x06abc", b"\xc0\0\0\0\x07abc"], "message_length_changed", id="l"
        ),
        pytest.param([b"\x40"], "fragment_empty", id="empty"),
        pytest.param([b"\x40abc", b"\x40"], "fragment_empty", id="empty-later"),
    ],
)
def test_a_peer_that_breaks_the_rules_is_left(answers: list[bytes], reason: str) -> None:
    with pytest.raises(EapViolation, match=f"^{reason}$"):
        talk(Framing(1024, True).start(), answers)


def test_without_a_length_the_ceiling_holds() -> None:
    with pytest.raises(EapViolation, match="message_too_long"):
        talk(Framing(1024, True).start(), [b"\x40" + bytes(1000)] * 70)
    assert MAXIMUM_MESSAGE_OCTETS < 70 * 1000


def test_a_peer_that_speaks_between_our_fragments_is_left() -> None:
    with pytest.raises(EapViolation, match="fragment_not_acknowledged"):
        talk(Framing(100, True).exchange(bytes(300)), [b"\0", b"\0abc"])


def test_eap_tls_has_no_version_bits() -> None:
    assert talk(Framing(1024, False).start(), [b"\x01abc"])[1] == b"abc"


def test_the_link_bounds_what_is_sent() -> None:
    assert link_octets(None, 1024) == 1024
    assert link_octets(0, 1024) == 1024
    assert link_octets(1400, 1024) == 1024
    # RFC 3580 section 3.10: IEEE 802.1X needs four octets of it for itself.
    assert link_octets(1028, 1024) == 1024
    assert link_octets(1027, 1024) == 1023
    assert link_octets(600, 1024) == 596
    assert link_octets(1, 1024) == MINIMUM_LINK_OCTETS - 4
    assert link_octets(1400, 64) == 64


@given(st.lists(st.binary(max_size=60), max_size=30))
def test_any_answers_end_in_a_message_or_our_error(answers: list[bytes]) -> None:
    course = Framing(100, True).start()
    next(course)
    try:
        for answer in answers:
            course.send(answer)
    except (EapViolation, StopIteration):
        pass
