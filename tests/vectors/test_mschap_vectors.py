"""MS-CHAP against the examples of its RFCs, both ways.

RFC 2433 appendix B.2; RFC 2759 section 9.2; RFC 3079 section 3.5.3.
"""

from __future__ import annotations

from identity.domain.recoverable import hash_nt_hash, nt_hash
from radius_server.process.mschap import (
    Response1,
    Response2,
    authenticator_response,
    challenge_hash,
    challenge_response,
    nt_response,
    session_keys,
)

USER = b"User"
CHALLENGE = bytes.fromhex("5B5D7C7D7B3F2F3E3C2C602132262628")
PEER_CHALLENGE = bytes.fromhex("21402324255E262A28295F2B3A337C7E")
NT_HASH = bytes.fromhex("44EBBA8D5312B8D611474411F56989AE")
NT_HASH_HASH = bytes.fromhex("41C00C584BD2D91C4017A2A12FA59F3F")
JOINT = bytes.fromhex("D02E4386BCE91226")
NT_RESPONSE = bytes.fromhex("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF")
AUTHENTICATOR_RESPONSE = "S=407A5589115FD0D6209F510FE9C04566932CDA56"
SEND_START_KEY = bytes.fromhex("8B7CDC149B993A1BA118CB153F56DCCB")

OLD_CHALLENGE = bytes.fromhex("102DB5DF085D3041")
OLD_HASH = bytes.fromhex("FC156AF7EDCD6C0EDDE3337D427F4EAC")
OLD_RESPONSE = bytes.fromhex("4E9D3C8F9CFD385D5BF4D3246791956CA4C351AB409A3D61")


def test_the_hashes_of_rfc_2759() -> None:
    assert nt_hash("clientPass") == NT_HASH
    assert hash_nt_hash(NT_HASH) == NT_HASH_HASH
    assert challenge_hash(PEER_CHALLENGE, CHALLENGE, USER) == JOINT


def test_the_response_of_rfc_2759_is_made_and_recognised() -> None:
    assert nt_response(CHALLENGE, PEER_CHALLENGE, USER, NT_HASH) == NT_RESPONSE
    assert challenge_response(JOINT, NT_HASH) == NT_RESPONSE
    response = Response2(PEER_CHALLENGE, NT_RESPONSE)
    assert response.fits(CHALLENGE, USER, NT_HASH)
    assert response.fits(CHALLENGE, b"BIGCO\\User", NT_HASH)
    assert not response.fits(CHALLENGE, b"user", NT_HASH)
    assert not response.fits(CHALLENGE, USER, nt_hash("clientpass"))
    assert not response.fits(CHALLENGE[:8], USER, NT_HASH)


def test_the_attribute_of_rfc_2548_is_read() -> None:
    value = bytes((7, 0)) + PEER_CHALLENGE + bytes(8) + NT_RESPONSE
    assert Response2.of_attribute(value) == Response2(PEER_CHALLENGE, NT_RESPONSE, 7)
    value = bytes((7, 1)) + bytes(24) + OLD_RESPONSE
    assert Response1.of_attribute(value) == Response1(OLD_RESPONSE, 7, True)


def test_the_servers_own_proof_of_rfc_2759() -> None:
    response = Response2(PEER_CHALLENGE, NT_RESPONSE)
    made = authenticator_response(response, CHALLENGE, USER, NT_HASH)
    assert made == AUTHENTICATOR_RESPONSE


def test_the_keys_of_rfc_3079() -> None:
    receive_key, send_key = session_keys(NT_HASH, NT_RESPONSE)
    assert send_key == SEND_START_KEY
    assert len(receive_key) == 16
    assert receive_key != send_key


def test_the_response_of_rfc_2433_is_made_and_recognised() -> None:
    assert nt_hash("MyPw") == OLD_HASH
    assert challenge_response(OLD_CHALLENGE, OLD_HASH) == OLD_RESPONSE
    assert Response1(OLD_RESPONSE).fits(OLD_CHALLENGE, OLD_HASH)
    assert not Response1(OLD_RESPONSE).fits(bytes(8), OLD_HASH)
    assert not Response1(OLD_RESPONSE, uses_nt=False).fits(OLD_CHALLENGE, OLD_HASH)
