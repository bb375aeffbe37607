"""TEAP's chains of keys. What real peers compute is in tests/vectors/test_teap_vectors.py."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import pytest

from radius_server.eap.teap_keys import Binding, algorithms, of_mschapv2, prf
from radius_server.eap.teap_tlv import Error, Kind, Tlv, TlvViolation


@dataclass
class Connection:
    """Exports a digest of what it is asked for, and remembers that."""

    is_tls_1_3: bool = False
    cipher: str = "ECDHE-ECDSA-AES128-GCM-SHA256"
    asked: list[tuple[bytes, int, bytes | None]] = field(default_factory=list)

    def export(self, label: bytes, octets: int, context: bytes | None = None) -> bytes:
        self.asked.append((label, octets, context))
        return hashlib.shake_128(label + b"|" + (context or b"")).digest(octets)


@pytest.mark.parametrize(
    ("cipher", "hashes"),
    [
        ("ECDHE-RSA-AES128-GCM-SHA256", ("sha256", "sha256")),
        ("ECDHE-RSA-AES256-GCM-SHA384", ("sha384", "sha384")),
        ("ECDHE-RSA-CHACHA20-POLY1305", ("sha256", "sha256")),
        ("ECDHE-RSA-AES256-SHA384", ("sha384", "sha384")),
        ("AES256-SHA", ("sha256", "sha1")),
        ("TLS_AES_256_GCM_SHA384", ("sha384", "sha384")),
        ("TLS_CHACHA20_POLY1305_SHA256", ("sha256", "sha256")),
    ],
)
def test_a_cipher_suite_names_its_hashes(cipher: str, hashes: tuple[str, str]) -> None:
    assert algorithms(cipher) == hashes


def test_the_prf_is_that_of_tls_1_2() -> None:
    # The widely used vector of the IETF's TLS working group list, "TLS 1.2 PRF test vectors".
    secret = bytes.fromhex("9bbe436ba940f017b17652849a71db35")
    seed = b"test label" + bytes.fromhex("a0ba9f936cda311827a6f796ffd5198c")
    made = prf("sha256", secret, seed, 100)
    assert made.hex().startswith("e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a")
    assert len(made) == 100


def test_the_halves_of_mschapv2s_key_change_places() -> None:
    msk = bytes(range(32)) + bytes(32)
    assert of_mschapv2(msk) == bytes(range(16, 32)) + bytes(range(16))


def test_tls_1_3_derives_by_its_exporter() -> None:
    connection = Connection(is_tls_1_3=True, cipher="TLS_AES_256_GCM_SHA384")
    binding = Binding(connection, b"")
    seed = connection.export(b"EXPORTER: teap session key seed", 40)
    binding.add(b"k" * 64, b"e" * 64)
    compound = connection.export(b"EXPORTER: Inner Methods Compound Keys", 60, seed + b"k" * 32)
    msk, emsk = binding.session_keys()
    assert msk == connection.export(b"EXPORTER: Session Key Generating Function", 64, compound[:40])
    assert emsk == connection.export(
        b"EXPORTER: Extended Session Key Generating Function", 64, compound[:40]
    )


def test_an_emsk_is_not_demanded_in_tls_1_3() -> None:
    binding = Binding(Connection(is_tls_1_3=True), b"", prefers_emsk=True)
    binding.add(b"k" * 64, b"e" * 64)
    assert binding.request().value[3] == 0x20


def test_a_password_leaves_the_sessions_keys_at_the_seed() -> None:
    told, nothing = Binding(Connection(), b""), Binding(Connection(), b"")
    before = nothing.session_keys()
    told.add_nothing()
    assert told.session_keys() == before
    proven = Binding(Connection(), b"")
    proven.add(b"k" * 64)
    assert proven.session_keys() != before


def test_each_method_changes_the_keys_and_the_order_counts() -> None:
    made = set()
    for order in ((b"a", b"b"), (b"b", b"a"), (b"a",)):
        binding = Binding(Connection(), b"")
        for key in order:
            binding.add(key * 64)
        made.add(binding.session_keys()[0])
    assert len(made) == 3


def test_every_request_has_a_nonce_of_its_own_that_ends_in_a_zero_bit() -> None:
    binding = Binding(Connection(), b"outer")
    binding.add(b"k" * 64)
    nonces = {binding.request().value[4:36] for _ in range(50)}
    assert len(nonces) == 50
    assert {nonce[-1] & 1 for nonce in nonces} == {0}


def test_a_reflected_request_proves_nothing() -> None:
    binding = Binding(Connection(), b"")
    binding.add(b"k" * 64)
    request = binding.request()
    turned = request.value[:3] + b"\x21" + request.value[4:35]
    turned += bytes((request.value[35] | 1,)) + request.value[36:]
    for value in (request.value, turned):
        with pytest.raises(TlvViolation) as raised:
            binding.check(Tlv(Kind.CRYPTO_BINDING, value))
        assert raised.value.error in (Error.BINDING_INVALID, Error.MSK_MAC_WRONG)
