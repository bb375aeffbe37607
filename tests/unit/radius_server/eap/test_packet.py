"""EAP packets by RFC 3748, every prefix of them, and anything at all."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import MalformedPacket
from radius_server.eap.packet import (
    Code,
    Response,
    Type,
    decode_response,
    encode_end,
    encode_request,
    peer_identity,
)
from radius_server.packet.codes import Attribute
from radius_server.packet.packet import decode

IDENTITY = bytes.fromhex("0207000a01616c696365")


def test_an_identity_response_is_read() -> None:
    assert decode_response(IDENTITY) == Response(7, Type.IDENTITY, b"alice")


def test_every_prefix_is_malformed() -> None:
    for end in range(len(IDENTITY)):
        with pytest.raises(MalformedPacket):
            decode_response(IDENTITY[:end])


def test_octets_after_the_length_are_padding() -> None:
    assert decode_response(IDENTITY + b"junk").type_data == b"alice"


@pytest.mark.parametrize("code", [Code.REQUEST, Code.SUCCESS, Code.FAILURE, 0, 9])
def test_only_responses_are_taken(code: int) -> None:
    with pytest.raises(MalformedPacket):
        decode_response(bytes((code,)) + IDENTITY[1:])


def test_requests_and_ends_have_the_form_of_section_4() -> None:
    assert encode_request(8, Type.GTC, b"Password: ").hex() == "0108000f0650617373776f72643a20"
    assert encode_end(Code.SUCCESS, 9).hex() == "03090004"
    assert encode_end(Code.FAILURE, 255).hex() == "04ff0004"


def test_an_expanded_type_of_vendor_0_is_the_plain_one() -> None:
    expanded = bytes.fromhex("02010011fe000000000000066162636465")
    assert decode_response(expanded) == Response(1, Type.GTC, b"abcde")


def test_an_expanded_nak_names_plain_types_and_skips_vendors() -> None:
    # RFC 3748 section 5.3.2: 20 expanded types for MD5 and one of vendor 20.
    wanted = bytes.fromhex("fe00000000000004fe00001400000006")
    octets = bytes.fromhex("0201001cfe00000000000003") + wanted
    assert decode_response(octets) == Response(1, Type.NAK, b"\x04")


def test_a_type_of_another_vendor_keeps_its_vendor() -> None:
    octets = bytes.fromhex("0201000dfe0000140000000661")
    assert decode_response(octets) == Response(1, Type.EXPANDED, bytes.fromhex("0000140000000661"))


@pytest.mark.parametrize(
    "name", [b"alice\0", b"alice\0networkid=x", b"\0", b"ali\xffce", "สมชาย".encode(), b"", b"\\"]
)
def test_an_identity_reads_as_the_user_name_of_the_same_octets(name: bytes) -> None:
    attribute = bytes((Attribute.USER_NAME, 2 + len(name))) + name
    packet = decode(
        bytes((1, 7)) + (20 + len(attribute)).to_bytes(2, "big") + bytes(16) + attribute
    )
    assert peer_identity(name) == packet.text(Attribute.USER_NAME)


def test_an_identity_is_not_cut_short_at_a_zero_octet() -> None:
    # RFC 3748 section 5.1: a Response must not end in one; options follow it in a Request.
    assert peer_identity(b"alice\0") == "alice\\x00"
    assert peer_identity("สมชาย".encode()) == "สมชาย"


@given(st.binary(max_size=300))
def test_anything_gives_a_response_or_our_error(octets: bytes) -> None:
    with contextlib.suppress(MalformedPacket):
        decode_response(octets)


@given(st.binary(max_size=40))
def test_any_expanded_type_gives_a_response_or_our_error(data: bytes) -> None:
    octets = b"\x02\x01" + (5 + len(data)).to_bytes(2, "big") + b"\xfe" + data
    with contextlib.suppress(MalformedPacket):
        decode_response(octets)
