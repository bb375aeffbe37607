"""Whatever a peer says inside of TTLS and PEAP: it lets nobody in and breaks nothing."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from common.config import Config
from common.config import Site as SiteSection
from common.config_access import Eap
from identity.domain.access import Denied, Granted, Method
from radius_server.eap.avp import Avp, encode_avp
from radius_server.eap.packet import Type
from radius_server.eap.server import EapServer
from radius_server.process.questions import Answered
from tests.unit.radius_server.eap.lab import Authority
from tests.unit.radius_server.eap.peer import PASSWORD, InPeap, Peer, Site, client_context

_FEW = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_AVPS = st.lists(
    st.builds(
        Avp,
        vendor=st.sampled_from([0, 311, 9]),
        code=st.sampled_from([1, 2, 3, 60, 79, 11, 25, 26]),
        value=st.binary(max_size=60) | st.sampled_from([b"alice", bytes(50), b"\2\1\0\5\1"]),
        mandatory=st.booleans(),
    ),
    max_size=6,
).map(lambda avps: b"".join(map(encode_avp, avps)))
_EAP = st.builds(
    lambda kind, data: struct.pack("!BBHB", 2, 1, 5 + len(data), kind) + data,
    st.sampled_from([1, 3, 6, 13, 26, 33, 254]),
    st.binary(max_size=80)
    | st.sampled_from([b"\x80\x03\0\2\0\2", b"\x80\x03\0\2\0\1\0\x0c\0\x38" + bytes(56)]),
)
_SUCCESS = (b"\x00\x03\0\2\0\1", b"\x80\x03\0\2\0\1")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("ca"))
    made.server()
    return made


@pytest.fixture(scope="module")
def server(authority: Authority) -> EapServer:
    folder = authority.folder
    eap = Eap(
        certificate=folder / "server.pem", private_key=folder / "server.key", ca=authority.path
    )
    return EapServer.open(Config(site=SiteSection(data_dir=folder), eap=eap))


def refused(ended: Answered) -> bool:
    """Whether it ended by a rule of the method; a fault of ours is caught as one of EAP itself."""
    return (
        isinstance(ended.decision, Denied)
        and ended.decision.method is not Method.EAP
        and (ended.eap_message[0], ended.receive_key, ended.send_key) == (4, b"", b"")
    )


def login(server: EapServer, peer: Peer) -> Answered:
    """From no device in particular, so that nothing is remembered of what it took before."""
    return Site().login(server, peer, station=None)


def context_of(path: Path) -> SSL.Context:
    return client_context(path, SSL.TLS1_3_VERSION)


@_FEW
@given(junk=st.binary(min_size=1, max_size=200) | _AVPS | _EAP)
def test_junk_inside_ttls_is_a_refusal(
    authority: Authority, server: EapServer, junk: bytes
) -> None:
    peer = Peer(Type.TTLS, context_of(authority.path), iter([junk, junk, junk]))
    assert refused(login(server, peer))


class _Twisted(InPeap):
    """Says `junk` instead of its answer number `at`."""

    def __init__(self, at: int, junk: bytes) -> None:
        super().__init__(b"alice", PASSWORD)
        self.at, self.junk = at, junk

    def send(self, said: bytes) -> bytes:
        honest = super().send(said)
        return self.junk if len(self.heard) > self.at else honest


def test_who_says_the_right_things_inside_peap_is_let_in(
    authority: Authority, server: EapServer
) -> None:
    peer = Peer(Type.PEAP, context_of(authority.path), _Twisted(9, b""))
    assert isinstance(login(server, peer).decision, Granted)


@_FEW
@given(junk=st.binary(min_size=1, max_size=200) | _EAP, at=st.integers(0, 3))
def test_junk_inside_peap_is_a_refusal(
    authority: Authority, server: EapServer, junk: bytes, at: int
) -> None:
    # At the end a result of success without a binding is what an old peer says.
    assume(not any(words in junk for words in _SUCCESS) or b"\0\x0c\0\x38" in junk)
    peer = Peer(Type.PEAP, context_of(authority.path), _Twisted(at, junk))
    assert refused(login(server, peer))


def test_a_binding_of_other_keys_inside_peap_is_no_success(
    authority: Authority, server: EapServer
) -> None:
    tlvs = b"\x80\x03\0\2\0\1" + b"\0\x0c\0\x38" + b"\0\0\0\1" + bytes(52)
    junk = struct.pack("!BBHB", 2, 1, 5 + len(tlvs), Type.EXTENSIONS) + tlvs
    peer = Peer(Type.PEAP, context_of(authority.path), _Twisted(3, junk))
    ended = login(server, peer)
    assert refused(ended)
    assert "peap:cryptobinding_wrong" in ended.trace


def _words() -> Iterator[bytes]:
    while True:
        yield b""


def test_a_peer_that_says_nothing_inside_is_given_up(
    authority: Authority, server: EapServer
) -> None:
    for kind in (Type.TTLS, Type.PEAP):
        assert refused(login(server, Peer(kind, context_of(authority.path), _words())))
