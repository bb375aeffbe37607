"""TEAP against a peer of our own, whole conversations in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from OpenSSL import SSL

from identity.domain.access import Denied, Granted, Method, Reason
from radius_server.eap.server import EapServer
from radius_server.eap.teap_tlv import Kind
from tests.unit.radius_server.eap.lab import VERSIONS, Authority, pair, server_of
from tests.unit.radius_server.eap.peer import NOW, PASSWORD, Site, account, client_context
from tests.unit.radius_server.eap.teap_peer import (
    EAP_PAYLOAD,
    INTERMEDIATE,
    PASSWORD_REQUEST,
    Credential,
    EapTls,
    Gtc,
    Mschapv2,
    Said,
    TeapPeer,
    Told,
    parsed,
    tlv,
    written,
)

TLS_1_2 = SSL.TLS1_2_VERSION
INNER = ("mschapv2", "gtc", "tls", "password")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("ca"))
    made.server()
    made.issue("alice", "alice")
    made.issue("desk", "x", alternatives=(x509.DNSName("desk.school.example"),))
    return made


def teap_server(authority: Authority, **eap: Any) -> EapServer:
    facts = {"methods": ("teap", "tls"), "teap_inner": INNER, "teap_tls_max": "1.3"}
    return server_of(authority, **(facts | eap))


@pytest.fixture
def server(authority: Authority) -> EapServer:
    return teap_server(authority)


def context_of(authority: Authority, version: int = TLS_1_2) -> SSL.Context:
    return client_context(authority.path, version)


def certified(authority: Authority, name: str = "alice", version: int = TLS_1_2) -> EapTls:
    return EapTls(client_context(authority.path, version, pair(authority, name)), name)


def desk() -> Any:
    """The account of a machine."""
    return account(account_id=2, username="desk.school.example", password_hash=None)


CREDENTIALS: dict[str, Callable[[Authority], Credential]] = {
    "mschapv2": lambda authority: Mschapv2(),
    "gtc": lambda authority: Gtc(),
    "tls": certified,
    "tls-1.3": lambda authority: certified(authority, version=SSL.TLS1_3_VERSION),
    "password": lambda authority: Told(),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("fragment", [40, 200, 1398])
@pytest.mark.parametrize("inner", CREDENTIALS)
def test_both_sides_come_to_the_same_keys(
    authority: Authority, version: int, fragment: int, inner: str
) -> None:
    server = teap_server(authority)
    peer = TeapPeer(
        context_of(authority, version), CREDENTIALS[inner](authority), fragment=fragment
    )
    ended = Site().login(server, peer)
    assert isinstance(ended.decision, Granted), ended
    assert ended.decision.method is Method.EAP_TEAP
    assert (ended.identity, ended.eap_message[0]) == ("alice", 3)
    assert ended.receive_key + ended.send_key == peer.session_keys()
    assert {"teap:user", "teap:cryptobinding"} < set(ended.trace)
    assert f"tls:version=TLSv1.{version - 0x301}" in ended.trace
    assert not any(PASSWORD.decode() in item for item in ended.trace)


@pytest.mark.parametrize("framed_mtu", [64, 200, 1400])
def test_framed_mtu_bounds_every_packet_that_is_sent(authority: Authority, framed_mtu: int) -> None:
    server = teap_server(authority)
    peer = TeapPeer(context_of(authority), certified(authority))
    assert isinstance(Site().login(server, peer, framed_mtu=framed_mtu).decision, Granted)
    assert peer.longest <= min(framed_mtu - 4, 1024)


def test_tls_1_3_is_for_who_asks_for_it(authority: Authority) -> None:
    facts = {"methods": ("teap",), "teap_inner": INNER}
    peer = TeapPeer(context_of(authority, SSL.TLS1_3_VERSION), Mschapv2())
    ended = Site().login(server_of(authority, **facts), peer)
    assert ended.decision == Denied(Reason.TLS_FAILED, Method.EAP_TEAP)
    assert "protocol version" in peer.alert


def test_every_worker_names_the_same_authority_and_other_sites_another(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = Authority(tmp_path_factory.mktemp("elsewhere"), "Another CA")
    elsewhere.server()
    told = []
    for site in (authority, authority, elsewhere):
        peer = TeapPeer(context_of(site), Mschapv2())
        Site().login(teap_server(site), peer)
        told.append(parsed(peer.server_outer)[Kind.AUTHORITY_ID])
    assert len(told[0]) == 16
    assert told[0] == told[1] != told[2]


def test_tlvs_outside_of_the_tunnel_are_bound(authority: Authority, server: EapServer) -> None:
    outer = written([tlv(7, bytes(4), mandatory=False)])
    peer = TeapPeer(context_of(authority), Mschapv2(), outer=outer)
    ended = Site().login(server, peer)
    assert ended.receive_key + ended.send_key == peer.session_keys()

    def altered(octets: bytes) -> bytes:
        # As somebody on the way would: the vendor is another one.
        return octets[:-1] + b"\1" if octets.endswith(outer) else octets

    peer = TeapPeer(context_of(authority), Mschapv2(), outer=outer)
    with pytest.raises(AssertionError):
        # Our peer finds it out first.
        Site().login(server, peer, altered)


@pytest.mark.parametrize("inner", ["mschapv2", "gtc", "password"])
@pytest.mark.parametrize(
    ("name", "password", "changes", "reason"),
    [
        pytest.param("alice", b"wrong", {}, Reason.WRONG_PASSWORD, id="wrong"),
        pytest.param("nobody", PASSWORD, {}, Reason.UNKNOWN_ACCOUNT, id="unknown"),
        pytest.param("alice", PASSWORD, {"state": "suspended"}, Reason.SUSPENDED, id="suspended"),
        pytest.param("alice", PASSWORD, {"expires_at": NOW}, Reason.EXPIRED, id="expired"),
    ],
)
def test_a_refusal_is_told_inside_and_says_why(
    authority: Authority,
    server: EapServer,
    inner: str,
    name: str,
    password: bytes,
    changes: dict[str, object],
    reason: Reason,
) -> None:
    kinds = {"mschapv2": Mschapv2, "gtc": Gtc, "password": Told}
    peer = TeapPeer(context_of(authority), kinds[inner](name, password))
    ended = Site({"alice": account(**changes)}).login(server, peer)
    assert isinstance(ended.decision, Denied)
    assert (ended.decision.reason, ended.decision.method) == (reason, Method.EAP_TEAP)
    assert (ended.identity, ended.eap_message[0]) == (name, 4)
    assert ended.receive_key == ended.send_key == b""
    assert peer.results == [2, 1003]
    assert peer.inside.heard[-1][INTERMEDIATE] == b"\0\2"


def test_an_emsk_binds_when_it_is_demanded(authority: Authority) -> None:
    server = teap_server(authority, teap_emsk=True)
    peer = TeapPeer(context_of(authority), certified(authority), emsk=True)
    ended = Site().login(server, peer)
    assert ended.receive_key + ended.send_key == peer.session_keys()
    assert peer.inside.keys.chosen == peer.inside.keys.by_emsk != peer.inside.keys.by_msk

    weaker = TeapPeer(context_of(authority), certified(authority), emsk=False)
    ended = Site().login(server, weaker)
    assert ended.decision == Denied(Reason.EAP_PROTOCOL, Method.EAP_TEAP)
    assert "eap:violation=binding_emsk_missing" in ended.trace
    assert weaker.results[-2:] == [2, 2006]

    # What makes no EMSK is bound by its MSK even so.
    assert isinstance(
        Site().login(server, TeapPeer(context_of(authority), Mschapv2())).decision, Granted
    )


def test_an_emsk_that_was_not_asked_for_is_checked_and_used(
    authority: Authority, server: EapServer
) -> None:
    peer = TeapPeer(context_of(authority), certified(authority), emsk=True)
    ended = Site().login(server, peer)
    assert ended.receive_key + ended.send_key == peer.session_keys()
    assert peer.inside.keys.chosen == peer.inside.keys.by_emsk


@pytest.mark.parametrize("emsk", [False, True])
@pytest.mark.parametrize("order", [("machine", "user"), ("user", "machine")])
def test_user_and_machine_are_proven_in_one_conversation(
    authority: Authority, order: tuple[str, str], emsk: bool
) -> None:
    server = teap_server(authority, teap_identities=order)
    site = Site({"alice": account(), "desk.school.example": desk()})
    machine, context = certified(authority, "desk"), context_of(authority)
    peer = TeapPeer(context, Mschapv2(), machine=machine, emsk=emsk)
    ended = site.login(server, peer)
    assert isinstance(ended.decision, Granted), ended
    assert ended.decision.account.username == ended.identity == "alice"
    assert ended.receive_key + ended.send_key == peer.session_keys()
    assert ended.trace.count("teap:cryptobinding") == 2
    asked = [item for item in ended.trace if item in ("teap:user", "teap:machine")]
    assert asked == [f"teap:{kind}" for kind in order]

    # It would be resumed for one of the two alone.
    again = TeapPeer(
        context,
        Mschapv2(),
        machine=certified(authority, "desk"),
        session=peer.connection.get_session(),
    )
    assert "tls:resumed" not in site.login(server, again).trace


def test_who_is_suspended_while_the_other_is_proven_stays_out(authority: Authority) -> None:
    server = teap_server(authority, teap_identities=("user", "machine"))
    site = Site({"alice": account(), "desk.school.example": desk()})

    def twist(said: list[Said]) -> list[Said]:
        if any(kind & 0x3FFF == INTERMEDIATE for kind, _ in said):
            site.accounts["alice"] = account(state="suspended")
        return said

    machine = certified(authority, "desk")
    peer = TeapPeer(context_of(authority), Mschapv2(), machine=machine, twist=twist)
    ended = site.login(server, peer)
    assert isinstance(ended.decision, Denied)
    assert (ended.decision.reason, ended.identity) == (Reason.SUSPENDED, "alice")
    assert peer.results == [2, 1003]


def test_a_machine_that_is_refused_keeps_its_user_out(authority: Authority) -> None:
    server = teap_server(authority, teap_identities=("machine", "user"))
    site = Site({"alice": account()})
    peer = TeapPeer(context_of(authority), Mschapv2(), machine=certified(authority, "desk"))
    ended = site.login(server, peer)
    assert isinstance(ended.decision, Denied)
    assert ended.decision.reason is Reason.CERTIFICATE_UNBOUND


@pytest.mark.parametrize("order", [("machine", "user"), ("user", "machine")])
def test_a_password_proves_no_machine_beside_its_user(
    authority: Authority, order: tuple[str, str]
) -> None:
    server = teap_server(authority, teap_identities=order)
    site = Site({"alice": account(), "desk.school.example": desk()})
    ended = site.login(server, TeapPeer(context_of(authority), Mschapv2(), machine=Mschapv2()))
    assert ended.decision == Denied(Reason.EAP_NO_METHOD, Method.EAP_TEAP)
    assert "teap:machine_not_apart" in ended.trace


def test_one_certificate_does_not_prove_both(authority: Authority) -> None:
    server = teap_server(authority, teap_identities=("machine", "user"))
    site = Site({"desk.school.example": desk()})
    peer = TeapPeer(
        context_of(authority), certified(authority, "desk"), machine=certified(authority, "desk")
    )
    ended = site.login(server, peer)
    assert ended.decision == Denied(Reason.EAP_NO_METHOD, Method.EAP_TEAP)
    assert "teap:user_not_apart" in ended.trace


def test_the_peer_may_begin_with_the_identity_that_it_has(authority: Authority) -> None:
    server = teap_server(authority, teap_identities=("user", "machine"))
    site = Site({"alice": account(), "desk.school.example": desk()})
    peer = TeapPeer(context_of(authority), machine=certified(authority, "desk"))
    # Later it is asked for the user, whom it has not.
    ended = site.login(server, peer)
    assert ended.decision == Denied(Reason.EAP_NO_METHOD, Method.EAP_TEAP)
    assert ended.trace.count("teap:cryptobinding") == 1
    assert "teap:user_missing" in ended.trace


def test_a_machine_alone_is_refused_where_users_are_wanted(
    authority: Authority, server: EapServer
) -> None:
    site = Site({"desk.school.example": desk()})
    peer = TeapPeer(context_of(authority), machine=certified(authority, "desk"))
    ended = site.login(server, peer)
    assert ended.decision == Denied(Reason.EAP_NO_METHOD, Method.EAP_TEAP)
    assert "teap:user_missing" in ended.trace
    assert peer.results == [2, 1003]


def test_a_password_is_asked_for_first_if_it_is_named_first(authority: Authority) -> None:
    server = teap_server(authority, teap_inner=("password", "mschapv2"))
    peer = TeapPeer(context_of(authority), Told())
    assert isinstance(Site().login(server, peer).decision, Granted)
    assert EAP_PAYLOAD not in {kind for asked in peer.inside.heard for kind in asked}
    # Who declines is asked by EAP.
    peer = TeapPeer(context_of(authority), Mschapv2())
    ended = Site().login(server, peer)
    assert ended.receive_key + ended.send_key == peer.session_keys()


def test_a_password_is_never_asked_for_unless_it_is_named(authority: Authority) -> None:
    server = teap_server(authority, teap_inner=("mschapv2", "tls"))
    peer = TeapPeer(context_of(authority), Told())
    ended = Site().login(server, peer)
    assert ended.decision == Denied(Reason.EAP_NO_METHOD, Method.EAP_TEAP)
    assert not any(PASSWORD_REQUEST in asked for asked in peer.inside.heard)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("inner", ["mschapv2", "password", "tls"])
def test_a_session_is_resumed_with_a_binding_and_its_account_looked_at_again(
    authority: Authority, server: EapServer, version: int, inner: str
) -> None:
    context = context_of(authority, version)
    site = Site()
    first = TeapPeer(context, CREDENTIALS[inner](authority))
    site.login(server, first)
    session = first.connection.get_session()

    site.asked.clear()
    peer = TeapPeer(context, session=session)
    ended = site.login(server, peer)
    assert isinstance(ended.decision, Granted), ended
    assert {"tls:resumed", "inner:resumed=alice", "teap:cryptobinding"} < set(ended.trace)
    assert ended.receive_key + ended.send_key == peer.session_keys()
    assert not {"CheckPassword", "RecoverSecret"} & set(site.asked)
    assert INTERMEDIATE not in {kind for asked in peer.inside.heard for kind in asked}

    site.accounts["alice"] = account(state="suspended")
    again = TeapPeer(context, CREDENTIALS[inner](authority), session=session)
    ended = site.login(server, again)
    assert isinstance(ended.decision, Denied)
    assert ended.decision.reason is Reason.SUSPENDED
    assert "tls:resumed" not in ended.trace


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_resumed_where_it_is_switched_off(authority: Authority, version: int) -> None:
    server = teap_server(authority, teap_resumption=False)
    context = context_of(authority, version)
    first = TeapPeer(context, Told())
    Site().login(server, first)
    again = TeapPeer(context, Told(), session=first.connection.get_session())
    ended = Site().login(server, again)
    assert isinstance(ended.decision, Granted)
    assert "tls:resumed" not in ended.trace


def test_a_session_ends_with_the_certificate_that_proved_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    authority = Authority(tmp_path_factory.mktemp("short"))
    authority.server()
    authority.issue("alice", "alice", days=1)
    server = teap_server(authority)
    context = context_of(authority)
    first = TeapPeer(context, certified(authority))
    Site().login(server, first, now=NOW + timedelta(hours=20))
    session = first.connection.get_session()
    for hours, resumed in ((23, True), (25, False)):
        peer = TeapPeer(context, certified(authority), session=session)
        ended = Site().login(server, peer, now=NOW + timedelta(hours=hours))
        assert ("tls:resumed" in ended.trace) is resumed


def test_inner_tls_is_never_resumed(authority: Authority, server: EapServer) -> None:
    context = client_context(authority.path, TLS_1_2, pair(authority, "alice"))
    first = EapTls(context)
    Site().login(server, TeapPeer(context_of(authority), first))
    again = EapTls(context, session=first.peer.connection.get_session())
    ended = Site().login(server, TeapPeer(context_of(authority), again))
    assert isinstance(ended.decision, Granted)
    assert not again.peer._has_resumed()
    assert "tls:resumed" not in ended.trace
