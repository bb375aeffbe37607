"""Certificates of a small authority, made quickly, for servers and clients in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    NameOID,
    ObjectIdentifier,
)
from OpenSSL import SSL

from common.config import Config
from common.config import Site as SiteSection
from common.config_access import Eap
from radius_server.eap.server import EapServer

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_DAY = timedelta(days=1)

VERSIONS = [
    pytest.param(SSL.TLS1_2_VERSION, id="tls1.2"),
    pytest.param(SSL.TLS1_3_VERSION, id="tls1.3"),
]


def new_key(rsa_key: bool = False) -> Key:
    """An ECDSA P-256 key, or RSA with 2048 bits."""
    if rsa_key:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


class Authority:
    """Issues certificates and lists those it has revoked, in `folder`.

    With `under` it is itself issued, and known to it as NAME.
    """

    def __init__(self, folder: Path, name: str = "Lab CA", under: Authority | None = None) -> None:
        self.folder = folder
        self.key = new_key()
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        above = under or self
        self.serials: dict[str, int] = {}
        self.certificate = certificate = (
            above._builder(self._name, self.key, 30)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
            .sign(above.key, hashes.SHA256())
        )
        above.serials[name] = certificate.serial_number
        self.path = folder / "ca.pem"
        self.path.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(
        self,
        file: str,
        common_name: str,
        *,
        purpose: ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
        alternatives: tuple[x509.GeneralName, ...] = (),
        days: int = 10,
        begun: int = 20,
        rsa_key: bool = False,
        responder: str = "",
        odd: bytes = b"",
    ) -> tuple[Path, Path]:
        """`FILE.pem` and `FILE.key`, good since `begun` days and for `days` more.

        `odd` stands for its alternative names.
        """
        key = new_key(rsa_key)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = self._builder(subject, key, days, begun).add_extension(
            x509.ExtendedKeyUsage([purpose]), False
        )
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), False)
        if odd:
            kind = ObjectIdentifier("2.5.29.17")
            builder = builder.add_extension(x509.UnrecognizedExtension(kind, odd), False)
        if responder:
            where = x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(responder)
            )
            builder = builder.add_extension(x509.AuthorityInformationAccess([where]), False)
        certificate = builder.sign(self.key, hashes.SHA256())
        self.serials[file] = certificate.serial_number
        paths = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
        paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return paths

    def server(self, rsa_key: bool = False) -> tuple[Path, Path]:
        """A server's certificate and key."""
        return self.issue(
            "server", "radius.test", purpose=ExtendedKeyUsageOID.SERVER_AUTH, rsa_key=rsa_key
        )

    def revocation_list(self, *revoked: str, days: int = 5) -> Path:
        """A list with the certificates of these files on it; `days` below 0: it is stale."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now - 10 * _DAY)
            .next_update(now + days * _DAY)
        )
        for file in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(self.serials[file])
                .revocation_date(now - _DAY)
                .build()
            )
        path = self.folder / "crl.pem"
        path.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM))
        return path

    def _builder(
        self, subject: x509.Name, key: Key, days: int, begun: int = 20
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - begun * _DAY)
            .not_valid_after(now + days * _DAY)
        )


def server_of(authority: Authority, **eap: object) -> EapServer:
    facts = {
        "certificate": authority.folder / "server.pem",
        "private_key": authority.folder / "server.key",
        "ca": authority.path,
    }
    return EapServer.open(
        Config(site=SiteSection(data_dir=authority.folder), eap=Eap(**(facts | eap)))
    )


def pair(authority: Authority, name: str) -> tuple[Path, Path]:
    return authority.folder / f"{name}.pem", authority.folder / f"{name}.key"
