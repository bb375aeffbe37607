"""TLVs of TEAP, right, wrong and random."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius_server.eap.teap_tlv import (
    Error,
    Kind,
    Message,
    Status,
    Tlv,
    TlvViolation,
    decode,
    encode,
    error,
    intermediate_result,
    nak,
    read,
    result,
)

TLVS = st.lists(
    st.builds(Tlv, st.integers(0, 0x3FFF), st.binary(max_size=40), st.booleans()), max_size=8
)
LIKELY = st.lists(
    st.builds(
        Tlv, st.integers(0, 20), st.binary(max_size=12) | st.sampled_from([b"\0\1", b"\0\2"])
    ),
    max_size=5,
)


@given(TLVS)
def test_what_is_written_is_read_back(tlvs: list[Tlv]) -> None:
    assert decode(encode(tlvs)) == tlvs


@given(TLVS, st.integers(1, 500))
def test_what_is_cut_short_is_a_violation_or_fewer_tlvs(tlvs: list[Tlv], cut: int) -> None:
    whole = encode(tlvs)
    octets = whole[: max(0, len(whole) - cut)]
    try:
        found = decode(octets)
    except TlvViolation:
        return
    assert found == tlvs[: len(found)]


@given(st.binary(max_size=200) | LIKELY.map(encode))
def test_junk_is_a_violation_or_a_message(octets: bytes) -> None:
    try:
        message = read(octets)
    except TlvViolation as violation:
        assert violation.error is Error.UNEXPECTED_TLVS
        assert len(violation.reason) < 40
        return
    if message.unknown is not None:
        assert message == Message(unknown=message.unknown)
    if message.eap is not None:
        assert int.from_bytes(message.eap[2:4], "big") == len(message.eap)
    if message.password is not None:
        assert all(message.password)


@pytest.mark.parametrize(
    ("tlv", "octets"),
    [
        (result(Status.SUCCESS), "800300020001"),
        (intermediate_result(Status.FAILURE), "800a00020002"),
        (error(Error.TUNNEL_COMPROMISE), "80050004000007d1"),
        (Tlv(Kind.AUTHORITY_ID, b"id", mandatory=False), "000100026964"),
        (nak(Tlv(99, b"")), "80040006000000000063"),
        (nak(Tlv(Kind.VENDOR_SPECIFIC, b"\0\0\x01\x37rest")), "80040006000001370007"),
        (nak(Tlv(Kind.VENDOR_SPECIFIC, b"\1")), "80040006000000010007"),
    ],
)
def test_tlvs_have_the_octets_of_section_4_2(tlv: Tlv, octets: str) -> None:
    assert encode((tlv,)).hex() == octets


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"\5alice\6secret", (b"alice", b"secret")),
        (b"\5alice\xff" + b"x" * 255, (b"alice", b"x" * 255)),
        (b"\1a\3\0\1\2", (b"a", b"\0\1\2")),
        (b"", None),
        (b"\0\1b", None),
        (b"\1a", None),
        (b"\1a\0", None),
        (b"\5ali", None),
        (b"\1a\5abc", None),
        (b"\1a\1bc", None),
    ],
)
def test_names_and_passwords_are_whole_or_nothing(
    value: bytes, found: tuple[bytes, bytes] | None
) -> None:
    octets = encode((Tlv(Kind.BASIC_PASSWORD_RESPONSE, value),))
    if found is None:
        with pytest.raises(TlvViolation, match="tlv_password_malformed"):
            read(octets)
    else:
        assert read(octets).password == found


def test_hints_behind_a_packet_or_a_result_are_left_alone() -> None:
    eap = bytes((2, 1, 0, 5, 1))
    message = read(
        encode(
            (
                Tlv(Kind.EAP_PAYLOAD, eap + encode((Tlv(99, b"hint", mandatory=False),))),
                Tlv(Kind.INTERMEDIATE_RESULT, b"\0\1" + encode((Tlv(99, b"", mandatory=False),))),
            )
        )
    )
    assert (message.eap, message.intermediate) == (eap, Status.SUCCESS)


def test_of_several_actions_the_worst_counts() -> None:
    def actions(*statuses: int) -> Status | None:
        return read(
            encode([Tlv(Kind.REQUEST_ACTION, bytes((status, 1))) for status in statuses])
        ).action

    assert actions() is None
    assert actions(1, 1) is Status.SUCCESS
    assert actions(1, 2) is actions(2, 1) is actions(9) is Status.FAILURE


def test_a_password_is_not_in_what_is_printed() -> None:
    message = read(encode((Tlv(Kind.BASIC_PASSWORD_RESPONSE, b"\1a\6secret"),)))
    assert "secret" not in repr(message)
    assert "secret" not in repr(Tlv(Kind.BASIC_PASSWORD_RESPONSE, b"secret"))
