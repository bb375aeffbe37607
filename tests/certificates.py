"""Certificates for tests: an authority, what it issues, and what it takes back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from common.clock import utc_now

_YEAR = timedelta(days=365)
_BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


class Issued:
    """A certificate and its key, as files in PEM."""

    def __init__(self, folder: Path, name: str, certificate: x509.Certificate, key: bytes) -> None:
        self.certificate = certificate
        self.chain = folder / f"{name}.pem"
        self.key = folder / f"{name}.key"
        self.chain.write_bytes(certificate.public_bytes(Encoding.PEM))
        self.key.write_bytes(key)


class Authority:
    """An authority whose files are in `folder`; `ca` is its own certificate."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self._revoked: list[x509.RevokedCertificate] = []
        now = utc_now()
        builder = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * _YEAR)
            .not_valid_after(now + _YEAR)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), False)
            .add_extension(_key_usage(), True)
        )
        self.ca = folder / f"{name.replace(' ', '-')}.pem"
        made = builder.sign(self._key, hashes.SHA256())
        self.ca.write_bytes(made.public_bytes(Encoding.PEM))

    def issue(
        self,
        common_name: str,
        dns: Sequence[str] = (),
        *,
        names: Sequence[x509.GeneralName] = (),
        usages: Sequence[x509.ObjectIdentifier] = _BOTH,
        expired: bool = False,
        responder: str = "",
    ) -> Issued:
        """A certificate for `common_name`, with `dns` and `names` as its alternative names."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = utc_now()
        begins, ends = (
            (now - _YEAR, now - timedelta(days=1)) if expired else (now - _YEAR, now + _YEAR)
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(common_name))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.ExtendedKeyUsage(usages), False)
        )
        if responder:
            where = x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(responder)
            )
            builder = builder.add_extension(x509.AuthorityInformationAccess([where]), False)
        if dns or names:
            alternative = [*(x509.DNSName(name) for name in dns), *names]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternative), False)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        name = f"{common_name.replace(' ', '-')}-{x509.random_serial_number():x}"[:60]
        return Issued(self._folder, name, builder.sign(self._key, hashes.SHA256()), pem)

    def revoke(self, issued: Issued) -> None:
        """Put a certificate on the next list."""
        entry = x509.RevokedCertificateBuilder().serial_number(issued.certificate.serial_number)
        self._revoked.append(entry.revocation_date(utc_now()).build())

    def write_list(self, path: Path, *, expired: bool = False) -> None:
        """Write the list of what was revoked."""
        now = utc_now()
        ends = now - timedelta(hours=1) if expired else now + _YEAR
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now - timedelta(days=1))
            .next_update(ends)
        )
        for entry in self._revoked:
            builder = builder.add_revoked_certificate(entry)
        aside = path.with_suffix(".new")
        aside.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))
        aside.replace(path)


def odd_certificates() -> dict[str, x509.Certificate]:
    """Certificates that OpenSSL reads and whose names no library can: what a stranger may show."""
    key, now = ec.generate_private_key(ec.SECP256R1()), utc_now()
    alternative, other = x509.ObjectIdentifier("2.5.29.17"), x509.ObjectIdentifier("2.5.29.99")

    def made(*extensions: tuple[x509.ObjectIdentifier, str]) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name("x"))
            .issuer_name(_name("y"))
            .public_key(key.public_key())
            .serial_number(5)
            .not_valid_before(now)
            .not_valid_after(now + _YEAR)
        )
        for kind, value in extensions:
            extension = x509.UnrecognizedExtension(kind, bytes.fromhex(value))
            builder = builder.add_extension(extension, False)
        return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)

    one, two = "3003820161", "3003820162"
    octets = {
        "an X.400 address": made((alternative, "3002a300")),
        "no names at all": made((alternative, "ffff")),
        "two extensions": made((alternative, one), (other, two)).replace(
            bytes.fromhex("551d63"), bytes.fromhex("551d11")
        ),
        "a common name that is no text": made().replace(b"\x0c\x01x", b"\x0c\x01\xff"),
    }
    return {name: x509.load_der_x509_certificate(der) for name, der in octets.items()}


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
