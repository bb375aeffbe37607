"""TLS in memory: what is longer than one read, and what fails."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from OpenSSL import SSL

from common.config import Config
from common.config import Site as SiteSection
from common.config_access import Eap
from radius_server.eap.contexts import read_contexts
from radius_server.eap.tls import TlsEngine
from tests.unit.radius_server.eap.lab import Authority
from tests.unit.radius_server.eap.peer import client_context

LONG = bytes(range(256)) * 100


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("ca"))
    made.server()
    return made


def connected(folder: Path, authority: Path, version: int) -> tuple[TlsEngine, SSL.Connection]:
    """Both ends of a tunnel after its handshake."""
    config = Config(
        site=SiteSection(data_dir=folder),
        eap=Eap(
            methods=["ttls"], certificate=folder / "server.pem", private_key=folder / "server.key"
        ),
    )
    engine = TlsEngine(read_contexts(config).tunnel.resuming)
    peer = SSL.Connection(client_context(authority, version), None)
    peer.set_connect_state()
    for _ in range(4):
        with contextlib.suppress(SSL.WantReadError):
            peer.do_handshake()
        try:
            said = peer.bio_read(1 << 16)
        except SSL.WantReadError:
            break
        flight = engine.receive(said)
        assert not flight.failure
        if flight.out:
            peer.bio_write(flight.out)
    return engine, peer


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_what_is_said_inside_may_be_longer_than_one_record(
    authority: Authority, version: int
) -> None:
    engine, peer = connected(authority.folder, authority.path, version)
    peer.sendall(LONG)
    assert engine.receive(peer.bio_read(1 << 16)).application == LONG
    peer.bio_write(engine.encrypt(LONG))
    heard = b""
    while len(heard) < len(LONG):
        heard += peer.recv(1 << 16)
    assert heard == LONG


def test_a_message_that_ends_within_a_record_is_read_when_the_rest_has_come(
    authority: Authority,
) -> None:
    engine, peer = connected(authority.folder, authority.path, SSL.TLS1_2_VERSION)
    peer.sendall(b"somchai")
    records = peer.bio_read(1 << 16)
    assert engine.receive(records[:9]).application == b""
    assert engine.receive(records[9:]).application == b"somchai"


def test_a_record_that_was_altered_is_a_failure_that_is_told_to_the_peer(
    authority: Authority,
) -> None:
    engine, peer = connected(authority.folder, authority.path, SSL.TLS1_2_VERSION)
    peer.sendall(b"somchai")
    records = peer.bio_read(1 << 16)
    flight = engine.receive(records[:-1] + bytes((records[-1] ^ 1,)))
    assert flight.failure.startswith("tls:error=")
    assert flight.out
    assert not flight.application


def test_a_peer_that_closes_the_tunnel_has_said_nothing_more(authority: Authority) -> None:
    engine, peer = connected(authority.folder, authority.path, SSL.TLS1_2_VERSION)
    peer.shutdown()
    flight = engine.receive(peer.bio_read(1 << 16))
    assert (flight.application, flight.failure) == (b"", "")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        pytest.param(48, "unknown_ca", id="unknown_ca"),
        pytest.param(112, "unrecognized_name", id="unrecognized_name"),
        pytest.param(113, "bad_certificate_status_response", id="bad_certificate_status_response"),
    ],
)
def test_every_alert_of_a_peer_is_told_as_one(authority: Authority, code: int, name: str) -> None:
    config = Config(
        site=SiteSection(data_dir=authority.folder),
        eap=Eap(
            methods=["ttls"],
            certificate=authority.folder / "server.pem",
            private_key=authority.folder / "server.key",
        ),
    )
    engine = TlsEngine(read_contexts(config).tunnel.full)
    peer = SSL.Connection(client_context(authority.path, SSL.TLS1_2_VERSION), None)
    peer.set_connect_state()
    with contextlib.suppress(SSL.WantReadError):
        peer.do_handshake()
    engine.receive(peer.bio_read(1 << 16))
    # RFC 5246 section 7.2: content type 21, TLS 1.2, two octets: fatal, and which alert.
    alert = bytes((21, 3, 3, 0, 2, 2, code))
    assert engine.receive(alert).failure == f"tls:alert={name}"
