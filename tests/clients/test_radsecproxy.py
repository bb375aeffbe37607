"""radsecproxy as the RadSec client of a school: RADIUS/UDP on its side, TLS to us."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.certificates import Issued
from tests.clients.radclient import Nas
from tests.conftest import free_port, wait_until
from tests.integration.radius_site import SECRET, LiveSite
from tests.integration.radsec_site import RadSecSite, running_radsec
from tests.programs import require

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

PASSWORD = "seven green elephants"
_CONFIGURATION = """\
ListenUDP 127.0.0.1:{listen}
LogLevel 3
tls default {{
    CACertificateFile {ca}
    CertificateFile {chain}
    CertificateKeyFile {key}
    TlsVersion {version}
}}
client 127.0.0.1 {{
    type udp
    secret "{secret}"
}}
server yuenyan {{
    host 127.0.0.1
    port {port}
    type tls
    secret radsec
    certificateNameCheck off
    statusServer on
}}
realm * {{
    server yuenyan
    accountingServer yuenyan
}}
"""


@contextmanager
def radsecproxy(
    folder: Path, site: RadSecSite, issued: Issued, version: str = "TLS1_2:TLS1_3"
) -> Iterator[LiveSite]:
    """The proxy while it runs; the site as it looks from behind it."""
    listen = free_port(socket.SOCK_DGRAM)
    configuration = folder / f"radsecproxy-{listen}.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            listen=listen,
            ca=site.server_ca,
            chain=issued.chain,
            key=issued.key,
            version=version,
            secret=SECRET,
            port=site.port,
        ),
        encoding="utf-8",
    )
    log = folder / f"radsecproxy-{listen}.log"
    with log.open("wb") as output:
        running = subprocess.Popen(
            [require("radsecproxy", "radsecproxy"), "-f", "-d", "3", "-c", configuration],
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(lambda: " up" in log.read_text(), 15, "radsecproxy does not connect")
        yield replace(site.live, auth_port=listen, acct_port=listen)
    finally:
        running.terminate()
        running.wait(10)


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RadSecSite]:
    """A server with RadSec, on PostgreSQL with its several workers."""
    with running_radsec(request, tmp_path_factory.mktemp("radsecproxy"), "postgresql") as running:
        running[0].live.add_person("somchai", PASSWORD)
        yield running[0]


@pytest.fixture(scope="module")
def school(site: RadSecSite) -> Issued:
    issued = site.enrol("school-1")
    site.live.settle()
    return issued


@pytest.mark.parametrize("version", ["TLS1_2", "TLS1_3"])
def test_logins_and_accounting_of_a_school_behind_radsecproxy(
    site: RadSecSite, school: Issued, tmp_path: Path, version: str
) -> None:
    with radsecproxy(tmp_path, site, school, version) as behind:
        nas = Nas(behind)
        accepted = nas.access("somchai", PASSWORD)
        assert accepted.code == "Access-Accept", accepted.output
        assert accepted.one("User-Name") == "somchai"
        assert nas.access("somchai", "another").code == "Access-Reject"
        session = f"behind-{version}"
        answer = nas.account("Start", session, User_Name="somchai", Class=accepted.one("Class"))
        assert answer.code == "Accounting-Response"
    rows = site.live.rows(
        "SELECT n.name, s.account_id IS NOT NULL FROM network_session s"
        " JOIN nas_client n ON n.id = s.nas_client_id WHERE s.acct_session_id = :session",
        session=session,
    )
    assert rows == [("school-1", True)]


def test_a_proxy_whose_certificate_nobody_registered_gets_no_answer(
    site: RadSecSite, school: Issued, tmp_path: Path
) -> None:
    stranger = site.authority.issue("stranger", ["ap.stranger.example"])
    with radsecproxy(tmp_path, site, stranger) as behind:
        assert Nas(behind, tries=1).access("somchai", PASSWORD).code == ""
