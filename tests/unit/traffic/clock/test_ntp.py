"""One NTP question and its answer: RFC 5905 figure 8, and what makes an answer worthless."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import MalformedPacket, NotAuthentic
from traffic.clock.ntp import (
    Answer,
    Measurement,
    decode_answer,
    encode_question,
    find_refusal,
    measure,
)

NONCE = b"nonce-08"
SECOND = 1_000_000_000
NOON = 1_795_000_000 * SECOND


def ntp_time(unix_ns: int) -> bytes:
    seconds, rest = divmod(unix_ns, SECOND)
    return struct.pack("!II", (seconds + 2_208_988_800) % (1 << 32), (rest << 32) // SECOND)


def answer_octets(
    *,
    head: int = 0x24,
    stratum: int = 1,
    reference: bytes = b"GNSS",
    origin: bytes = NONCE,
    delay: int = 0,
    dispersion: int = 0,
    at: int = NOON,
) -> bytes:
    return (
        struct.pack("!BBbbII4s", head, stratum, 6, -20, delay, dispersion, reference)
        + ntp_time(at)
        + origin
        + ntp_time(at)
        + ntp_time(at)
    )


def test_the_question_is_48_octets_of_a_client_that_tell_nothing_of_its_clock() -> None:
    question = encode_question(NONCE)
    assert len(question) == 48
    assert question[0] == 0x23  # leap 0, version 4, mode 3
    assert question[1:40] == bytes(39)
    assert question[40:] == NONCE


def test_an_answer_is_read_with_its_root_delay_and_dispersion_in_microseconds() -> None:
    answer = decode_answer(answer_octets(delay=1 << 15, dispersion=1 << 14), NONCE)
    assert (answer.stratum, answer.reference) == (1, "GNSS")
    assert (answer.root_delay_us, answer.root_dispersion_us) == (500_000, 250_000)
    assert abs(answer.sent_ns - NOON) <= 1


def test_times_after_the_turn_of_the_ntp_era_in_2036_are_read_too() -> None:
    in_2040 = 2_208_988_800 * SECOND
    answer = decode_answer(answer_octets(at=in_2040), NONCE)
    assert answer.sent_ns == in_2040


def test_an_answer_to_another_question_is_not_believed() -> None:
    with pytest.raises(NotAuthentic, match="origin"):
        decode_answer(answer_octets(origin=b"forged!!"), NONCE)


@pytest.mark.parametrize("head", [0x23, 0x21, 0x25, 0x26], ids=["client", "active", "all", "ctl"])
def test_what_no_server_sends_is_no_answer(head: int) -> None:
    with pytest.raises(MalformedPacket):
        decode_answer(answer_octets(head=head), NONCE)


@given(st.binary(max_size=47))
def test_anything_shorter_than_a_packet_is_malformed(octets: bytes) -> None:
    with pytest.raises(MalformedPacket):
        decode_answer(octets, NONCE)


@given(st.binary(min_size=48, max_size=90))
def test_any_octets_are_an_answer_or_our_error(octets: bytes) -> None:
    try:
        found = decode_answer(octets[:24] + NONCE + octets[32:], NONCE)
    except MalformedPacket:
        return
    find_refusal(found)
    assert isinstance(measure(found, NOON, NOON + 1000), Measurement)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"stratum": 0, "reference": b"RATE"}, "kiss_of_death:RATE", id="kiss"),
        pytest.param({"stratum": 0, "reference": b"DENY"}, "kiss_of_death:DENY", id="deny"),
        pytest.param({"head": 0xE4}, "server_unsynchronised", id="leap 3"),
        pytest.param({"stratum": 16}, "server_unsynchronised", id="stratum 16"),
        pytest.param({"reference": b"LOCL"}, "local_clock", id="LOCL"),
        pytest.param({"stratum": 5, "reference": b"\x7f\x7f\x01\x00"}, "local_clock", id="127"),
        pytest.param({"dispersion": 3 << 16}, "too_far_from_its_reference", id="far"),
        pytest.param({}, None, id="good"),
    ],
)
def test_what_is_worth_nothing_is_named(changes: dict[str, object], why: str | None) -> None:
    answer = decode_answer(answer_octets(**changes), NONCE)  # type: ignore[arg-type]
    assert find_refusal(answer) == why


def test_an_answer_sent_before_its_question_came_is_impossible() -> None:
    octets = answer_octets()[:40] + ntp_time(NOON - SECOND)
    assert find_refusal(decode_answer(octets, NONCE)) == "impossible_times"


@given(
    ours_fast_us=st.integers(-5_000_000, 5_000_000),
    there_us=st.integers(0, 200_000),
    back_us=st.integers(0, 200_000),
    inside_us=st.integers(0, 1000),
)
def test_the_true_offset_lies_within_the_told_error_whatever_the_way_was(
    ours_fast_us: int, there_us: int, back_us: int, inside_us: int
) -> None:
    asked = NOON + ours_fast_us * 1000
    received = NOON + there_us * 1000
    sent = received + inside_us * 1000
    told = sent + (back_us + ours_fast_us) * 1000
    answer = Answer(
        leap=0, stratum=1, precision=-20, root_delay_us=0, root_dispersion_us=0,
        reference="GNSS", received_ns=received, sent_ns=sent,
    )  # fmt: skip
    found = measure(answer, asked, told)
    assert abs(found.offset_us - ours_fast_us) <= found.error_us
    assert found.delay_us == there_us + back_us
