"""OCSP (RFC 6960): questions about client certificates, and what an answer proves.

An answer counts when the issuer signed it, or a responder that the issuer named for it, when it
is about this certificate and of today, and when a nonce in it is ours. Asking is for the worker.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from radius_server.process.standing import NoProof, Standing, Word

LONGEST = timedelta(hours=1)
"""For which an answer is relied on at most, whatever it says: revocation must get through."""

SHORTEST = timedelta(seconds=10)
"""For one that names no end: what is newer is always there, but a class logs in at once."""

SKEW = timedelta(minutes=5)
"""By which two clocks may differ."""

_SIGNATURE_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_WORDS = {
    ocsp.OCSPCertStatus.GOOD: Word.GOOD,
    ocsp.OCSPCertStatus.REVOKED: Word.REVOKED,
    ocsp.OCSPCertStatus.UNKNOWN: Word.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class OcspTerms:
    """Which certificates are asked about. `url` stands for whatever they name themselves."""

    required: bool
    url: str = ""


def responder_of(certificate: x509.Certificate) -> tuple[str, bool]:
    """(the first http or https responder that it names, whether it names any at all)."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    except x509.ExtensionNotFound:
        return "", False
    named = [
        item.access_location.value
        for item in access.value
        if item.access_method == AuthorityInformationAccessOID.OCSP
        and isinstance(item.access_location, x509.UniformResourceIdentifier)
    ]
    return next(filter(may_be_asked, named), ""), bool(named)


def may_be_asked(url: str) -> bool:
    """Whether `url` is one of http or https with a host and no password in it."""
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.username is None
            and parts.port != 0
            and url.isascii()
            and url.isprintable()
            and " " not in url
        )
    except ValueError:
        return False


class OcspInquiry:
    """About `certificate`, which `issuer` signed; the caller has verified that."""

    def __init__(self, certificate: x509.Certificate, issuer: x509.Certificate, url: str) -> None:
        self._issuer = issuer
        # Every responder knows SHA-1 here; it names the certificate and proves nothing.
        self._builder = ocsp.OCSPRequestBuilder().add_certificate(
            certificate,
            issuer,
            hashes.SHA1(),  # noqa: S303
        )
        self._named = self._builder.build()
        issuer_octets = issuer.public_bytes(Encoding.DER)
        self.url = url
        self.key = hashlib.sha256(
            url.encode() + b"\0" + issuer_octets + certificate.public_bytes(Encoding.DER)
        ).digest()

    def request(self, nonce: bytes) -> bytes:
        """See Inquiry."""
        return (
            self._builder.add_extension(x509.OCSPNonce(nonce), False)
            .build()
            .public_bytes(Encoding.DER)
        )

    def judge(self, answer: bytes, nonce: bytes, now: datetime) -> Standing:
        """See Inquiry."""
        try:
            response = ocsp.load_der_ocsp_response(answer)
            if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
                raise NoProof(f"status_{response.response_status.name.lower()}")
            self._check_signature(response, now)
            self._check_nonce(response, nonce)
            return self._standing(response, now)
        except (ValueError, x509.DuplicateExtension, UnsupportedAlgorithm) as error:
            raise NoProof("not_readable") from error

    def _check_nonce(self, response: ocsp.OCSPResponse, nonce: bytes) -> None:
        """RFC 6960 section 4.4.1; a responder that makes its answers ahead sends none."""
        try:
            said = response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
        except x509.ExtensionNotFound:
            return
        if said != nonce:
            raise NoProof("nonce_of_another")

    def _standing(self, response: ocsp.OCSPResponse, now: datetime) -> Standing:
        asked = self._named
        for single in response.responses:
            if (
                single.serial_number == asked.serial_number
                and isinstance(single.hash_algorithm, hashes.SHA1)
                and single.issuer_key_hash == asked.issuer_key_hash
                and single.issuer_name_hash == asked.issuer_name_hash
            ):
                break
        else:
            raise NoProof("about_another_certificate")
        begins, ends = single.this_update_utc, single.next_update_utc
        if begins > now + SKEW:
            raise NoProof("not_yet_valid")
        if ends is None:
            # Without an end it must be new, or it could be played back for ever.
            if begins < now - SKEW:
                raise NoProof("too_old")
            ends = now + SHORTEST
        elif ends <= now:
            raise NoProof("expired")
        return Standing(_WORDS[single.certificate_status], min(ends, now + LONGEST))

    def _check_signature(self, response: ocsp.OCSPResponse, now: datetime) -> None:
        """RFC 6960 section 4.2.2.2: the issuer, or whom it has named by a certificate."""
        for signer in (self._issuer, *response.certificates):
            if not _is_named(response, signer):
                continue
            if signer != self._issuer and not self._is_delegate(signer, now):
                continue
            if _signed_by(response, signer):
                return
            raise NoProof("signature_wrong")
        raise NoProof("signer_not_entitled")

    def _is_delegate(self, signer: x509.Certificate, now: datetime) -> bool:
        try:
            usages = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            return False
        return (
            signed(signer, self._issuer)
            and ExtendedKeyUsageOID.OCSP_SIGNING in usages
            and signer.not_valid_before_utc <= now < signer.not_valid_after_utc
        )


def signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` signed `certificate`."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _is_named(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    """Whether the response says that `signer` made it."""
    if response.responder_name is not None:
        return response.responder_name == signer.subject
    key = x509.SubjectKeyIdentifier.from_public_key(signer.public_key()).digest
    return response.responder_key_hash == key


def _signed_by(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key, signature, told = signer.public_key(), response.signature, response.tbs_response_bytes
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        verify = key.verify
        try:
            verify(signature, told)
        except InvalidSignature:
            return False
        return True
    algorithm = response.signature_hash_algorithm
    if not isinstance(algorithm, _SIGNATURE_HASHES):
        raise NoProof("signature_too_weak")
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, told, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, told, ec.ECDSA(algorithm))
        else:
            return False
    except InvalidSignature:
        return False
    return True
