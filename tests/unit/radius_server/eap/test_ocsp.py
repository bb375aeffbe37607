"""What an OCSP answer proves, and what EAP-TLS makes of it; of cryptography's answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL

from identity.domain.access import Denied, Granted, Method, Reason, Unavailable
from radius_server.eap.ocsp import LONGEST, SHORTEST, OcspInquiry, may_be_asked
from radius_server.eap.packet import Type
from radius_server.eap.server import EapServer
from radius_server.process.questions import AccessRequest, Challenge
from radius_server.process.standing import Inquiry, NoProof, Standing, Word
from tests.unit.radius_server.eap.lab import VERSIONS, Authority, pair, server_of
from tests.unit.radius_server.eap.peer import NOW, Peer, Site, client_context

URL = "http://ocsp.test/status"
NONCE = bytes(range(16))
_NO_AUTO_CHAIN = 8
"""OpenSSL's SSL_MODE_NO_AUTO_CHAIN: the peer sends its own certificate alone."""

HOUR = timedelta(hours=1)
SOON = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("ocsp"))
    made.server()
    made.issue("alice", "alice", responder=URL)
    made.issue("plain", "alice")
    made.issue("ldap", "alice", responder="ldap://ocsp.test/")
    made.issue("responder", "Responder", purpose=ExtendedKeyUsageOID.OCSP_SIGNING)
    made.issue("usurper", "Usurper", purpose=ExtendedKeyUsageOID.CLIENT_AUTH)
    made.issue("retired", "Retired", purpose=ExtendedKeyUsageOID.OCSP_SIGNING, days=-1)
    made.issue("rsa", "RSA Responder", purpose=ExtendedKeyUsageOID.OCSP_SIGNING, rsa_key=True)
    return made


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another authority of the same name."""
    made = Authority(tmp_path_factory.mktemp("stranger"))
    made.issue("responder", "Responder", purpose=ExtendedKeyUsageOID.OCSP_SIGNING)
    return made


def certificate(authority: Authority, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair(authority, name)[0].read_bytes())


def answer(
    authority: Authority,
    signer: str = "",
    *,
    of: Authority | None = None,
    about: str = "alice",
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    begins: datetime = SOON - HOUR,
    ends: datetime | None = SOON + HOUR,
    nonce: bytes | None = NONCE,
    by_name: bool = False,
) -> bytes:
    """What a responder says; signed by the authority, or by `signer`, whose issuer is `of`."""
    of = of or authority
    own, key = of.certificate, of.key
    if signer:
        own = certificate(of, signer)
        loaded: Any = load_pem_private_key(pair(of, signer)[1].read_bytes(), None)
        key = loaded
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            certificate(authority, about),
            authority.certificate,
            hashes.SHA1(),
            status,
            begins,
            ends,
            SOON - HOUR if revoked else None,
            x509.ReasonFlags.key_compromise if revoked else None,
        )
        .responder_id(
            ocsp.OCSPResponderEncoding.NAME if by_name else ocsp.OCSPResponderEncoding.HASH, own
        )
    )
    if signer:
        builder = builder.certificates([own])
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def inquiry(authority: Authority) -> OcspInquiry:
    return OcspInquiry(certificate(authority, "alice"), authority.certificate, URL)


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize("signer", ["", "responder", "rsa"])
def test_an_answer_of_the_issuer_or_of_whom_it_named_counts(
    authority: Authority, signer: str, by_name: bool
) -> None:
    octets = answer(authority, signer, by_name=by_name)
    standing = inquiry(authority).judge(octets, NONCE, SOON)
    assert standing == Standing(Word.GOOD, SOON + HOUR)


@pytest.mark.parametrize(
    ("facts", "standing"),
    [
        ({"status": ocsp.OCSPCertStatus.REVOKED}, Standing(Word.REVOKED, SOON + HOUR)),
        ({"status": ocsp.OCSPCertStatus.UNKNOWN}, Standing(Word.UNKNOWN, SOON + HOUR)),
        ({"nonce": None}, Standing(Word.GOOD, SOON + HOUR)),
        ({"ends": SOON + 9 * HOUR}, Standing(Word.GOOD, SOON + LONGEST)),
        ({"begins": SOON, "ends": None}, Standing(Word.GOOD, SOON + SHORTEST)),
    ],
    ids=["revoked", "unknown", "no nonce", "for long", "without an end"],
)
def test_what_a_good_answer_says_and_for_how_long(
    authority: Authority, facts: dict[str, Any], standing: Standing
) -> None:
    assert inquiry(authority).judge(answer(authority, **facts), NONCE, SOON) == standing


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"ends": SOON}, "expired"),
        ({"begins": SOON + HOUR, "ends": SOON + 2 * HOUR}, "not_yet_valid"),
        ({"ends": None}, "too_old"),
        ({"nonce": bytes(16)}, "nonce_of_another"),
        ({"about": "plain"}, "about_another_certificate"),
        ({"signer": "usurper"}, "signer_not_entitled"),
        ({"signer": "retired"}, "signer_not_entitled"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_proves_nothing(authority: Authority, facts: dict[str, Any], reason: str) -> None:
    with pytest.raises(NoProof, match=reason):
        inquiry(authority).judge(answer(authority, **facts), NONCE, SOON)


def test_a_signature_over_a_short_hash_proves_nothing(authority: Authority) -> None:
    strong, weak = (b"\x2a\x86\x48\xce\x3d\x04\x03" + end for end in (b"\2", b"\1"))
    octets = answer(authority)
    assert strong in octets  # ecdsa-with-SHA256; the other is with SHA-224
    with pytest.raises(NoProof, match="signature_too_weak"):
        inquiry(authority).judge(octets.replace(strong, weak), NONCE, SOON)


def test_a_stranger_under_the_same_name_proves_nothing(
    authority: Authority, stranger: Authority
) -> None:
    for signer, reason in (("", "signature_wrong"), ("responder", "signer_not_entitled")):
        octets = answer(authority, signer, of=stranger, by_name=True)
        with pytest.raises(NoProof, match=reason):
            inquiry(authority).judge(octets, NONCE, SOON)


def test_a_damaged_answer_proves_nothing_and_raises_nothing_else(authority: Authority) -> None:
    octets = answer(authority, "responder")
    judge = inquiry(authority).judge
    for at in range(0, len(octets), 7):
        damaged = octets[:at] + bytes((octets[at] ^ 1,)) + octets[at + 1 :]
        try:
            standing = judge(damaged, NONCE, SOON)
        except NoProof:
            continue
        # The signature covers what is said, not what surrounds it.
        assert standing == Standing(Word.GOOD, SOON + HOUR)
    for end in range(0, len(octets), 11):
        with pytest.raises(NoProof):
            judge(octets[:end], NONCE, SOON)


def test_a_responder_that_wants_to_be_left_alone_proves_nothing(authority: Authority) -> None:
    octets = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    with pytest.raises(NoProof, match="status_try_later"):
        inquiry(authority).judge(octets.public_bytes(Encoding.DER), NONCE, SOON)


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("http://ocsp.test", True),
        ("https://ocsp.test:8443/a?b=c", True),
        ("http://[2001:db8::1]/", True),
        ("ldap://ocsp.test/", False),
        ("file:///etc/passwd", False),
        ("http:///path", False),
        ("http://user:word@ocsp.test/", False),
        ("http://ocsp.test/a b", False),
        ("http://ocsp.test/\r\nX: y", False),
        ("http://ocsp.test:99999/", False),
        ("http://[::1", False),
    ],
)
def test_only_addresses_of_the_web_are_asked(url: str, may: bool) -> None:
    assert may_be_asked(url) is may


def says(word: Word) -> Callable[[Inquiry], Standing]:
    return lambda _inquiry: Standing(word, NOW + HOUR)


def tls(authority: Authority, name: str, version: int) -> Peer:
    return Peer(Type.TLS, client_context(authority.path, version, pair(authority, name)))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("word", "reason"),
    [
        (Word.GOOD, None),
        (Word.REVOKED, Reason.CERTIFICATE_REVOKED),
        (Word.UNKNOWN, Reason.CERTIFICATE_REFUSED),
    ],
)
def test_eap_tls_follows_what_the_issuer_says(
    authority: Authority, version: int, word: Word, reason: Reason | None
) -> None:
    server = server_of(authority, ocsp="when-named")
    asked: list[Inquiry] = []

    def standing(inquiry: Inquiry) -> Standing:
        asked.append(inquiry)
        return Standing(word, NOW + HOUR)

    ended = Site(standing=standing).login(server, tls(authority, "alice", version))
    assert f"ocsp:{word.value}" in ended.trace
    assert [inquiry.url for inquiry in asked] == [URL]
    if reason is None:
        assert isinstance(ended.decision, Granted)
    else:
        assert ended.decision == Denied(reason, Method.EAP_TLS, 1)


@pytest.mark.parametrize(
    ("mode", "name", "item", "granted"),
    [
        ("off", "alice", "", True),
        ("when-named", "plain", "", True),
        ("when-named", "ldap", "ocsp:not_usable", False),
        ("required", "plain", "ocsp:not_named", False),
        ("required", "ldap", "ocsp:not_usable", False),
        ("required", "alice", "ocsp:good", True),
    ],
)
def test_who_is_asked_about_whom(
    authority: Authority, mode: str, name: str, item: str, granted: bool
) -> None:
    site = Site(standing=says(Word.GOOD))
    ended = site.login(server_of(authority, ocsp=mode), tls(authority, name, SSL.TLS1_3_VERSION))
    assert isinstance(ended.decision, Granted) is granted
    assert ("AskStanding" in site.asked) is (item == "ocsp:good")
    assert [found for found in ended.trace if found.startswith("ocsp:")] == [item] * bool(item)


def test_a_configured_responder_is_asked_about_every_certificate(authority: Authority) -> None:
    server = server_of(authority, ocsp="required", ocsp_url="https://here.test/")
    asked = []

    def standing(inquiry: Inquiry) -> Standing:
        asked.append(inquiry.url)
        return Standing(Word.GOOD, NOW + HOUR)

    for name in ("alice", "plain", "ldap"):
        site = Site(standing=standing)
        ended = site.login(server, tls(authority, name, SSL.TLS1_2_VERSION))
        assert isinstance(ended.decision, Granted)
    assert asked == ["https://here.test/"] * 3


@pytest.mark.parametrize("mode", ["when-named", "required"])
def test_no_answer_is_silence_until_there_is_one(authority: Authority, mode: str) -> None:
    server: EapServer = server_of(authority, ocsp=mode)
    peer, site = tls(authority, "alice", SSL.TLS1_3_VERSION), Site()
    request = AccessRequest(
        user_name="x", nas_client_id=7, now=NOW, station=None, eap_message=peer.hello()
    )
    dialogue, reply = server.converse(request), None
    while True:
        question = dialogue.send(reply)
        if type(question).__name__ == "Silence":
            break
        if isinstance(question, Challenge):
            request = AccessRequest(
                user_name="x",
                nas_client_id=7,
                now=NOW,
                eap_message=peer.respond(question.eap_message),
            )
            reply = request
        else:
            reply = site.answer(question)
    assert site.asked[-1] == "AskStanding"
    question = dialogue.send(request)
    assert type(question).__name__ == "AskStanding"
    question = dialogue.send(Unavailable("ocsp"))
    assert type(question).__name__ == "Silence"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_resumed_for_as_long_as_the_answer_holds(
    authority: Authority, version: int
) -> None:
    server = server_of(authority, ocsp="required")
    site = Site(standing=says(Word.GOOD))
    context = client_context(authority.path, version, pair(authority, "alice"))
    first = Peer(Type.TLS, context)
    site.login(server, first)
    session = first.connection.get_session()
    site.standing = says(Word.REVOKED)
    ended = site.login(server, Peer(Type.TLS, context, session=session), now=NOW + HOUR / 2)
    assert isinstance(ended.decision, Granted)
    assert "tls:resumed" in ended.trace
    ended = site.login(server, Peer(Type.TLS, context, session=session), now=NOW + HOUR)
    assert ended.decision == Denied(Reason.CERTIFICATE_REVOKED, Method.EAP_TLS, 1)
    assert "tls:resumed" not in ended.trace


def test_a_certificate_trusted_by_itself_has_no_issuer_to_ask(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.server()
    authority.issue("alice", "alice", responder=URL)
    alone = tmp_path / "alone.pem"
    alone.write_bytes(pair(authority, "alice")[0].read_bytes())
    server = server_of(authority, ocsp="required", ca=alone)
    context = client_context(authority.path, SSL.TLS1_3_VERSION, pair(authority, "alice"))
    context.set_mode(_NO_AUTO_CHAIN)
    ended = Site(standing=says(Word.GOOD)).login(server, Peer(Type.TLS, context))
    assert isinstance(ended.decision, Denied)
    assert "ocsp:no_issuer" in ended.trace
    assert ended.decision.reason is Reason.CERTIFICATE_REFUSED
