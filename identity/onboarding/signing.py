"""CMS signatures (RFC 5652) around Apple's profiles: DER, content and chain included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from identity.pki.authority import PrivateKey


@dataclass(frozen=True, slots=True)
class SigningPair:
    """A chain, the signer's certificate first, and the signer's key."""

    chain: Sequence[x509.Certificate]
    key: PrivateKey = field(repr=False)


def sign(content: bytes, pair: SigningPair) -> bytes:
    """`content` within its signature."""
    builder = (
        pkcs7.PKCS7SignatureBuilder()
        .set_data(content)
        .add_signer(pair.chain[0], pair.key, hashes.SHA256())
    )
    for above in pair.chain[1:]:
        builder = builder.add_certificate(above)
    return builder.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary])
