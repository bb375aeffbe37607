"""What phones and computers ask of a server certificate before they speak EAP with it.

Apple: SHA-2, RSA 2048 or EC, DNS name in the alternative names, serverAuth, at most 825 days.
Android 11 on: a DNS name to match. Windows: serverAuth, no wildcard. Trust is not judged here.
"""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from identity.pki.authority import MAXIMUM_SERVER_DAYS
from identity.pki.names import dns_names

_RSA_BITS = 2048
_EC_BITS = 256
_WEAK_HASHES = {"md5", "sha1"}


def find_objections(certificate: x509.Certificate) -> tuple[str, ...]:
    """Each thing a common device would refuse this server certificate for; empty is good."""
    found = []
    names = dns_names(certificate)
    if not names:
        found.append("it has no DNS name among its alternative names")
    elif any("*" in name for name in names):
        found.append("it has a wildcard name, which Windows does not match in EAP")
    if ExtendedKeyUsageOID.SERVER_AUTH not in _extended_usages(certificate):
        found.append("its extended key usage does not hold serverAuth")
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    if lifetime >= timedelta(days=MAXIMUM_SERVER_DAYS):
        found.append(f"it lasts longer than {MAXIMUM_SERVER_DAYS} days")
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _RSA_BITS:
        found.append(f"its RSA key has {key.key_size} bits, fewer than {_RSA_BITS}")
    elif isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < _EC_BITS:
        found.append(f"its EC key has {key.key_size} bits, fewer than {_EC_BITS}")
    elif not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        found.append("its key is neither RSA nor ECDSA")
    algorithm = certificate.signature_hash_algorithm
    if algorithm is not None and algorithm.name in _WEAK_HASHES:
        found.append(f"it is signed with {algorithm.name.upper()}")
    return tuple(found)


def _extended_usages(certificate: x509.Certificate) -> tuple[x509.ObjectIdentifier, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return ()
    return tuple(found.value)
