"""EAP-TLS with certificates of an intermediate: what revocation lists say of it counts as well."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from OpenSSL import SSL, crypto

from common.config import Config
from common.config import Site as SiteSection
from common.config_access import Eap
from identity.domain.access import Denied, Granted, Method, Reason
from radius_server.eap.packet import Type
from radius_server.eap.server import EapServer
from radius_server.issuers import Issuers
from radius_server.process.questions import Answered
from tests.unit.radius_server.eap.lab import Authority
from tests.unit.radius_server.eap.peer import Peer, Site, client_context

VERSIONS = [
    pytest.param(SSL.TLS1_2_VERSION, id="tls1.2"),
    pytest.param(SSL.TLS1_3_VERSION, id="tls1.3"),
]


X400 = bytes.fromhex("3002a300")
"""A subject alternative name of a kind that OpenSSL takes and nobody reads."""


@dataclass(frozen=True, slots=True)
class School:
    """A root, an intermediate under it, and alice, whose certificate that has issued."""

    root: Authority
    intermediate: Authority

    def login(
        self, *lists: Path, version: int = SSL.TLS1_3_VERSION, trusted: tuple[Path, ...] = ()
    ) -> Answered:
        """Alice with her chain, where these lists are known."""
        folder = self.root.folder
        (folder / "crls.pem").write_bytes(b"".join(path.read_bytes() for path in lists))
        (folder / "trusted.pem").write_bytes(
            b"".join(path.read_bytes() for path in trusted or (self.root.path,))
        )
        eap = Eap(
            certificate=folder / "server.pem",
            private_key=folder / "server.key",
            ca=folder / "trusted.pem",
            crl=folder / "crls.pem" if lists else None,
        )
        server = EapServer.open(Config(site=SiteSection(data_dir=folder), eap=eap))
        pair = self.intermediate.folder / "chain.pem", self.intermediate.folder / "alice.key"
        return Site().login(server, Peer(Type.TLS, client_context(self.root.path, version, pair)))


@pytest.fixture
def school(tmp_path: Path) -> School:
    for name in ("root", "intermediate"):
        (tmp_path / name).mkdir()
    root = Authority(tmp_path / "root")
    root.server()
    intermediate = Authority(tmp_path / "intermediate", "Class CA", under=root)
    alice, _ = intermediate.issue("alice", "alice")
    chain = alice.read_bytes() + intermediate.path.read_bytes()
    (intermediate.folder / "chain.pem").write_bytes(chain)
    return School(root, intermediate)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_of_a_revoked_intermediate_is_refused(school: School, version: int) -> None:
    ended = school.login(
        school.root.revocation_list("Class CA"),
        school.intermediate.revocation_list(),
        version=version,
    )
    assert ended.decision == Denied(Reason.CERTIFICATE_REVOKED, Method.EAP_TLS)
    assert ended.trace[-1] == "tls:certificate=certificate_revoked"
    assert "certificate:issuer=Class CA" in ended.trace


def test_a_revoked_intermediate_is_refused_though_it_is_trusted_by_itself(school: School) -> None:
    ended = school.login(
        school.root.revocation_list("Class CA"),
        school.intermediate.revocation_list(),
        trusted=(school.root.path, school.intermediate.path),
    )
    assert ended.decision == Denied(Reason.CERTIFICATE_REVOKED, Method.EAP_TLS)


def test_a_list_of_the_root_that_is_stale_might_hide_a_revoked_intermediate(
    school: School,
) -> None:
    ended = school.login(
        school.root.revocation_list(days=-1), school.intermediate.revocation_list()
    )
    assert ended.decision == Denied(Reason.CERTIFICATE_REFUSED, Method.EAP_TLS)
    assert ended.trace[-1] == "tls:certificate=CRL_has_expired"


def test_good_lists_let_in(school: School) -> None:
    ended = school.login(school.root.revocation_list(), school.intermediate.revocation_list())
    assert isinstance(ended.decision, Granted)


def test_an_intermediate_that_no_list_is_about_is_not_missed(school: School) -> None:
    ended = school.login(school.intermediate.revocation_list())
    assert isinstance(ended.decision, Granted)


def test_only_the_issuer_of_the_certificate_itself_must_have_a_list(school: School) -> None:
    ended = school.login(school.root.revocation_list())
    assert ended.decision == Denied(Reason.CERTIFICATE_REFUSED, Method.EAP_TLS)
    assert ended.trace[-1] == "tls:certificate=unable_to_get_certificate_CRL"


@pytest.mark.parametrize("days", [5, -1], ids=["fresh", "stale"])
def test_an_intermediate_that_is_trusted_alone_needs_nothing_of_its_root(
    school: School, days: int
) -> None:
    ended = school.login(
        school.root.revocation_list(days=days),
        school.intermediate.revocation_list(),
        trusted=(school.intermediate.path,),
    )
    assert isinstance(ended.decision, Granted), ended


def test_nothing_but_a_list_is_forgiven_and_never_for_the_peer_s_own(school: School) -> None:
    issuers = Issuers(school.intermediate.path)
    trusted = crypto.X509.from_cryptography(school.intermediate.certificate)
    other = crypto.X509.from_cryptography(school.root.certificate)
    stale = SSL.X509VerificationCodes.ERR_CRL_HAS_EXPIRED
    assert issuers.forgives(trusted, stale, 1)
    assert not issuers.forgives(trusted, stale, 0)
    assert not issuers.forgives(other, stale, 1)
    for error in (
        SSL.X509VerificationCodes.ERR_CERT_HAS_EXPIRED,
        SSL.X509VerificationCodes.ERR_CERT_REVOKED,
        SSL.X509VerificationCodes.ERR_CERT_SIGNATURE_FAILURE,
    ):
        assert not issuers.forgives(trusted, error, 1)


def test_a_refused_certificate_is_named_in_the_trace(school: School) -> None:
    ended = school.login(
        school.root.revocation_list(), school.intermediate.revocation_list("alice")
    )
    assert ended.decision == Denied(Reason.CERTIFICATE_REVOKED, Method.EAP_TLS)
    serial = school.intermediate.serials["alice"]
    assert ended.trace[-3:] == (
        f"certificate:serial={serial:x}",
        "certificate:name=alice",
        "tls:certificate=certificate_revoked",
    )


def test_a_stranger_s_certificate_is_named_with_no_sign_that_a_page_cannot_show(
    school: School, tmp_path: Path
) -> None:
    (tmp_path / "strange").mkdir()
    strange = Authority(tmp_path / "strange", "Strange CA")
    alice, key = strange.issue("alice", "al\nice")
    (school.intermediate.folder / "chain.pem").write_bytes(alice.read_bytes())
    key.rename(school.intermediate.folder / "alice.key")
    ended = school.login()
    assert ended.decision == Denied(Reason.CERTIFICATE_REFUSED, Method.EAP_TLS)
    assert "certificate:name=al�ice" in ended.trace


def test_names_that_cannot_be_read_are_nobody_s_though_a_common_name_is_there(
    school: School,
) -> None:
    alice, key = school.root.issue("odd", "alice", odd=X400)
    (school.intermediate.folder / "chain.pem").write_bytes(alice.read_bytes())
    key.rename(school.intermediate.folder / "alice.key")
    ended = school.login()
    assert ended.decision == Denied(Reason.CERTIFICATE_UNBOUND, Method.EAP_TLS)
    assert "certificate:unreadable" in ended.trace


def test_a_stranger_s_names_that_cannot_be_read_are_no_fault_of_ours(
    school: School, tmp_path: Path
) -> None:
    (tmp_path / "strange").mkdir()
    strange = Authority(tmp_path / "strange", "Strange CA")
    alice, key = strange.issue("alice", "alice", odd=X400)
    (school.intermediate.folder / "chain.pem").write_bytes(alice.read_bytes())
    key.rename(school.intermediate.folder / "alice.key")
    ended = school.login()
    assert ended.decision == Denied(Reason.CERTIFICATE_REFUSED, Method.EAP_TLS)
    assert "certificate:name=alice" in ended.trace
