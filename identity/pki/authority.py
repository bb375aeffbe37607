"""A certificate authority: makes itself, certificates, a cross-certificate and revocation lists.

RFC 5280. Time is given; nothing is read or written here, see identity.pki.folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from common.errors import Refused, UsageError
from identity.pki import names

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class Kind(StrEnum):
    """What a certificate is for."""

    CA = "ca"
    SERVER = "server"
    CLIENT = "client"
    NAS = "nas"


class Reason(StrEnum):
    """Why a certificate was revoked, RFC 5280 section 5.3.1, as far as it suits an end entity."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key-compromise"
    AFFILIATION_CHANGED = "affiliation-changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation-of-operation"
    PRIVILEGE_WITHDRAWN = "privilege-withdrawn"


_FLAGS = {
    Reason.KEY_COMPROMISE: x509.ReasonFlags.key_compromise,
    Reason.AFFILIATION_CHANGED: x509.ReasonFlags.affiliation_changed,
    Reason.SUPERSEDED: x509.ReasonFlags.superseded,
    Reason.CESSATION_OF_OPERATION: x509.ReasonFlags.cessation_of_operation,
    Reason.PRIVILEGE_WITHDRAWN: x509.ReasonFlags.privilege_withdrawn,
}
"""RFC 5280 wants no entry for an unspecified reason."""

AUTHORITY_DAYS = 3650
SERVER_DAYS = 397
"""Browsers take no more than 398 days from public CAs; a renewal a year is a habit to keep."""
MAXIMUM_SERVER_DAYS = 825
"""Apple refuses TLS servers with longer certificates, whoever issued them (iOS 13 on)."""
CLIENT_DAYS = 397
MAXIMUM_CLIENT_DAYS = 1825
CRL_LIFETIME = timedelta(days=90)
"""Long, because a list that has ended locks everybody out; it is renewed every day."""

_BACKDATED = timedelta(hours=1)
"""For phones whose clock is late."""
_NEUTRAL_NAME = "Network"
_SECOND = timedelta(seconds=1)
"""Both ends belong to the validity; Apple counts a second more as one more day."""
_RSA_BITS = 2048
_RSA_AUTHORITY_BITS = 3072
_USAGES = {
    Kind.SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
    Kind.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
    # Not serverAuth as well: a gateway could then pose as the RADIUS server before phones.
    Kind.NAS: ExtendedKeyUsageOID.CLIENT_AUTH,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to certify. `alternatives` may be None for a NAS alone."""

    kind: Kind
    common_name: str
    alternatives: x509.SubjectAlternativeName | None
    days: int
    ends_by: datetime | None = None
    """An end that comes before the days are over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """One entry of a revocation list."""

    serial: int
    at: datetime
    reason: Reason


@dataclass(frozen=True, slots=True)
class Authority:
    """The certificate of a CA and the key that belongs to it."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)

    @property
    def key_id(self) -> str:
        """The subject key identifier in hexadecimal; names this CA in files and records."""
        return key_id(self.certificate)

    def sign(self, request: Request, public_key: PublicKey, now: datetime) -> x509.Certificate:
        """A certificate for `public_key`; it ends with this CA at the latest.

        Raises:
            UsageError: more days than devices accept.
            Refused: this CA has ended.
        """
        _check_days(request)
        begins = now.replace(microsecond=0) - _BACKDATED
        if self.certificate.not_valid_after_utc <= now:
            raise Refused("the certificate authority has ended; run: yuenyan cert rollover")
        limits = [begins + timedelta(days=request.days) - _SECOND]
        limits += [self.certificate.not_valid_after_utc]
        limits += [request.ends_by] if request.ends_by is not None else []
        ends = min(limits)
        subject = names.common_name(request.common_name)
        builder = _builder(subject, self.certificate.subject, public_key, begins, ends)
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
            .add_extension(self._issuer_key(), False)
            .add_extension(_leaf_usage(public_key), True)
            .add_extension(x509.ExtendedKeyUsage([_USAGES[request.kind]]), False)
        )
        if request.alternatives is not None:
            builder = builder.add_extension(request.alternatives, False)
        return builder.sign(self.key, hashes.SHA256())

    def cross_sign(self, successor: x509.Certificate, now: datetime) -> x509.Certificate | None:
        """The successor's key certified by this CA, for devices that know this CA alone.

        None when this CA may have no CA below it (a path length of 0), or has ended.
        """
        constraints = self.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        own_end = self.certificate.not_valid_after_utc
        if constraints.value.path_length == 0 or own_end <= now:
            return None
        public_key = successor.public_key()
        assert isinstance(public_key, PublicKey)
        ends = min(own_end, successor.not_valid_after_utc)
        begins = now.replace(microsecond=0) - _BACKDATED
        builder = _builder(successor.subject, self.certificate.subject, public_key, begins, ends)
        return (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
            .add_extension(self._issuer_key(), False)
            .add_extension(_AUTHORITY_USAGE, True)
            .sign(self.key, hashes.SHA256())
        )

    def revocation_list(
        self, revoked: Iterable[Revoked], now: datetime, number: int
    ) -> x509.CertificateRevocationList:
        """A CRL with these entries. `number` must be higher than that of the list before."""
        begins = now.replace(microsecond=0)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(begins)
            .next_update(begins + CRL_LIFETIME)
            .add_extension(self._issuer_key(), False)
            .add_extension(x509.CRLNumber(number), False)
        )
        for entry in revoked:
            one = (
                x509.RevokedCertificateBuilder()
                .serial_number(entry.serial)
                .revocation_date(entry.at.replace(microsecond=0))
            )
            if entry.reason in _FLAGS:
                one = one.add_extension(x509.CRLReason(_FLAGS[entry.reason]), False)
            builder = builder.add_revoked_certificate(one.build())
        return builder.sign(self.key, hashes.SHA256())

    def _issuer_key(self) -> x509.AuthorityKeyIdentifier:
        identifier = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)


def make_authority(site: str, now: datetime, *, rsa_key: bool = False) -> Authority:
    """A new self-signed CA named after the site, or neutrally where not a word of that fits.

    Its name holds a part of its key identifier, so that no two CAs of a site share a name:
    devices look for issuers and revocation lists by name.
    """
    key = make_key(rsa_key=rsa_key, rsa_bits=_RSA_AUTHORITY_BITS)
    public_key = key.public_key()
    mark = x509.SubjectKeyIdentifier.from_public_key(public_key).digest.hex()[:6]
    tail = f" CA {now:%Y-%m} {mark}"
    room = names.COMMON_NAME_OCTETS - len(tail)
    subject = names.common_name((names.whole_words(site, room) or _NEUTRAL_NAME) + tail)
    begins = now.replace(microsecond=0) - _BACKDATED
    ends = begins + timedelta(days=AUTHORITY_DAYS)
    certificate = (
        _builder(subject, subject, public_key, begins, ends)
        # One CA below: the cross-certificate of its successor.
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key), False)
        .add_extension(_AUTHORITY_USAGE, True)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def make_key(*, rsa_key: bool = False, rsa_bits: int = _RSA_BITS) -> PrivateKey:
    """A private key: ECDSA P-256, a fraction of the work of RSA in a handshake, or RSA."""
    if rsa_key:
        return rsa.generate_private_key(public_exponent=65537, key_size=rsa_bits)
    return ec.generate_private_key(ec.SECP256R1())


def dump_key(key: PrivateKey) -> bytes:
    """PKCS#8 in PEM, not encrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def dump_chain(chain: Sequence[x509.Certificate]) -> bytes:
    """The certificates in PEM, one after the other."""
    return b"".join(one.public_bytes(Encoding.PEM) for one in chain)


def key_id(certificate: x509.Certificate) -> str:
    """The subject key identifier in hexadecimal, computed when the certificate has none."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        public_key = certificate.public_key()
        assert isinstance(public_key, PublicKey)
        found = x509.SubjectKeyIdentifier.from_public_key(public_key)
    return found.digest.hex()


def issuer_key_id(certificate: x509.Certificate) -> str:
    """The authority key identifier in hexadecimal; empty when there is none."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except x509.ExtensionNotFound:
        return ""
    return (found.key_identifier or b"").hex()


def title(certificate: x509.Certificate) -> str:
    """The common name, or the whole subject when there is none."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else certificate.subject.rfc4514_string()


def serial_text(certificate: x509.Certificate) -> str:
    """The serial number as records hold it: hexadecimal, lower case, no separators."""
    return f"{certificate.serial_number:x}"


def _check_days(request: Request) -> None:
    maximum = MAXIMUM_SERVER_DAYS if request.kind is Kind.SERVER else MAXIMUM_CLIENT_DAYS
    if not 1 <= request.days <= maximum:
        why = "; Apple devices refuse longer ones" if request.kind is Kind.SERVER else ""
        raise UsageError(f"a {request.kind} certificate lasts 1..{maximum} days{why}")


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: PublicKey,
    begins: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
    )


def _usage(
    *, signs: bool = False, enciphers: bool = False, certifies: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=enciphers,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certifies,
        crl_sign=certifies,
        encipher_only=False,
        decipher_only=False,
    )


_AUTHORITY_USAGE = _usage(certifies=True)


def _leaf_usage(public_key: PublicKey) -> x509.KeyUsage:
    """RSA keys may also be used to carry a key, which old TLS 1.2 clients do."""
    return _usage(signs=True, enciphers=isinstance(public_key, rsa.RSAPublicKey))
