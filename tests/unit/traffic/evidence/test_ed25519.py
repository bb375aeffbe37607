"""The verifier's own Ed25519 against RFC 8032 and against a library nobody here wrote."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from traffic.evidence.verify import fingerprint, is_signed, pem, read_key

ORDER = 2**252 + 27742317777372353535851937790883648493


def library_says(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@pytest.mark.parametrize(
    ("key", "message", "signature"),
    [
        pytest.param(
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            id="rfc-8032-7.1-test-1",
        ),
        pytest.param(
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            id="rfc-8032-7.1-test-2",
        ),
    ],
)
def test_the_vectors_of_the_standard(key: str, message: str, signature: str) -> None:
    octets = bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature)
    assert is_signed(*octets)
    assert not is_signed(octets[0], octets[1] + b"x", octets[2])


@settings(max_examples=60)
@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200), data=st.data())
def test_it_agrees_with_the_library(seed: bytes, message: bytes, data: st.DataObject) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    key, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert is_signed(key, message, signature)
    place, mask = data.draw(st.integers(0, 95)), data.draw(st.integers(1, 255))
    both = bytearray(key + signature)
    both[place] ^= mask
    altered = bytes(both[:32]), message, bytes(both[32:])
    assert is_signed(*altered) == library_says(*altered) is False


def test_a_signature_whose_number_is_too_large_is_refused() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    signature = private.sign(b"m")
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    again = signature[:32] + scalar.to_bytes(32, "little")
    assert not is_signed(private.public_key().public_bytes_raw(), b"m", again)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_or_signature_of_the_wrong_length_is_refused(length: int) -> None:
    assert not is_signed(bytes(length), b"", bytes(64))
    assert not is_signed(bytes(32), b"", bytes(length))


def test_a_key_is_read_as_pem_and_as_hex_and_nothing_else() -> None:
    key = bytes(range(32))
    assert read_key(pem(key)) == read_key(key.hex().encode() + b"\n") == key
    for other in (b"", b"-----BEGIN PUBLIC KEY-----", pem(key).replace(b"MCow", b"MCox"), b"00"):
        assert read_key(other) is None
    assert fingerprint(key).count(" ") == 7
