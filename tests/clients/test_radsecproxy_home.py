"""A federation's radsecproxy behind us: TLS from us to it, and a FreeRADIUS home behind that."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.certificates import Authority, Issued
from tests.clients import freeradius
from tests.clients.radclient import Nas
from tests.clients.test_freeradius_proxy import decision
from tests.conftest import free_port, wait_until
from tests.integration.radius_site import LOOPBACK, running_radius, site_of_kind
from tests.programs import require

pytestmark = [pytest.mark.real, pytest.mark.timeout(120), pytest.mark.sampled]

PASSWORD = "seven green elephants"
HOME_SECRET = "a secret between institutions"
VISITOR = "visitor@far.example"
KEYS = (bytes(range(32)), bytes(range(64, 96)))
_FEDERATION = """\
ListenTLS 127.0.0.1:{listen}
LogLevel 2
tls default {{
    CACertificateFile {ca}
    CertificateFile {chain}
    CertificateKeyFile {key}
}}
client 127.0.0.1 {{
    type tls
    secret radsec
    certificateNameCheck off
}}
server home {{
    host 127.0.0.1
    port {auth}
    type udp
    secret "{secret}"
}}
server home-acct {{
    host 127.0.0.1
    port {acct}
    type udp
    secret "{secret}"
}}
realm far.example {{
    server home
    accountingServer home-acct
}}
"""
_PROXY = """\
[radsec]
certificate = "{chain}"
private_key = "{key}"
ca = "{ca}"
[proxy]
answer_seconds = 2.0
probe_seconds = 1.0
[proxy.server.federation]
host = "127.0.0.1"
transport = "radsec"
port = {port}
certificate_name = "{name}"
[[proxy.realm]]
name = "*"
servers = ["federation"]
[database]"""


@contextmanager
def federation(
    folder: Path, listen: int, authority: Authority, home: freeradius.FreeRadius
) -> Iterator[None]:
    """radsecproxy as the server of a federation."""
    issued: Issued = authority.issue("roaming", ["roaming.example"])
    configuration = folder / "federation.conf"
    configuration.write_text(
        _FEDERATION.format(
            listen=listen,
            ca=authority.ca,
            chain=issued.chain,
            key=issued.key,
            auth=home.auth_port,
            acct=home.acct_port,
            secret=HOME_SECRET,
        )
    )
    log = folder / "federation.log"
    with log.open("wb") as output:
        program = require("radsecproxy", "radsecproxy")
        running = subprocess.Popen(
            [program, "-f", "-d", "2", "-c", configuration], stdout=output, stderr=output
        )
    try:
        wait_until(lambda: "listening" in log.read_text(), 10, "radsecproxy does not start")
        yield
    finally:
        running.terminate()
        running.wait(10)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        pytest.param("roaming.example", "Access-Accept", id="its certificate is the one named"),
        pytest.param("another.example", "Access-Reject", id="somebody else's certificate"),
    ],
)
def test_a_visitor_over_tls(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, code: str
) -> None:
    authority = Authority(tmp_path)
    own = authority.issue("yuenyan", ["radius.school.example"])
    port = free_port(socket.SOCK_STREAM)
    text = _PROXY.format(chain=own.chain, key=own.key, ca=authority.ca, port=port, name=name)
    live = site_of_kind(request, tmp_path, "sqlite", {"[database]": text})
    live.add_nas("gate", LOOPBACK)
    with (
        freeradius.home_server(
            tmp_path / "home", "far", HOME_SECRET, VISITOR, PASSWORD, KEYS
        ) as home,
        running_radius(live) as server,
    ):
        nas = Nas(live, tries=20)
        with federation(tmp_path, port, authority, home):
            answer = nas.access(VISITOR, PASSWORD)
            assert answer.code == code, (answer.output, server.log())
            if code == "Access-Reject":
                assert decision(live, VISITOR)[2] == "backend_unavailable"
                assert "not that of another.example" in server.log()
                return
            assert answer.one("Reply-Message") == "from far"
            assert answer.one("MS-MPPE-Send-Key") == f"0x{KEYS[0].hex()}"
            assert nas.access(VISITOR, "another").code == "Access-Reject"
            started = nas.account("Start", "far-1", User_Name=VISITOR)
            assert started.code == "Accounting-Response"
            wait_until(lambda: home.requests("Accounting-Request"), 5, "no accounting at home")
        wait_until(lambda: "home_server_dead" in server.log(), 10, "nobody noticed that it ended")
        with federation(tmp_path, port, authority, home):
            again = nas.access(VISITOR, PASSWORD)
            assert again.code == "Access-Accept", (again.output, server.log())
