"""TLS contexts made from files, and made again when the files change.

A file that cannot be used leaves the context as it was: a half-copied certificate must not
take the service down. New connections get the new context; revoked ones are ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto

from common.config import Config
from common.errors import ConfigError
from radius_server.issuers import Issuers, look_up
from radius_server.radsec.psk import PreSharedKeys
from radius_server.radsec.stream import NoCommonProtocol, TlsStream

CLASSIC, MODERN = b"radius/1.0", b"radius/1.1"
"""ALPN names, RFC 9765 section 3.1."""

_VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
_REFUSALS = {
    SSL.X509VerificationCodes.ERR_CERT_HAS_EXPIRED: "certificate has expired",
    SSL.X509VerificationCodes.ERR_CERT_NOT_YET_VALID: "certificate is not valid yet",
    SSL.X509VerificationCodes.ERR_CERT_REVOKED: "certificate is revoked",
    SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_CRL: "no revocation list of its issuer",
    SSL.X509VerificationCodes.ERR_CRL_HAS_EXPIRED: "the revocation list has expired",
    SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "unknown issuer",
    SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_ISSUER_CERT: "unknown issuer",
    SSL.X509VerificationCodes.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: "unknown issuer",
    SSL.X509VerificationCodes.ERR_DEPTH_ZERO_SELF_SIGNED_CERT: "certificate signed itself",
    SSL.X509VerificationCodes.ERR_SELF_SIGNED_CERT_IN_CHAIN: "unknown issuer",
    SSL.X509VerificationCodes.ERR_INVALID_PURPOSE: "certificate is not for this purpose",
    SSL.X509VerificationCodes.ERR_CERT_SIGNATURE_FAILURE: "certificate has a wrong signature",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Where one end of RadSec has its certificates; `crl` None: revocation is not looked at.

    The list beside the site's own authority need not be there: none was revoked then.
    """

    certificate: Path
    private_key: Path
    ca: Path
    crl: Path | None = None
    crl_needed: bool = True

    @classmethod
    def of(cls, config: Config) -> TlsFiles:
        """[radsec], else [eap], else the site's own authority.

        Issuers and revocations go together: a list holds for the issuers it came with.
        """
        inherited = None if config.radsec.ca else config.eap_crl
        return cls(
            certificate=config.radsec_certificate,
            private_key=config.radsec_private_key,
            ca=config.radsec_ca,
            crl=config.radsec.crl or inherited,
            crl_needed=config.radsec.crl is not None or config.eap.crl is not None,
        )

    def stamps(self) -> tuple[object, ...]:
        """What changes when a file does."""
        return tuple(
            _stamp(path) for path in (self.certificate, self.private_key, self.ca, self.crl)
        )


def _stamp(path: Path | None) -> object:
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return "missing"
    return found and (found.st_mtime_ns, found.st_size, found.st_ino)


class Revocations:
    """The certificates that the issuers have taken back."""

    def __init__(self, lists: tuple[x509.CertificateRevocationList, ...] = ()) -> None:
        self.lists = lists

    @classmethod
    def read(cls, path: Path | None, needed: bool = True) -> Revocations:
        """From a file of PEM lists one after another, or one in DER.

        Args:
            needed: whether a file that is not there is an error.

        Raises:
            ValueError, OSError: it is none.
        """
        if path is None or (not needed and not path.exists()):
            return cls()
        octets, mark = path.read_bytes(), b"-----BEGIN X509 CRL-----"
        if mark not in octets:
            return cls((x509.load_der_x509_crl(octets),))
        pems = (mark + part for part in octets.split(mark)[1:])
        return cls(tuple(x509.load_pem_x509_crl(pem) for pem in pems))

    def hold(self, certificate: x509.Certificate) -> bool:
        """Whether `certificate` is revoked."""
        return any(
            found.issuer == certificate.issuer
            and found.get_revoked_certificate_by_serial_number(certificate.serial_number)
            for found in self.lists
        )


class Contexts:
    """The present context of one end, and what it was made from."""

    def __init__(self, make: Callable[[Revocations], SSL.Context], files: TlsFiles) -> None:
        """Raises ConfigError when the files cannot be used."""
        self._make = make
        self._files = files
        self._stamps = files.stamps()
        self.failure = ""
        self.revocations, self.current = self._made()

    def refresh(self) -> bool:
        """Look at the files; True when there is a new context, or a new `failure`."""
        stamps = self._files.stamps()
        if stamps == self._stamps:
            return False
        self._stamps = stamps
        try:
            self.revocations, self.current = self._made()
            self.failure = ""
        except ConfigError as error:
            self.failure = str(error)
        return True

    def _made(self) -> tuple[Revocations, SSL.Context]:
        try:
            revocations = Revocations.read(self._files.crl, self._files.crl_needed)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{self._files.crl} is no revocation list: {error}", "radsec.crl"
            ) from error
        return revocations, self._make(revocations)


def check(config: Config) -> None:
    """Raise ConfigError when the certificates for RadSec cannot be used; before workers start."""
    files = TlsFiles.of(config)
    Contexts(lambda revocations: server_context(files, revocations, config.radsec.tls_min), files)


def server_context(
    files: TlsFiles,
    revocations: Revocations,
    lowest: str = "1.2",
    keys: PreSharedKeys | None = None,
) -> SSL.Context:
    """What every RadSec client of ours meets: its certificate is demanded and verified.

    Args:
        lowest: TLS version, 1.2 or 1.3.
        keys: of clients that have one instead of a certificate.

    Raises:
        ConfigError: a file cannot be read or does not fit the others.
    """
    context = _context(files, revocations, lowest)
    context.set_alpn_select_callback(_select)
    # A session that is resumed would not be asked for its certificate again.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(SSL.OP_NO_TICKET)
    if keys is not None:
        keys.enable(context)
    try:
        context.load_client_ca(str(files.ca).encode())
    except SSL.Error as error:
        raise ConfigError(f"{files.ca} holds no certificates", "radsec.ca") from error
    return context


def client_context(files: TlsFiles, revocations: Revocations, lowest: str = "1.2") -> SSL.Context:
    """What we meet a home server with; raises as `server_context`."""
    context = _context(files, revocations, lowest)
    # RFC 9765 section 3.3, "1.0": as a client we speak historic RADIUS/TLS, and say so.
    context.set_alpn_protos([CLASSIC])
    return context


def _context(files: TlsFiles, revocations: Revocations, lowest: str) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(_VERSIONS[lowest])
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    _use(files.certificate, "radsec.certificate", context.use_certificate_chain_file)
    _use(files.private_key, "radsec.private_key", context.use_privatekey_file)
    _use(files.ca, "radsec.ca", context.load_verify_locations)
    try:
        issuers = Issuers(files.ca)
    except (OSError, crypto.Error) as error:  # it was replaced at this very moment
        raise ConfigError(f"cannot use {files.ca}", "radsec.ca") from error
    verified = partial(_verified, issuers)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verified)
    store = context.get_cert_store()
    assert store is not None
    look_up(store, revocations.lists)
    return context


def _use(path: Path, key: str, load: Callable[[str], Any]) -> None:
    try:
        with path.open("rb"):  # OpenSSL's own message does not name the file
            load(str(path))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", key) from error
    except SSL.Error as error:
        reasons = [entry[-1] for entry in error.args[0]] if error.args else []
        said = reasons[-1] if reasons else "it holds nothing in PEM"
        raise ConfigError(f"cannot use {path}: {said}", key) from error


def _verified(
    issuers: Issuers,
    tls: SSL.Connection,
    certificate: crypto.X509,
    error: int,
    depth: int,
    ok: int,
) -> bool:
    if not ok and issuers.forgives(certificate, error, depth):
        return True
    stream = tls.get_app_data()
    if not ok and isinstance(stream, TlsStream) and not stream.refusal:
        whose = "" if depth == 0 else f" (issuer {depth} above it)"
        stream.refusal = _REFUSALS.get(error, f"certificate refused, OpenSSL says {error}") + whose
    return bool(ok)


def _select(tls: SSL.Connection, offered: list[bytes]) -> bytes:
    """Which RADIUS to speak. RFC 9765.

    Section 3.3: a server that allows both takes 1.1 from whoever offers it, else 1.0; without
    either it sends the alert no_application_protocol, and a client without ALPN speaks 1.0.
    Section 3.4: 1.1 is for TLS 1.3 and later. Section 3.5 is about resumption, which there is
    none of here.
    """
    if MODERN in offered and tls.get_protocol_version() >= SSL.TLS1_3_VERSION:
        return MODERN
    if CLASSIC in offered:
        return CLASSIC
    raise NoCommonProtocol
