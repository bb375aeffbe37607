"""RADIUS/1.1, octet by octet, written down from RFC 9765 by hand; section numbers are its."""

from __future__ import annotations

import pytest

from common.errors import MalformedPacket
from radius_server.packet.authenticator import SharedSecret, chap_fits
from radius_server.packet.codes import Code
from radius_server.packet.forming import (
    classic_of,
    classic_reply_of,
    modern_of,
    modern_request_of,
    read_reply,
)
from radius_server.packet.hiding import Hop, carry
from radius_server.packet.packet import Packet, decode

HOP = Hop(b"radsec", bytes(range(16)))
SECRET = SharedSecret(HOP.secret)

# Section 4.1: Access-Request, Reserved-1 and Reserved-2 full of noise, Token 0x00c0ffee,
# User-Name "bob", User-Password "hello" in clear (5.1.1).
REQUEST = bytes.fromhex(
    "01 ff 0020 00c0ffee 5555555555555555aaaaaaaa 01 05 626f62 02 07 68656c6c6f"
)

# Access-Accept to it: Reserved-1 zero, the same Token, Reserved-2 zero, Tunnel-Password with tag
# 1 and "swordfish" (5.1.3), MS-MPPE-Recv-Key of four octets in clear (5.1.4).
ACCEPT = bytes.fromhex(
    "02 00 002c 00c0ffee 000000000000000000000000"
    "45 0c 01 73776f726466697368"
    "1a 0c 00000137 11 06 0badcafe"
)

# Disconnect-Request of Acct-Session-Id "5A" with Token 1, and its Disconnect-NAK 503.
DISCONNECT = bytes.fromhex("28 00 0018 00000001 000000000000000000000000 2c 04 3541")
NAK = bytes.fromhex("2a 00 001a 00000001 000000000000000000000000 65 06 000001f7")


def _with(*attributes: tuple[int, bytes], code: int = 1) -> bytes:
    body = b"".join(bytes((kind, len(value) + 2)) + value for kind, value in attributes)
    return bytes((code, 0)) + (20 + len(body)).to_bytes(2, "big") + bytes(16) + body


def _read(octets: bytes) -> Packet:
    return decode(classic_of(octets, HOP))


def test_a_request_is_read_and_its_reserved_fields_are_not_looked_at() -> None:
    packet = _read(REQUEST)
    assert (packet.code, packet.identifier) == (Code.ACCESS_REQUEST, 0)
    assert packet.values[1] == b"bob"
    assert SECRET.reveal_password(packet.values[2], packet.authenticator) == b"hello"
    assert SECRET.message_authenticator_fits(packet)


def test_a_reply_is_written_without_anything_hidden_or_signed() -> None:
    clear = [(69, b"\x01swordfish"), (26, bytes.fromhex("00000137 11 06 0badcafe"))]
    hidden = b"".join(
        bytes((kind, len(value) + 2)) + value for kind, value in carry(clear, None, HOP)
    )
    reply = SECRET.reply(_read(REQUEST), Code.ACCESS_ACCEPT, hidden)
    assert b"swordfish" not in reply and bytes.fromhex("0badcafe") not in reply
    assert modern_of(reply, REQUEST[4:8], HOP) == ACCEPT


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param([(80, bytes(16))], id="wrong"),
        pytest.param([(80, b"")], id="empty"),
        pytest.param([(80, b"short")], id="of no length"),
        pytest.param([(80, bytes(16)), (80, bytes(16))], id="twice"),
    ],
)
def test_a_message_authenticator_is_ignored_whatever_it_is(
    signature: list[tuple[int, bytes]],
) -> None:
    """Section 5.2: the packet is processed as if it were not there."""
    packet = _read(_with((1, b"bob"), *signature, (2, b"hello")))
    assert SECRET.message_authenticator_fits(packet)
    assert SECRET.reveal_password(packet.values[2], packet.authenticator) == b"hello"


@pytest.mark.parametrize("password", [b"", b"x" * 129])
def test_a_password_has_1_to_128_octets(password: bytes) -> None:
    """Section 5.1.1."""
    with pytest.raises(MalformedPacket):
        _read(_with((1, b"bob"), (2, password)))
    _read(_with((1, b"bob"), (2, b"x" * 128)))


def test_chap_needs_its_challenge_and_is_not_changed() -> None:
    """Sections 5.1.2 and 5.4; the value is that of RFC 2865 section 7.2."""
    challenge = bytes.fromhex("2a ee 86 f0 8d 0d 55 96 9c a5 97 8e 0d 33 67 a2")
    value = bytes.fromhex("16 e9 75 57 c3 16 18 58 95 f2 93 ff 63 44 07 72 75")
    packet = _read(_with((1, b"flopsy"), (3, value), (60, challenge)))
    assert packet.values[3] == value
    assert chap_fits(packet.values[3], packet.values[60], b"arctangent")
    assert 3 not in _read(_with((1, b"flopsy"), (3, value))).values


def test_every_prefix_is_malformed() -> None:
    for octets in (REQUEST, _with((1, b"bob"), (80, bytes(16)), (2, b"hello"))):
        for end in range(len(octets)):
            with pytest.raises(MalformedPacket):
                classic_of(octets[:end], HOP)


def test_a_request_of_the_server_and_its_answer_travel_under_a_token() -> None:
    classic = bytes.fromhex("28 07 0018") + bytes(range(16)) + bytes.fromhex("2c 04 3541")
    assert modern_request_of(classic, bytes.fromhex("00000001")) == DISCONNECT
    answer = classic_reply_of(NAK, classic, HOP.secret)
    packet = read_reply(answer, classic, HOP.secret, signed=False)
    assert (packet.code, packet.identifier, packet.integer(101)) == (42, 7, 503)
