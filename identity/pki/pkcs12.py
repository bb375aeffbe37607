"""PKCS#12 files (RFC 7292) that devices import: key, certificate and the CAs to trust.

Knows nothing of where the file goes.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12

from common.errors import UsageError
from identity.pki.authority import PrivateKey

MINIMUM_PASSWORD = 8
_SYMBOLS = "23456789abcdefghjkmnpqrstuvwxyz"
"""No 0, o, 1, i or l: it is typed into a phone from paper."""
_LENGTH = 12
_ROUNDS = 10_000


class Cipher(StrEnum):
    """How the file is encrypted."""

    COMPATIBLE = "compatible"
    """3DES with a SHA-1 MAC: all that Windows before 10 1709, iOS before 15 and old Androids read.

    It protects a file on its way to its device, not in a drawer.
    """
    MODERN = "modern"
    """AES-256 with a SHA-256 MAC."""


def make_password() -> str:
    """A password for a file: some 59 bits."""
    return "".join(secrets.choice(_SYMBOLS) for _ in range(_LENGTH))


def check_password(password: str) -> None:
    """Raise UsageError when some device could not be given this password."""
    if len(password) < MINIMUM_PASSWORD or not all(" " <= symbol <= "~" for symbol in password):
        raise UsageError(
            f"the password of a certificate file has at least {MINIMUM_PASSWORD} characters, "
            "English letters, digits and signs only"
        )


def dump_pkcs12(
    title: str,
    key: PrivateKey,
    certificate: x509.Certificate,
    authorities: Sequence[x509.Certificate],
    password: str,
    cipher: Cipher = Cipher.COMPATIBLE,
) -> bytes:
    """The file's octets.

    Args:
        title: what devices show it as.
        authorities: the issuer first, then others to trust.
        password: printable ASCII: phones and Windows disagree about anything else.

    Raises:
        UsageError: see `check_password`.
    """
    check_password(password)
    if cipher is Cipher.COMPATIBLE:
        encryption = pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC
        mac: hashes.HashAlgorithm = hashes.SHA1()  # noqa: S303 - the one old devices know
    else:
        encryption = pkcs12.PBES.PBESv2SHA256AndAES256CBC
        mac = hashes.SHA256()
    builder = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(_ROUNDS)
        .key_cert_algorithm(encryption)
        .hmac_hash(mac)
    )
    return pkcs12.serialize_key_and_certificates(
        title.encode(), key, certificate, authorities, builder.build(password.encode())
    )
