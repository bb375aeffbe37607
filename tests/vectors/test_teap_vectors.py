"""TEAP's keys against another implementation: what wpa_supplicant 2.10 computed and logged.

Its eapol_test (`deploy/eapol-test-teap.sh`) logged in with EAP-TLS inside, once with each cipher
suite, and logs every key; neither RFC 7170 nor RFC 9930 has vectors of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from common.errors import EapViolation
from radius_server.eap.teap_keys import Binding
from radius_server.eap.teap_tlv import Kind, Tlv


@dataclass(frozen=True)
class Vector:
    """One login; the session's keys are those over the MSK."""

    cipher: str
    seed: bytes
    inner_msk: bytes
    inner_emsk: bytes
    nonce: bytes
    outer: bytes
    request_emsk_mac: bytes
    request_msk_mac: bytes
    response_emsk_mac: bytes
    response_msk_mac: bytes
    msk: bytes
    emsk: bytes


VECTORS = [
    Vector(
        cipher="ECDHE-RSA-AES128-GCM-SHA256",
        seed=bytes.fromhex(
            "3972623298d19d2c0b09608a38bcf1360e784b2f0a67367986079124f9490b8e3042e2cbd4195a66"
        ),
        inner_msk=bytes.fromhex(
            "979f6655a89f680c09f28c9b45e12d8fb3744329aa4f2ec5af07e8181426ae77"
            "c63a48d4d58504efd23586c1f910dac0994f1d12f75a30e1bc1c979e946f441d"
        ),
        inner_emsk=bytes.fromhex(
            "32a9eaad4c7461a83a2879ce681c8e047ced1b4b5042e620d8da7110330b76b6"
            "778d2ac48d8101df6c10051334eb35569d4887c47878e775840e33c025210fd4"
        ),
        nonce=bytes.fromhex("a1587fac1ccc3bcfe3ff7d62f603808cfa96257da025ab5f45d99dfc89558af0"),
        outer=bytes.fromhex("000100108e684525ff81b375cc3f77f81dc6d234"),
        request_emsk_mac=bytes.fromhex("d8ab54ee62304fa18a2274cdc1c1d28773a6b3e6"),
        request_msk_mac=bytes.fromhex("0b449b5a2b1ab9b9f40ca133b020367a1f88d82d"),
        response_emsk_mac=bytes.fromhex("03315bfaba9b9072a3bd703eb9b43df175adecef"),
        response_msk_mac=bytes.fromhex("416b6f71a42cb93806f520b95b9357d6e1834b03"),
        msk=bytes.fromhex(
            "aac1ed418b101ac7066af390a92cc1d172682e860f4718e6c5ee1387ee7ead39"
            "ea96aaecf0e8b0365c46c9c76eccd83f02f0ab495e69dbf72191096f8b0493e0"
        ),
        emsk=bytes.fromhex(
            "61d3c4a8249f0e9f204c96fe333f43fcafa9056fc486f6e9ae9dc76a7567c2b5"
            "c2b6a35168f2d753bd000238ab01febb4eae3d680b90af118c81d0cc69aaeb2a"
        ),
    ),
    Vector(
        cipher="ECDHE-RSA-AES256-GCM-SHA384",
        seed=bytes.fromhex(
            "e52d5bad3941459122ce2a4bd193fdc80834a1254e166c4aa7baf7afba1a398500152b5ac5d8cae2"
        ),
        inner_msk=bytes.fromhex(
            "729c3000320713e644772d3b034d573bd3d59289bda3f38c2f9cc278f4930c6c"
            "3a1358e7cdc6872b97334c7a9a419f74ea3f4298e898b3c7b7ba0e96606b4f08"
        ),
        inner_emsk=bytes.fromhex(
            "5dacdddaa9d487ec70998c9f02e1d0ffdb5bb9aa0d0f6297a8cffc231b99cd50"
            "e7df9cba32a03487b29b77fbdee2b89794ed81ed526fad6842db145d035b1007"
        ),
        nonce=bytes.fromhex("ebfc05a87d4e6bf368636697dcaa018c22cdb8db461ffb629c0b0a5dbab38ed6"),
        outer=bytes.fromhex("000100108e684525ff81b375cc3f77f81dc6d234"),
        request_emsk_mac=bytes.fromhex("41e7d94e702f863049d99dae886669e82bc0dcbd"),
        request_msk_mac=bytes.fromhex("859fd809b545c268ec098fe1fe5a42129bb11436"),
        response_emsk_mac=bytes.fromhex("bf53c1c94e72a8db75005817831c5ad0ff864627"),
        response_msk_mac=bytes.fromhex("e8da6b3f60fa60f36f38fdab0b5617384f04475f"),
        msk=bytes.fromhex(
            "655d5c8ec7f1cb414b15eabefb0e405f61c3f6d02182bfc0eff7a66dadb9d5d2"
            "d2e8577d255aee47718b0d27d81fe2bbc8aeae3b81e7427e47b157566f04d628"
        ),
        emsk=bytes.fromhex(
            "875f8a039cac5ada4ce1682a3d50965f003d5a5957f0c592b16ecef4b25886c7"
            "c0782d946ae21197cd136c28ef93b520a063519e2502255d933eb06439de6a03"
        ),
    ),
]


@dataclass
class Seed:
    """A TLS 1.2 connection of which nothing but the seed is known."""

    vector: Vector
    is_tls_1_3: bool = False

    @property
    def cipher(self) -> str:
        return self.vector.cipher

    def export(self, label: bytes, octets: int, context: bytes | None = None) -> bytes:
        assert (label, octets, context) == (b"EXPORTER: teap session key seed", 40, None)
        return self.vector.seed


def bound(vector: Vector) -> tuple[Binding, Tlv]:
    binding = Binding(Seed(vector), vector.outer, prefers_emsk=True)
    binding.add(vector.inner_msk, vector.inner_emsk)
    return binding, binding.request(lambda octets: vector.nonce[:octets])


def response(vector: Vector) -> bytes:
    nonce = vector.nonce[:-1] + bytes((vector.nonce[-1] | 1,))
    return b"\0\1\1\x31" + nonce + vector.response_emsk_mac + vector.response_msk_mac


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.cipher)
def test_the_servers_binding_is_what_the_peer_computes(vector: Vector) -> None:
    _, request = bound(vector)
    assert request.value[:4] == b"\0\1\1\x30"
    assert request.value[4:36] == vector.nonce
    assert request.value[36:56] == vector.request_emsk_mac
    assert request.value[56:] == vector.request_msk_mac


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.cipher)
def test_the_peers_binding_is_believed_and_no_other(vector: Vector) -> None:
    binding, _ = bound(vector)
    binding.check(Tlv(Kind.CRYPTO_BINDING, response(vector)))
    for at in range(4, 76):
        binding, _ = bound(vector)
        octets = bytearray(response(vector))
        octets[at] ^= 1
        with pytest.raises(EapViolation, match="binding_"):
            binding.check(Tlv(Kind.CRYPTO_BINDING, bytes(octets)))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.cipher)
def test_the_sessions_keys_over_the_msk_are_the_peers(vector: Vector) -> None:
    binding, _ = bound(vector)
    assert binding.session_keys() == (vector.msk, vector.emsk)
