"""TTLS, PEAP and EAP-TLS against a peer of pyOpenSSL, whole conversations in memory."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from OpenSSL import SSL

from common.errors import ConfigError
from identity.domain.access import Denied, Granted, Method, Reason, RoleProfile
from radius_server.eap.avp import Avp, decode_avps, encode_avp
from radius_server.eap.packet import Type
from radius_server.eap.server import EapServer
from radius_server.process.questions import CheckPassword
from tests.unit.radius_server.eap.lab import VERSIONS, Authority, pair, server_of
from tests.unit.radius_server.eap.peer import (
    NOW,
    PASSWORD,
    InPeap,
    Peer,
    Site,
    account,
    client_context,
    pap,
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("ca"))
    made.server()
    made.issue("alice", "alice")
    made.issue("bob", "bob")
    made.issue("gone", "alice", days=-1)
    made.issue("mail", "whoever", alternatives=(x509.RFC822Name("alice"),))
    made.issue("both", "x", alternatives=(x509.RFC822Name("alice"), x509.DNSName("bob")))
    return made


@pytest.fixture
def server(authority: Authority) -> EapServer:
    return server_of(authority)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("fragment", [40, 200, 1398])
def test_ttls_with_pap_is_granted_and_the_keys_are_equal(
    authority: Authority, server: EapServer, version: int, fragment: int
) -> None:
    peer = Peer(Type.TTLS, client_context(authority.path, version), pap(), fragment=fragment)
    ended = Site().login(server, peer)
    assert isinstance(ended.decision, Granted)
    assert ended.decision.method is Method.EAP_TTLS
    assert (ended.identity, ended.eap_message[0]) == ("alice", 3)
    assert ended.receive_key + ended.send_key == peer.key_material()[:64]
    assert f"tls:version=TLSv1.{version - 0x301}" in ended.trace
    assert not any(PASSWORD.decode() in item for item in ended.trace)


def test_a_peer_may_speak_inside_right_behind_its_finished(
    authority: Authority, server: EapServer
) -> None:
    context = client_context(authority.path, SSL.TLS1_3_VERSION)
    peer = Peer(Type.TTLS, context, pap(), eager=True)
    assert isinstance(Site().login(server, peer).decision, Granted)


@pytest.mark.parametrize("framed_mtu", [None, 64, 200, 1400])
def test_framed_mtu_bounds_every_packet_that_is_sent(
    authority: Authority, server: EapServer, framed_mtu: int | None
) -> None:
    peer = Peer(Type.TTLS, client_context(authority.path, SSL.TLS1_2_VERSION), pap())
    assert isinstance(Site().login(server, peer, framed_mtu=framed_mtu).decision, Granted)
    assert peer.longest <= min((framed_mtu or 9000) - 4, 1024)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "password", "changes", "reason"),
    [
        pytest.param("alice", b"wrong", {}, Reason.WRONG_PASSWORD, id="wrong"),
        pytest.param("nobody", PASSWORD, {}, Reason.UNKNOWN_ACCOUNT, id="unknown"),
        pytest.param("alice", PASSWORD, {"state": "suspended"}, Reason.SUSPENDED, id="suspended"),
        pytest.param("alice", PASSWORD, {"expires_at": NOW}, Reason.EXPIRED, id="expired"),
    ],
)
def test_ttls_with_pap_is_refused_with_the_reason(
    authority: Authority,
    server: EapServer,
    version: int,
    name: str,
    password: bytes,
    changes: dict[str, object],
    reason: Reason,
) -> None:
    peer = Peer(Type.TTLS, client_context(authority.path, version), pap(name, password))
    ended = Site({"alice": account(**changes)}).login(server, peer)
    assert isinstance(ended.decision, Denied)
    assert ended.decision.reason is reason
    assert ended.eap_message[0] == 4
    assert ended.receive_key == ended.send_key == b""


@pytest.mark.parametrize("version", VERSIONS)
def test_a_peer_that_does_not_believe_the_server_is_named_by_its_alert(
    authority: Authority, server: EapServer, version: int, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "Another CA")
    peer = Peer(Type.TTLS, client_context(stranger.path, version), pap())
    ended = Site().login(server, peer)
    assert ended.decision == Denied(Reason.TLS_FAILED, Method.EAP_TTLS)
    assert "tls:alert=unknown_ca" in ended.trace


def test_no_common_version_is_told_by_an_alert(authority: Authority) -> None:
    server = server_of(authority, tls_min="1.3")
    peer = Peer(Type.TTLS, client_context(authority.path, SSL.TLS1_2_VERSION), pap())
    ended = Site().login(server, peer)
    assert ended.decision == Denied(Reason.TLS_FAILED, Method.EAP_TTLS)
    assert "protocol version" in peer.alert


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_resumed_and_its_account_looked_at_again(
    authority: Authority, server: EapServer, version: int
) -> None:
    context = client_context(authority.path, version)
    site = Site()
    first = Peer(Type.TTLS, context, pap())
    site.login(server, first)
    session = first.connection.get_session()

    site.asked.clear()
    peer = Peer(Type.TTLS, context, session=session)
    ended = site.login(server, peer)
    assert isinstance(ended.decision, Granted)
    assert "tls:resumed" in ended.trace
    assert ended.identity == "alice"
    assert ended.receive_key + ended.send_key == peer.key_material()[:64]
    assert "CheckPassword" not in site.asked

    site.accounts["alice"] = account(expires_at=NOW)
    ended = site.login(server, Peer(Type.TTLS, context, session=session))
    assert isinstance(ended.decision, Denied)
    assert ended.decision.reason is Reason.EXPIRED
    assert "tls:resumed" in ended.trace


@pytest.mark.parametrize("version", VERSIONS)
def test_a_suspension_ends_the_session_even_when_it_is_over(
    authority: Authority, server: EapServer, version: int
) -> None:
    context = client_context(authority.path, version)
    site = Site()
    first = Peer(Type.TTLS, context, pap())
    site.login(server, first)
    session = first.connection.get_session()
    site.accounts["alice"] = account(state="suspended")
    ended = site.login(server, Peer(Type.TTLS, context, pap(), session=session))
    assert isinstance(ended.decision, Denied)
    assert ended.decision.reason is Reason.SUSPENDED
    assert "tls:resumed" not in ended.trace

    site.accounts["alice"] = account()
    again = Peer(Type.TTLS, context, pap(), session=session)
    ended = site.login(server, again)
    assert isinstance(ended.decision, Granted)
    assert "tls:resumed" not in ended.trace


@pytest.mark.parametrize("inner", ["gtc", "pap"])
def test_what_is_inside_is_decided_at_the_time_of_its_last_packet(
    authority: Authority, server: EapServer, inner: str
) -> None:
    context = client_context(authority.path, SSL.TLS1_2_VERSION)

    def peer() -> Peer:
        if inner == "pap":
            return Peer(Type.TTLS, context, pap())
        return Peer(Type.PEAP, context, InPeap(b"alice", PASSWORD))

    class Clocked(Site):
        def answer(self, question: object) -> object:
            if isinstance(question, CheckPassword) and question.request is not None:
                self.checked = question.request.now
            return super().answer(question)

    second = timedelta(seconds=1)
    site = Clocked()
    assert isinstance(site.login(server, peer(), pace=second).decision, Granted)
    assert site.checked > NOW + second
    site = Clocked({"alice": account(expires_at=site.checked)})
    # Another device: the server remembers what this one took, and needs fewer rounds.
    ended = site.login(server, peer(), pace=second, station="3c22fb010299")
    assert isinstance(ended.decision, Denied)
    assert ended.decision.reason is Reason.EXPIRED


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "change", ["password", "created anew", "deleted", "other type", "too old", "new files"]
)
def test_a_session_that_may_not_be_resumed_becomes_a_whole_login(
    authority: Authority, version: int, change: str
) -> None:
    server = server_of(authority)
    context = client_context(authority.path, version)
    site = Site()
    first = Peer(Type.TTLS, context, pap())
    site.login(server, first)
    kind, now, inside = Type.TTLS, NOW, pap()
    if change == "created anew":
        site.accounts["alice"] = account(account_id=2)
    elif change == "password":
        site.accounts["alice"] = account(password_hash="$argon2id$2")
    elif change == "deleted":
        site.accounts.clear()
    elif change == "other type":
        kind = Type.PEAP
    elif change == "too old":
        now += timedelta(hours=9)
    else:
        later = (authority.folder / "server.pem").stat().st_mtime + 5
        os.utime(authority.folder / "server.pem", (later, later))
        now += timedelta(seconds=2)
    peer = Peer(kind, context, inside, session=first.connection.get_session())
    ended = site.login(server, peer, now=now)
    assert "tls:resumed" not in ended.trace
    assert any(item.startswith("tls:version") for item in ended.trace)
    if change in ("password", "created anew", "too old", "new files"):
        assert isinstance(ended.decision, Granted)
        assert "inner:pap=alice" in ended.trace


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_whose_login_failed_is_never_resumed(
    authority: Authority, server: EapServer, version: int
) -> None:
    context = client_context(authority.path, version)
    first = Peer(Type.TTLS, context, pap(password=b"wrong"))
    Site().login(server, first)
    session = first.connection.get_session()
    ended = Site().login(server, Peer(Type.TTLS, context, pap(password=b"wrong"), session=session))
    assert isinstance(ended.decision, Denied)
    assert ended.decision.reason is Reason.WRONG_PASSWORD
    assert "tls:resumed" not in ended.trace


def test_the_simultaneous_limit_is_told_as_a_failure(
    authority: Authority, server: EapServer
) -> None:
    role = RoleProfile(name="one", simultaneous=1)
    site = Site({"alice": account(role=role)}, open_stations={"000000000000"})
    context = client_context(authority.path, SSL.TLS1_2_VERSION)
    ended = site.login(server, Peer(Type.TTLS, context, pap()))
    assert isinstance(ended.decision, Denied)
    assert (ended.decision.reason, ended.eap_message[0]) == (Reason.SIMULTANEOUS, 4)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["alice", "mail"])
def test_eap_tls_binds_the_certificate_to_its_account(
    authority: Authority, server: EapServer, version: int, name: str
) -> None:
    context = client_context(authority.path, version, pair(authority, name))
    peer = Peer(Type.TLS, context)
    site = Site()
    ended = site.login(server, peer)
    assert isinstance(ended.decision, Granted), ended
    assert (ended.identity, ended.decision.method) == ("alice", Method.EAP_TLS)
    assert ended.receive_key + ended.send_key == peer.key_material()[:64]

    again = Peer(Type.TLS, context, session=peer.connection.get_session())
    ended = site.login(server, again)
    assert isinstance(ended.decision, Granted)
    assert "tls:resumed" in ended.trace


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "reason", "item"),
    [
        pytest.param("bob", Reason.CERTIFICATE_UNBOUND, "certificate:names=bob", id="unbound"),
        pytest.param(
            "gone", Reason.CERTIFICATE_REFUSED, "tls:certificate=certificate_has_expired", id="old"
        ),
        pytest.param(
            "server", Reason.CERTIFICATE_REFUSED, "tls:certificate=unsuitable", id="purpose"
        ),
        pytest.param(None, Reason.CERTIFICATE_REFUSED, "tls:error=peer_did_not_return", id="none"),
    ],
)
def test_eap_tls_refuses_with_the_reason(
    authority: Authority,
    server: EapServer,
    version: int,
    name: str | None,
    reason: Reason,
    item: str,
) -> None:
    certificate = None if name is None else pair(authority, name)
    peer = Peer(Type.TLS, client_context(authority.path, version, certificate))
    ended = Site().login(server, peer)
    assert isinstance(ended.decision, Denied)
    assert ended.decision.reason is reason
    assert any(found.startswith(item) for found in ended.trace), ended.trace


def test_a_certificate_of_two_accounts_is_of_none(authority: Authority, server: EapServer) -> None:
    site = Site({"alice": account(), "bob": account(account_id=2, username="bob")})
    context = client_context(authority.path, SSL.TLS1_3_VERSION, pair(authority, "both"))
    ended = site.login(server, Peer(Type.TLS, context))
    assert isinstance(ended.decision, Denied)
    assert ended.decision.reason is Reason.CERTIFICATE_UNBOUND
    assert "certificate:ambiguous" in ended.trace


@pytest.mark.parametrize("version", VERSIONS)
def test_revocation_lists_hold_and_are_read_again(tmp_path: Path, version: int) -> None:
    authority = Authority(tmp_path)
    authority.server()
    authority.issue("alice", "alice")
    server = server_of(authority, crl=authority.revocation_list())
    site = Site()
    context = client_context(authority.path, version, pair(authority, "alice"))
    first = Peer(Type.TLS, context)
    assert isinstance(site.login(server, first).decision, Granted)

    authority.revocation_list("alice")
    now = NOW + timedelta(seconds=2)
    for session in (None, first.connection.get_session()):
        ended = site.login(server, Peer(Type.TLS, context, session=session), now=now)
        assert ended.decision == Denied(Reason.CERTIFICATE_REVOKED, Method.EAP_TLS)

    authority.revocation_list(days=-1)
    now += timedelta(seconds=2)
    ended = site.login(server, Peer(Type.TLS, context), now=now)
    assert ended.decision == Denied(Reason.CERTIFICATE_REFUSED, Method.EAP_TLS)
    assert "tls:certificate=CRL_has_expired" in ended.trace


def test_unknown_attributes_that_must_be_understood_end_it(
    authority: Authority, server: EapServer
) -> None:
    def inside(mandatory: bool) -> Iterator[bytes]:
        yield next(pap()) + encode_avp(Avp(9, 1, b"x", mandatory))

    context = client_context(authority.path, SSL.TLS1_3_VERSION)
    ended = Site().login(server, Peer(Type.TTLS, context, inside(False)))
    assert isinstance(ended.decision, Granted)
    ended = Site().login(server, Peer(Type.TTLS, context, inside(True)))
    assert ended.decision == Denied(Reason.EAP_PROTOCOL, Method.EAP_TTLS)
    assert "eap:violation=avp_unknown_9_1" in ended.trace


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        pytest.param(Avp(0, 3, bytes(17)), "0_2_0_3", id="chap"),
        pytest.param(Avp(0, 79, b"\2\1\0\5\1"), "0_2_0_79", id="eap"),
        pytest.param(Avp(311, 25, bytes(50)), "0_2_311_25", id="mschapv2"),
        pytest.param(Avp(311, 27, bytes(68), False), "0_2_311_27", id="change-of-password"),
    ],
)
def test_a_second_proof_beside_a_right_password_ends_it(
    authority: Authority, server: EapServer, beside: Avp, told: str
) -> None:
    def inside() -> Iterator[bytes]:
        yield next(pap()) + encode_avp(beside)

    context = client_context(authority.path, SSL.TLS1_3_VERSION)
    ended = Site().login(server, Peer(Type.TTLS, context, inside()))
    assert ended.decision == Denied(Reason.EAP_PROTOCOL, Method.EAP_TTLS)
    assert f"eap:violation=several_proofs_{told}" in ended.trace


def test_a_name_inside_that_no_database_takes_is_refused_and_looked_up_by_nobody(
    authority: Authority, server: EapServer
) -> None:
    context = client_context(authority.path, SSL.TLS1_3_VERSION)
    site = Site()
    ended = site.login(server, Peer(Type.TTLS, context, pap("ali\0ce")))
    assert ended.decision == Denied(Reason.BAD_NAME, Method.EAP_TTLS)
    assert ended.identity == "ali\\x00ce"
    assert "inner:unreadable=ali\\x00ce" in ended.trace
    assert "FindAccount" not in site.asked


def test_a_certificate_whose_name_goes_on_behind_a_nul_is_nobodys(
    authority: Authority, server: EapServer
) -> None:
    authority.issue("nul", "x", alternatives=(x509.RFC822Name("alice\0@b.example"),))
    context = client_context(authority.path, SSL.TLS1_3_VERSION, pair(authority, "nul"))
    site = Site({"alice": account(), "alice\0@b.example": account()})
    ended = site.login(server, Peer(Type.TLS, context))
    assert ended.decision == Denied(Reason.CERTIFICATE_UNBOUND, Method.EAP_TLS)


def test_a_chosen_chap_challenge_is_refused(authority: Authority, server: EapServer) -> None:
    def inside() -> Iterator[bytes]:
        yield (
            encode_avp(Avp(0, 1, b"alice"))
            + encode_avp(Avp(0, 60, bytes(16)))
            + encode_avp(Avp(0, 3, bytes(17)))
        )

    context = client_context(authority.path, SSL.TLS1_2_VERSION)
    ended = Site().login(server, Peer(Type.TTLS, context, inside()))
    assert "eap:violation=challenge_not_of_this_tunnel" in ended.trace


def test_damaged_records_end_the_conversation(authority: Authority, server: EapServer) -> None:
    def damaged(octets: bytes) -> bytes:
        return octets[:-1] + bytes((octets[-1] ^ 1,)) if len(octets) > 60 else octets

    context = client_context(authority.path, SSL.TLS1_3_VERSION)
    ended = Site().login(server, Peer(Type.TTLS, context, pap()), damaged)
    assert isinstance(ended.decision, Denied)
    assert ended.decision.reason in (Reason.TLS_FAILED, Reason.EAP_PROTOCOL)


def test_a_nak_for_nothing_we_have_is_refused(authority: Authority) -> None:
    server = server_of(authority, methods=("ttls",))
    context = client_context(authority.path, SSL.TLS1_2_VERSION)
    ended = Site().login(server, Peer(Type.PEAP, context))
    assert ended.decision == Denied(Reason.EAP_NO_METHOD, Method.EAP)
    assert ended.trace[-1] == "eap:nak=25"


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"certificate": "missing.pem"}, "eap.certificate"),
        ({"private_key": "alice.key"}, "eap.private_key"),
        ({"ca": "alice.key"}, "eap.ca"),
        ({"crl": "ca.pem"}, "eap.crl"),
    ],
)
def test_a_file_that_cannot_be_used_stops_the_start_and_is_named(
    authority: Authority, wrong: dict[str, str], key: str
) -> None:
    paths = {name: authority.folder / file for name, file in wrong.items()}
    with pytest.raises(ConfigError, match=next(iter(wrong.values()))) as raised:
        server_of(authority, **paths)
    assert raised.value.key == key


def test_new_files_that_do_not_fit_leave_the_old_ones_in_use(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.server()
    server = server_of(authority)
    (tmp_path / "server.key").write_text("half a file")
    peer = Peer(Type.TTLS, client_context(authority.path, SSL.TLS1_3_VERSION), pap())
    later = NOW + timedelta(seconds=2)
    assert isinstance(Site().login(server, peer, now=later).decision, Granted)


def test_rsa_and_ecdsa_serve(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.server(rsa_key=True)
    peer = Peer(Type.TTLS, client_context(authority.path, SSL.TLS1_2_VERSION), pap())
    assert isinstance(Site().login(server_of(authority), peer).decision, Granted)


def test_attributes_inside_are_read_back_as_written() -> None:
    avps = [Avp(0, 1, b"a"), Avp(311, 26, b"12345", False), Avp(0, 79, b"")]
    octets = b"".join(encode_avp(avp) for avp in avps)
    assert decode_avps(octets) == avps
    assert [dataclasses.astuple(avp) for avp in decode_avps(octets[:12])] == [(0, 1, b"a", True)]
