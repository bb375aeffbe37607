"""What counts as a round of a conversation, and that there is an end to them."""

from __future__ import annotations

import pytest
from OpenSSL import SSL

from identity.domain.access import Denied, Granted, Method, Reason
from radius_server.eap.packet import Type
from radius_server.eap.server import EapServer
from tests.unit.radius_server.eap.lab import VERSIONS, Authority, pair, server_of
from tests.unit.radius_server.eap.peer import CertifiedInPeap, Peer, Site, client_context, pap


@pytest.fixture
def server(authority: Authority) -> EapServer:
    return server_of(authority)


def test_a_wrong_identifier_is_asked_again_and_not_for_ever(
    authority: Authority, server: EapServer
) -> None:
    def stale(octets: bytes) -> bytes:
        return octets[:1] + bytes((octets[1] ^ 0x55,)) + octets[2:]

    context = client_context(authority.path, SSL.TLS1_2_VERSION)
    peer = Peer(Type.TTLS, context, pap())
    ended = Site().login(server, peer, stale)
    assert ended.decision == Denied(Reason.EAP_PROTOCOL, Method.EAP)
    assert "eap:violation=too_many_rounds" in ended.trace
    assert peer.rounds <= 51


@pytest.mark.parametrize("version", VERSIONS)
def test_fragments_of_both_sides_are_no_rounds(
    authority: Authority, server: EapServer, version: int
) -> None:
    context = client_context(authority.path, version, pair(authority, "alice"))
    peer = Peer(Type.TLS, context, fragment=20)
    ended = Site().login(server, peer, framed_mtu=64)
    assert isinstance(ended.decision, Granted), ended
    assert peer.rounds > 50


@pytest.mark.parametrize("version", VERSIONS)
def test_fragments_inside_of_a_tunnel_are_no_rounds(
    authority: Authority, server: EapServer, version: int
) -> None:
    certified = client_context(authority.path, version, pair(authority, "alice"))
    inside = Peer(Type.TLS, certified, fragment=20)
    peer = Peer(Type.PEAP, client_context(authority.path, version), CertifiedInPeap(inside))
    ended = Site().login(server, peer)
    assert isinstance(ended.decision, Granted), ended
    assert inside.rounds > 50


def test_there_is_an_end_to_fragments_too(authority: Authority) -> None:
    server = server_of(authority, maximum_rounds=10)
    context = client_context(authority.path, SSL.TLS1_2_VERSION, pair(authority, "alice"))
    peer = Peer(Type.TLS, context, fragment=4)
    ended = Site().login(server, peer)
    assert ended.decision == Denied(Reason.EAP_PROTOCOL, Method.EAP)
    assert "eap:violation=too_many_rounds" in ended.trace
    assert peer.rounds == 80
