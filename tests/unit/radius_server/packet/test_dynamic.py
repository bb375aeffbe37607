"""radius_server.packet.dynamic: requests to a NAS, and what its answers are worth. RFC 5176.

pyrad, which nobody here wrote, checks what is made and makes what is checked.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrad.dictionary import Dictionary
from pyrad.packet import CoAPacket

from common.errors import MalformedPacket, NotAuthentic
from radius_server.packet.authenticator import encode
from radius_server.packet.codes import Attribute
from radius_server.packet.dynamic import (
    DynamicCode,
    DynamicReply,
    encode_request,
    error_name,
    read_reply,
)
from radius_server.packet.packet import MAXIMUM_OCTETS, decode

SECRET = b"a secret between two"
NAMED = encode(Attribute.USER_NAME, b"somchai") + encode(Attribute.ACCT_SESSION_ID, b"5A")


def request(identifier: int = 7, attributes: bytes = NAMED) -> bytes:
    return encode_request(DynamicCode.DISCONNECT_REQUEST, identifier, attributes, SECRET)


def answer(
    asked: bytes,
    code: int = DynamicCode.DISCONNECT_ACK,
    attributes: bytes = b"",
    secret: bytes = SECRET,
    signed: bool = False,
) -> bytes:
    """An answer built from the RFC alone."""
    if signed:
        attributes = bytes((80, 18)) + bytes(16) + attributes
    head = struct.pack("!BBH", code, asked[1], 20 + len(attributes))
    if signed:
        signature = hmac.digest(secret, head + asked[4:20] + attributes, "md5")
        attributes = attributes[:2] + signature + attributes[18:]
    digest = hashlib.md5(head + asked[4:20] + attributes + secret).digest()
    return head + digest + attributes


def test_a_request_is_authentic_to_pyrad() -> None:
    octets = request()
    received: Any = CoAPacket(packet=octets, secret=SECRET, dict=Dictionary())
    assert received.VerifyCoARequest()
    assert received.code == 40
    assert received.id == 7
    assert received[1] == [b"somchai"]


def test_the_message_authenticator_comes_first_and_is_made_over_zeros() -> None:
    octets = request()
    packet = decode(octets)
    assert packet.message_authenticator_at == 22
    zeroed = octets[:4] + bytes(16) + octets[20:22] + bytes(16) + octets[38:]
    assert octets[22:38] == hmac.digest(SECRET, zeroed, "md5")


@given(st.binary(max_size=200), st.integers(0, 255))
def test_one_changed_octet_makes_a_request_worthless(filter_id: bytes, at: int) -> None:
    octets = bytearray(request(attributes=encode(11, filter_id)))
    octets[4 + at % (len(octets) - 4)] ^= 1
    digest = hashlib.md5(octets[:4] + bytes(16) + octets[20:] + SECRET).digest()
    assert digest != octets[4:20]


def test_a_request_that_does_not_fit_is_the_caller_s_mistake() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        request(attributes=bytes(MAXIMUM_OCTETS))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    ("code", "attributes", "expected"),
    [
        (41, b"", DynamicReply(True)),
        (42, b"", DynamicReply(False)),
        (42, bytes((101, 6, 0, 0, 1, 0xF7)), DynamicReply(False, 503)),
    ],
)
def test_an_answer_says_whether_it_was_done(
    code: int, attributes: bytes, expected: DynamicReply, signed: bool
) -> None:
    asked = request()
    assert read_reply(asked, answer(asked, code, attributes, signed=signed), SECRET) == expected


@pytest.mark.parametrize("signed", [False, True])
def test_an_answer_made_with_another_secret_is_not_authentic(signed: bool) -> None:
    asked = request()
    with pytest.raises(NotAuthentic):
        read_reply(asked, answer(asked, secret=b"guessed", signed=signed), SECRET)


def test_an_answer_to_another_request_is_not_authentic() -> None:
    asked = request()
    other = request(attributes=encode(Attribute.USER_NAME, b"suda"))
    with pytest.raises(NotAuthentic):
        read_reply(asked, answer(other), SECRET)


def test_a_wrong_message_authenticator_spoils_a_right_answer() -> None:
    asked = request()
    spoilt = bytearray(answer(asked, signed=True))
    spoilt[25] ^= 1
    spoilt[4:20] = hashlib.md5(bytes(spoilt[:4]) + asked[4:20] + spoilt[20:] + SECRET).digest()
    with pytest.raises(NotAuthentic, match="message_authenticator"):
        read_reply(asked, bytes(spoilt), SECRET)


@pytest.mark.parametrize("code", [40, 43, 44, 45, 2])
def test_only_the_two_answers_to_the_request_are_answers(code: int) -> None:
    asked = request()
    with pytest.raises(MalformedPacket):
        read_reply(asked, answer(asked, code), SECRET)


def test_an_answer_with_another_identifier_is_none() -> None:
    asked = request()
    with pytest.raises(MalformedPacket):
        read_reply(asked, answer(request(identifier=8)), SECRET)


@pytest.mark.parametrize(
    ("cause", "name"),
    [
        (503, "Session-Context-Not-Found"),
        (403, "NAS-Identification-Mismatch"),
        (202, "Invalid-EAP-Packet"),
        (999, "Error-Cause-999"),
    ],
)
def test_error_causes_have_the_names_of_the_rfc(cause: int, name: str) -> None:
    assert error_name(cause) == name
