"""Trees, paths and signatures, against RFC 8032, RFC 6962 and a library."""

from __future__ import annotations

import ast
import hashlib
import sys
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from traffic.archive import proofs
from traffic.archive.proofs import (
    ProofError,
    Tree,
    inclusion_path,
    leaf_hash,
    root_from_path,
    root_of,
    verify_ed25519,
)

# RFC 8032 section 7.1, tests 1 to 3 and the one with a SHA-512 for a message.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]


@pytest.mark.parametrize(("key", "message", "signature"), RFC_8032)
def test_signatures_of_rfc_8032_verify_and_no_other_do(
    key: str, message: str, signature: str
) -> None:
    octets, said = bytes.fromhex(signature), bytes.fromhex(message)
    assert verify_ed25519(bytes.fromhex(key), said, octets)
    assert not verify_ed25519(bytes.fromhex(key), said + b"x", octets)
    for position in (0, 31, 32, 63):
        wrong = bytearray(octets)
        wrong[position] ^= 1
        assert not verify_ed25519(bytes.fromhex(key), said, bytes(wrong))


@settings(deadline=None, max_examples=30)
@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200))
def test_what_the_library_signs_verifies(seed: bytes, message: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = key.public_key().public_bytes_raw()
    assert verify_ed25519(public, message, key.sign(message))
    assert not verify_ed25519(public, message + b"\0", key.sign(message))


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_both_agree_about_any_altered_signature(data: st.DataObject) -> None:
    key = Ed25519PrivateKey.from_private_bytes(b"\7" * 32)
    public = key.public_key().public_bytes_raw()
    parts = bytearray(public + key.sign(b"seal"))
    for _ in range(data.draw(st.integers(0, 2))):
        parts[data.draw(st.integers(0, len(parts) - 1))] ^= data.draw(st.integers(0, 255))
    try:
        Ed25519PublicKey.from_public_bytes(bytes(parts[:32])).verify(bytes(parts[32:]), b"seal")
        said = True
    except (InvalidSignature, ValueError):
        said = False
    assert verify_ed25519(bytes(parts[:32]), b"seal", bytes(parts[32:])) is said


def test_a_scalar_above_the_order_is_no_second_signature() -> None:
    """RFC 8032 section 5.1.7: S in 0 <= s < L, or whoever has one signature has another."""
    key = Ed25519PrivateKey.from_private_bytes(b"\1" * 32)
    signature = key.sign(b"seal")
    scalar = int.from_bytes(signature[32:], "little") + proofs._L
    forged = signature[:32] + scalar.to_bytes(32, "little")
    assert not verify_ed25519(key.public_key().public_bytes_raw(), b"seal", forged)


def recursive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1 as it is written there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    left, right = recursive_root(leaves[:half]), recursive_root(leaves[half:])
    return hashlib.sha256(b"\1" + left + right).digest()


@pytest.mark.parametrize("size", [*range(1, 35), 63, 64, 65, 100])
def test_every_leaf_of_every_tree_has_a_path_to_the_root_of_rfc_6962(size: int) -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range(size)]
    root = recursive_root(leaves)
    assert root_of(leaves) == root
    for index, leaf in enumerate(leaves):
        path = inclusion_path(leaves, index)
        assert root_from_path(leaf, index, size, path) == root
        if size > 1:
            assert root_from_path(leaf_hash(b"other"), index, size, path) != root
        with pytest.raises(ProofError):
            root_from_path(leaf, index, size, [*path, leaf])
        if path:
            with pytest.raises(ProofError):
                root_from_path(leaf, index, size, path[:-1])


def test_a_tree_without_leaves_is_the_hash_of_nothing() -> None:
    assert Tree().root() == hashlib.sha256(b"").digest()


def test_a_leaf_outside_the_tree_has_no_path() -> None:
    for index in (-1, 1):
        with pytest.raises(ProofError):
            root_from_path(b"", index, 1, [])


def test_a_leaf_is_never_taken_for_a_node() -> None:
    """Without the prefixes of RFC 6962 two hashes could be sold as a line."""
    one, two = leaf_hash(b"1"), leaf_hash(b"2")
    assert leaf_hash(one + two) != root_of([one, two])


def test_the_check_imports_nothing_but_the_standard_library() -> None:
    tree = ast.parse(Path(proofs.__file__).read_text(encoding="utf-8"))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names
