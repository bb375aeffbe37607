"""Packets out of RFCs, both ways: decoded, verified, and every cut of them refused."""

from __future__ import annotations

import hashlib

import pytest

from common.errors import MalformedPacket
from radius_server.packet.authenticator import SharedSecret, chap_fits
from radius_server.packet.codes import Attribute, Code
from radius_server.packet.packet import HEADER_OCTETS, decode, sub_attributes
from tests.vectors.radius_packets import SECRET, VECTORS, ZERO_LENGTH_VENDOR, Vector

_IDS = [vector.source for vector in VECTORS]


@pytest.mark.parametrize("vector", VECTORS, ids=_IDS)
def test_every_attribute_of_the_request_is_read(vector: Vector) -> None:
    octets = bytes.fromhex(vector.request)
    packet = decode(octets)
    rebuilt = b"".join(
        bytes((kind, len(value) + 2)) + value
        for kind, value in packet.values.items()
        for value in packet.all(kind)
    )
    assert rebuilt == octets[HEADER_OCTETS:]
    assert packet.identifier == octets[1]
    assert packet.authenticator == octets[4:20]


@pytest.mark.parametrize("vector", VECTORS, ids=_IDS)
def test_the_printed_reply_has_the_authenticator_we_compute(vector: Vector) -> None:
    request = decode(bytes.fromhex(vector.request))
    reply = bytes.fromhex(vector.response)
    expected = hashlib.md5(
        reply[:4] + request.authenticator + reply[20:] + SECRET, usedforsecurity=False
    ).digest()
    assert reply[4:20] == expected


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if v.password], ids=[v.source for v in VECTORS if v.password]
)
def test_the_hidden_password_is_revealed(vector: Vector) -> None:
    packet = decode(bytes.fromhex(vector.request))
    hidden = packet.values[Attribute.USER_PASSWORD]
    assert SharedSecret(SECRET).reveal_password(hidden, packet.authenticator) == vector.password


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if "5997" in v.source], ids=lambda v: v.source
)
def test_the_message_authenticator_of_status_server_fits(vector: Vector) -> None:
    octets = bytes.fromhex(vector.request)
    assert SharedSecret(SECRET).message_authenticator_fits(decode(octets))
    assert not SharedSecret(b"xyzzy5462").message_authenticator_fits(decode(octets))
    for at in range(len(octets)):
        changed = octets[:at] + bytes((octets[at] ^ 1,)) + octets[at + 1 :]
        try:
            packet = decode(changed)
        except MalformedPacket:
            continue
        assert not SharedSecret(SECRET).message_authenticator_fits(packet), f"octet {at}"


@pytest.mark.parametrize("vector", VECTORS, ids=_IDS)
def test_every_prefix_is_malformed(vector: Vector) -> None:
    for text in (vector.request, vector.response):
        octets = bytes.fromhex(text)
        for length in range(len(octets)):
            with pytest.raises(MalformedPacket):
                decode(octets[:length])


@pytest.mark.parametrize("vector", VECTORS, ids=_IDS)
def test_octets_after_the_length_field_are_padding(vector: Vector) -> None:
    octets = bytes.fromhex(vector.request)
    assert decode(octets + b"\xff" * 7).octets == octets


def test_chap_of_rfc_1994_with_the_request_authenticator_as_challenge() -> None:
    packet = decode(bytes.fromhex(VECTORS[1].request))
    value = packet.values[Attribute.CHAP_PASSWORD]
    answer = hashlib.md5(value[:1] + b"flopsy-pw" + packet.authenticator, usedforsecurity=False)
    assert chap_fits(value[:1] + answer.digest(), packet.authenticator, b"flopsy-pw")
    assert not chap_fits(value, packet.authenticator, b"flopsy-pw")


def test_a_vendor_sub_attribute_of_length_zero_stays_opaque() -> None:
    packet = decode(ZERO_LENGTH_VENDOR)
    assert len(ZERO_LENGTH_VENDOR) == 31
    assert packet.code == Code.ACCESS_REQUEST
    assert sub_attributes(packet.values[Attribute.VENDOR_SPECIFIC]) is None


def test_vendor_sub_attributes_of_the_recommended_form_are_read() -> None:
    value = bytes.fromhex("00003a8c" + "0803313" + "0" + "0204cafe")
    assert sub_attributes(value) is None
    value = bytes.fromhex("00003a8c" + "080431" + "30" + "0204cafe")
    assert sub_attributes(value) == [(14988, 8, b"10"), (14988, 2, b"\xca\xfe")]
