"""RADIUS over TLS with certificates of an intermediate, both ends in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import ConfigError
from radius_server.radsec import contexts
from radius_server.radsec.contexts import Revocations, TlsFiles, client_context, server_context
from radius_server.radsec.stream import TlsFailure, TlsStream
from tests.unit.radius_server.eap.lab import Authority


@pytest.fixture
def root(tmp_path: Path) -> Authority:
    (tmp_path / "root").mkdir()
    made = Authority(tmp_path / "root")
    made.server()
    return made


@pytest.fixture
def intermediate(tmp_path: Path, root: Authority) -> Authority:
    """One that has issued the certificate of a NAS, `chain.pem`."""
    (tmp_path / "intermediate").mkdir()
    made = Authority(tmp_path / "intermediate", "School CA", under=root)
    nas, _ = made.issue("nas", "nas.school.example")
    (made.folder / "chain.pem").write_bytes(nas.read_bytes() + made.path.read_bytes())
    return made


def connect(root: Authority, intermediate: Authority, *lists: Path) -> TlsStream:
    """The server's end of a connection of the NAS, where these lists are known."""
    crl = root.folder / "crls.pem"
    crl.write_bytes(b"".join(path.read_bytes() for path in lists))
    ours = TlsFiles(
        certificate=root.folder / "server.pem",
        private_key=root.folder / "server.key",
        ca=root.path,
        crl=crl,
    )
    theirs = TlsFiles(
        certificate=intermediate.folder / "chain.pem",
        private_key=intermediate.folder / "nas.key",
        ca=root.path,
    )
    server = TlsStream(server_context(ours, Revocations.read(crl)), server=True)
    client = TlsStream(client_context(theirs, Revocations()), server=False)
    client.start()
    for _ in range(3):
        server.receive(client.take())
        client.receive(server.take())
    assert server.is_open
    return server


def test_a_nas_of_a_revoked_intermediate_is_refused(
    root: Authority, intermediate: Authority
) -> None:
    with pytest.raises(TlsFailure, match=r"certificate is revoked \(issuer 1 above it\)"):
        connect(
            root,
            intermediate,
            root.revocation_list("School CA"),
            intermediate.revocation_list(),
        )


def test_the_chain_of_a_connection_tells_when_an_issuer_is_revoked_later(
    root: Authority, intermediate: Authority
) -> None:
    server = connect(root, intermediate, root.revocation_list(), intermediate.revocation_list())
    certificates = [item.serial_number for item in server.chain]
    assert certificates[:2] == [intermediate.serials["nas"], root.serials["School CA"]]
    revoked = Revocations.read(root.revocation_list("School CA"))
    assert [revoked.hold(item) for item in server.chain] == [False, True, False]


def test_issuers_that_vanish_while_they_are_read_are_an_error_of_the_configuration(
    root: Authority, intermediate: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_path: Path) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(contexts, "Issuers", gone)
    with pytest.raises(ConfigError, match=r"ca\.pem"):
        connect(root, intermediate, intermediate.revocation_list())


def test_an_intermediate_that_no_list_is_about_is_not_missed(
    root: Authority, intermediate: Authority
) -> None:
    assert connect(root, intermediate, intermediate.revocation_list()).is_open
