"""EAP-TLS: a client certificate instead of a password. RFC 5216, RFC 9190.

OpenSSL has verified the chain, the purpose and the revocation lists when the handshake is
through; what is left is whose certificate it is and whether that account may come in.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any

from cryptography import x509

from identity.domain.access import (
    AccountSnapshot,
    Decision,
    Denied,
    Granted,
    Method,
    Reason,
    Unavailable,
)
from identity.pki import names
from radius_server.eap.methods import EapMethod, MethodResult, Send
from radius_server.eap.negotiation import shown
from radius_server.eap.ocsp import OcspInquiry, OcspTerms, responder_of, signed
from radius_server.eap.packet import Type
from radius_server.eap.tunnel import Tools, Tunnel, guarded
from radius_server.process.admission import admit
from radius_server.process.known_secrets import if_active
from radius_server.process.questions import AccessRequest, AskStanding, FindAccount, Question
from radius_server.process.standing import Standing, Word

Steps = Generator[Question | Send, Any, MethodResult]


def tls(request: AccessRequest, identity: str, tools: Tools) -> EapMethod:
    """The method.

    Args:
        identity: what the peer calls itself; who it is the certificate says.
        tools: its contexts demand a client certificate.
    """
    tunnel = Tunnel(Type.TLS, Method.EAP_TLS, request, tools)
    return (yield from guarded(Method.EAP_TLS, _tls(request, identity, tunnel, tools.ocsp)))


def _tls(request: AccessRequest, identity: str, tunnel: Tunnel, terms: OcspTerms | None) -> Steps:
    yield from tunnel.open()
    decision: Decision
    if tunnel.session is not None:
        decision = yield from tunnel.resumed_decision()
    else:
        octets = tunnel.engine.peer_certificate()
        assert octets is not None, "OpenSSL demands a certificate"
        certificate = x509.load_der_x509_certificate(octets)
        tunnel.trace(f"certificate:serial={certificate.serial_number:x}")
        tunnel.ends_at = certificate.not_valid_after_utc
        decision = yield from _bound(request, certificate, tunnel)
        if terms is not None and isinstance(decision, Granted):
            decision = yield from _standing(decision, certificate, tunnel, terms)
    if isinstance(decision, Granted):
        # Only now is the peer told that the handshake is good: RFC 9190 section 2.1.
        yield from tunnel.acknowledge_tls_1_3()
        return tunnel.result(decision, decision.account.username)
    return tunnel.result(decision, identity)


def _bound(
    request: AccessRequest, certificate: x509.Certificate, tunnel: Tunnel
) -> Generator[Question, Any, Decision]:
    """The account that the certificate names, if it is one and the same by all its names."""
    if not names.are_readable(certificate):
        tunnel.trace("certificate:unreadable")
        return Denied(Reason.CERTIFICATE_UNBOUND, Method.EAP_TLS)
    found: dict[int, AccountSnapshot] = {}
    for candidates in (_alternative_names(certificate), names.common_names(certificate)):
        for name in dict.fromkeys(candidates):
            if "\0" in name:
                continue  # nobody's, whatever stands before it
            account = yield FindAccount(name.strip().casefold())
            if isinstance(account, Unavailable):
                return account
            if account is not None:
                tunnel.trace(f"certificate:name={shown(name)}")
                found[account.account_id] = account
        if found:
            break
    else:
        tunnel.trace(f"certificate:names={shown(names.describe(certificate))}")
        return Denied(Reason.CERTIFICATE_UNBOUND, Method.EAP_TLS)
    if len(found) > 1:
        tunnel.trace("certificate:ambiguous")
        return Denied(Reason.CERTIFICATE_UNBOUND, Method.EAP_TLS)
    account = found.popitem()[1]
    if account.kind == "device":
        return Denied(Reason.NOT_A_LOGIN, Method.EAP_TLS, account.account_id)
    decision = if_active(request, account, Method.EAP_TLS)
    if isinstance(decision, Granted):
        return (yield from admit(request, decision))
    return decision


def _standing(
    granted: Granted, certificate: x509.Certificate, tunnel: Tunnel, terms: OcspTerms
) -> Generator[Question, Any, Decision]:
    """`granted`, if the issuer still stands by the certificate. RFC 6960.

    OpenSSL has verified the chain, so a responder that the certificate names is named by an
    issuer of ours.
    """
    refused = Denied(Reason.CERTIFICATE_REFUSED, granted.method, granted.account.account_id)
    named, names_any = responder_of(certificate)
    url = terms.url or named
    if not url:
        if not names_any and not terms.required:
            return granted
        tunnel.trace("ocsp:not_usable" if names_any else "ocsp:not_named")
        return refused
    chain = tunnel.engine.verified_chain()
    if len(chain) < 2 or not signed(certificate, chain[1]):
        tunnel.trace("ocsp:no_issuer")
        return refused
    standing = yield AskStanding(OcspInquiry(certificate, chain[1], url))
    if isinstance(standing, Unavailable):
        return standing
    assert isinstance(standing, Standing)
    tunnel.trace(f"ocsp:{standing.word.value}")
    if standing.word is Word.GOOD:
        # Resumed, the certificate is not shown again; then it has to be asked about anew.
        tunnel.ends_at = min(certificate.not_valid_after_utc, standing.until)
        return granted
    if standing.word is Word.REVOKED:
        return replace(refused, reason=Reason.CERTIFICATE_REVOKED)
    return refused


def _alternative_names(certificate: x509.Certificate) -> Iterator[str]:
    """Principal names, mailboxes, DNS names: what the issuer vouches for first."""
    yield from names.account_names(certificate)
    yield from names.dns_names(certificate)
