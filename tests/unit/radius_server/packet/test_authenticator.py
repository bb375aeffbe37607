"""Replies: how they are built, and that an independent computation agrees."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from common.errors import MalformedPacket
from radius_server.packet.authenticator import SharedSecret, chap_fits, encode, encode_vendor
from radius_server.packet.codes import Attribute, Code
from radius_server.packet.packet import Packet, decode

SECRET = b"a shared secret"


def _request(code: int = 1, attributes: bytes = b"") -> Packet:
    head = bytes((code, 9)) + (20 + len(attributes)).to_bytes(2, "big")
    return decode(head + bytes(range(16)) + attributes)


@pytest.mark.parametrize("secret", [SECRET, b"x", b"long" * 40])
@pytest.mark.parametrize("code", [Code.ACCESS_ACCEPT, Code.ACCESS_REJECT])
def test_message_authenticator_is_first_and_right(secret: bytes, code: Code) -> None:
    request = _request()
    reply = SharedSecret(secret).reply(request, code, encode(Attribute.REPLY_MESSAGE, b"hello"))
    assert reply[20:22] == b"\x50\x12"
    zeroed = reply[:4] + request.authenticator + reply[20:22] + bytes(16) + reply[38:]
    assert hmac.digest(secret, zeroed, "md5") == reply[22:38]
    digest = hashlib.md5(
        reply[:4] + request.authenticator + reply[20:] + secret, usedforsecurity=False
    )
    assert digest.digest() == reply[4:20]
    assert int.from_bytes(reply[2:4], "big") == len(reply)
    assert reply[1] == 9


def test_an_accounting_response_carries_no_message_authenticator() -> None:
    reply = SharedSecret(SECRET).reply(_request(4), Code.ACCOUNTING_RESPONSE, b"")
    assert len(reply) == 20


def test_status_server_on_the_accounting_port_is_answered_with_one() -> None:
    reply = SharedSecret(SECRET).reply(_request(12), Code.ACCOUNTING_RESPONSE, b"")
    assert reply[20:22] == b"\x50\x12"


def test_proxy_states_are_echoed_in_order() -> None:
    states = encode(Attribute.PROXY_STATE, b"one") + encode(Attribute.PROXY_STATE, b"two")
    reply = SharedSecret(SECRET).reply(_request(1, states), Code.ACCESS_REJECT, b"")
    assert reply.endswith(states)


@pytest.mark.parametrize("password", [b"", b"short", b"x" * 16, b"y" * 17, "ก".encode() * 40])
def test_passwords_of_every_length_are_revealed(password: bytes) -> None:
    padded = password.ljust(max(16, -(-len(password) // 16) * 16), b"\0")
    authenticator, hidden = bytes(range(16)), b""
    previous = authenticator
    for at in range(0, len(padded), 16):
        stream = hashlib.md5(SECRET + previous, usedforsecurity=False).digest()
        previous = bytes(a ^ b for a, b in zip(padded[at : at + 16], stream, strict=True))
        hidden += previous
    assert SharedSecret(SECRET).reveal_password(hidden, authenticator) == password


@pytest.mark.parametrize("length", [0, 1, 15, 17, 144])
def test_a_password_of_an_impossible_length_is_malformed(length: int) -> None:
    with pytest.raises(MalformedPacket):
        SharedSecret(SECRET).reveal_password(bytes(length), bytes(16))


def test_chap_of_a_wrong_length_is_malformed() -> None:
    with pytest.raises(MalformedPacket):
        chap_fits(bytes(16), bytes(16), b"x")


def test_a_secret_does_not_show_itself() -> None:
    assert "shared" not in repr(SharedSecret(SECRET))


def test_attributes_that_do_not_fit_are_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="253"):
        encode(Attribute.CLASS, bytes(254))
    request = _request()
    with pytest.raises(ValueError, match="does not fit"):
        SharedSecret(SECRET).reply(request, Code.ACCESS_ACCEPT, encode(25, bytes(253)) * 17)
    assert encode_vendor(9, 1, b"x") == b"\x1a\x09\x00\x00\x00\x09\x01\x03x"
