"""TLS contexts from the files that [eap] names: read at the start, and again when they change.

The only place where EAP touches files. What the contexts are used for is not known here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from OpenSSL import SSL, crypto

from common.config import Config
from common.errors import ConfigError
from radius_server.eap import openssl_adapter as openssl
from radius_server.eap.sessions import LIFETIME
from radius_server.eap.tunnel import Contexts
from radius_server.issuers import Issuers, look_up

_VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
_SESSION_ID_CONTEXT = b"yuenyan"
_AUTHORITY_OCTETS = 16
_CRL_MARK = b"-----BEGIN X509 CRL-----"


@dataclass(frozen=True, slots=True)
class AllContexts:
    """`tunnel` asks for no client certificate, `client` demands one.

    `teap` is as `tunnel` within TEAP's own bounds; `authority` names the site to its peers.
    """

    tunnel: Contexts
    client: Contexts | None
    teap: Contexts | None = None
    authority: bytes = b""


def read_contexts(config: Config) -> AllContexts:
    """The contexts of a configuration.

    Raises:
        ConfigError: a file is missing or cannot be used; the message names it.
    """
    tunnel = Contexts(_context(config, resumes=True), _context(config, resumes=False))
    teap, authority = _for_teap(config)
    if "tls" not in config.eap.methods:
        return AllContexts(tunnel, None, teap, authority)
    lists = _revocation_lists(config)
    ends = [item.next_update_utc for item in lists if item.next_update_utc is not None]
    client = Contexts(
        _demanding(config, lists, _context(config, resumes=True)),
        _demanding(config, lists, _context(config, resumes=False)),
        min(ends, default=None),
    )
    return AllContexts(tunnel, client, teap, authority)


def watched_files(config: Config) -> list[Path]:
    """The files whose change makes new contexts necessary."""
    named = (config.eap_certificate, config.eap_private_key, config.eap_ca, config.eap_crl)
    return [path for path in named if path is not None]


def stamps(files: list[Path]) -> list[tuple[int, int] | None]:
    """When each file changed, and its size; None for one that is not there."""
    found: list[tuple[int, int] | None] = []
    for path in files:
        try:
            facts = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((facts.st_mtime_ns, facts.st_size))
    return found


def _for_teap(config: Config) -> tuple[Contexts | None, bytes]:
    """Contexts that end at TEAP's newest TLS, and the Authority-ID: issuer and name, digested.

    Every worker has the same, and a renewed certificate too.
    """
    if "teap" not in config.eap.methods:
        return None, b""
    resumes = config.eap.teap_resumption
    contexts = Contexts(_context(config, resumes=resumes), _context(config, resumes=False))
    for context in (contexts.resuming, contexts.full):
        newest = min(config.eap.tls_max, config.eap.teap_tls_max)
        context.set_max_proto_version(_VERSIONS[newest])
    leaf = x509.load_pem_x509_certificate(config.eap_certificate.read_bytes())
    named = leaf.issuer.public_bytes() + leaf.subject.public_bytes()
    return contexts, hashlib.sha256(named).digest()[:_AUTHORITY_OCTETS]


def _context(config: Config, *, resumes: bool) -> SSL.Context:
    chain, key = config.eap_certificate, config.eap_private_key
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(_VERSIONS[config.eap.tls_min])
    context.set_max_proto_version(_VERSIONS[config.eap.tls_max])
    context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
    context.set_session_id(_SESSION_ID_CONTEXT)
    if resumes:
        context.set_session_cache_mode(SSL.SESS_CACHE_SERVER)
        context.set_timeout(int(LIFETIME.total_seconds()))
        openssl.report_tickets(context)
    else:
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_options(SSL.OP_NO_TICKET)
    try:
        context.use_certificate_chain_file(str(chain))
    except SSL.Error as error:
        what = "cannot use" if chain.exists() else "`yuenyan init` makes a missing certificate:"
        raise ConfigError(f"{what} {chain}", "eap.certificate") from error
    try:
        context.use_privatekey_file(str(key))
        context.check_privatekey()
    except SSL.Error as error:
        raise ConfigError(
            f"the private key {key} cannot be used, or is not that of {chain}", "eap.private_key"
        ) from error
    return context


def _demanding(
    config: Config, lists: list[x509.CertificateRevocationList], context: SSL.Context
) -> SSL.Context:
    """`context`, demanding a client certificate of the configured issuers."""
    path = config.eap_ca
    try:
        context.load_verify_locations(str(path))
        context.load_client_ca(bytes(path))
        issuers = Issuers(path)
    except (SSL.Error, crypto.Error, OSError) as error:
        raise ConfigError(
            f"cannot use the issuers of client certificates {path}", "eap.ca"
        ) from error
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _verifier(issuers))
    store = context.get_cert_store()
    assert store is not None
    # An intermediate that is named as issuer is trusted without its root.
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    look_up(store, lists)
    return context


def _verifier(
    issuers: Issuers,
) -> Callable[[SSL.Connection, crypto.X509, int, int, int], bool]:
    def verified(
        connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int
    ) -> bool:
        if ok or issuers.forgives(certificate, error, depth):
            return True
        doubted = connection.get_app_data()
        if doubted is not None:
            doubted.append((certificate, depth))
        return False

    return verified


def _revocation_lists(config: Config) -> list[x509.CertificateRevocationList]:
    """The lists in the file, PEM or DER. The site's own may not be there yet."""
    path = config.eap_crl
    if path is None or (config.eap.crl is None and not path.exists()):
        return []
    try:
        octets = path.read_bytes()
        if _CRL_MARK not in octets:
            return [x509.load_der_x509_crl(octets)]
        parts = octets.split(_CRL_MARK)[1:]
        return [x509.load_pem_x509_crl(_CRL_MARK + part) for part in parts]
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot use the revocation list {path}", "eap.crl") from error
