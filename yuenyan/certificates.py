"""A lab certificate authority and one server certificate, for trying things out.

Made once by `yuenyan init` under `<data_dir>/ca`. A site that lets phones check the server
replaces them by certificates of its own in [eap].
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from common.clock import utc_now
from common.secret import write_secret_file

SERVER_NAME = "radius.yuenyan.internal"
_CA_LIFETIME = timedelta(days=3650)
_SERVER_LIFETIME = timedelta(days=397)
"""Apple devices refuse server certificates that live longer than 398 days."""


def make_lab_certificates(directory: Path, site: str) -> bool:
    """Make `ca.pem`, `ca.key`, `server.pem` (chain) and `server.key`; False when they exist."""
    if (directory / "server.pem").exists():
        return False
    directory.mkdir(mode=0o755, exist_ok=True)
    ca_key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _shortened(f"Lab CA {site}"))])
    authority = _sign(ca_name, ca_key.public_key(), ca_name, ca_key, _CA_LIFETIME, None)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SERVER_NAME)])
    server = _sign(name, key.public_key(), ca_name, ca_key, _SERVER_LIFETIME, SERVER_NAME)
    for path, private in ((directory / "ca.key", ca_key), (directory / "server.key", key)):
        path.unlink(missing_ok=True)
        write_secret_file(
            path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
    ca_pem = authority.public_bytes(Encoding.PEM)
    (directory / "ca.pem").write_bytes(ca_pem)
    (directory / "server.pem").write_bytes(server.public_bytes(Encoding.PEM) + ca_pem)
    return True


def _shortened(text: str) -> str:
    """`text` cut to the 64 octets X.520 allows a common name; a Thai letter takes three."""
    return text.encode()[:64].decode(errors="ignore")


def _sign(
    subject: x509.Name,
    public_key: rsa.RSAPublicKey,
    issuer: x509.Name,
    issuer_key: rsa.RSAPrivateKey,
    lifetime: timedelta,
    dns_name: str | None,
) -> x509.Certificate:
    now = utc_now()
    is_ca = dns_name is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + lifetime)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=0 if is_ca else None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_ca,
                content_commitment=False,
                key_encipherment=not is_ca,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_ca,
                crl_sign=is_ca,
                encipher_only=False,
                decipher_only=False,
            ),
            True,
        )
    )
    if dns_name is not None:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(dns_name)]), False
        ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    return builder.sign(issuer_key, hashes.SHA256())
