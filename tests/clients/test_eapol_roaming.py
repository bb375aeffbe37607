"""EAP across institutions: eapol_test at one site, its account at another, equal keys."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.test_radsecproxy import radsecproxy
from tests.integration.radius_site import (
    LOOPBACK,
    SECRET,
    LiveSite,
    running_radius,
    site_of_kind,
)
from tests.integration.radsec_site import RadSecSite, running_radsec
from tests.programs import require

pytestmark = [pytest.mark.real, pytest.mark.timeout(150)]

PASSWORD = "seven green elephants"
HOME_SECRET = "a secret between institutions"
_HOME = '[proxy]\nlocal_realms = ["partner.example"]\n[database]'
_VISITED = """\
[radsec]
certificate = "{chain}"
private_key = "{key}"
ca = "{ca}"
[proxy]
operator_name = "visited.example"
[proxy.server.home]
host = "127.0.0.1"
transport = "{transport}"
port = {port}
secret = "{secret}"
certificate_name = "radius.home.example"
[[proxy.realm]]
name = "*"
servers = ["home"]
vlan = 60
[database]"""


@dataclass(frozen=True, slots=True)
class Institutions:
    """Where somebody is, and where their account is."""

    visited: LiveSite
    home: RadSecSite


@pytest.fixture(scope="module", params=["udp", "radsec"])
def institutions(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Institutions]:
    """Two sites, the first of which sends every realm to the second."""
    require("eapol_test", "eapoltest")
    folder = tmp_path_factory.mktemp("roaming")
    for name in ("home", "visited"):
        (folder / name).mkdir()
    with ExitStack() as stack:
        running = running_radsec(
            request, folder / "home", "sqlite", _HOME, server_name="radius.home.example"
        )
        home, _ = stack.enter_context(running)
        home.live.add_nas("visited", LOOPBACK, secret=HOME_SECRET)
        home.live.yuenyan("nas", "add", "visited-tls", "radsec:radius.visited.example")
        home.live.add_person("somchai", PASSWORD, recoverable="nt-hash")
        own = home.authority.issue("visited", ["radius.visited.example"])
        text = _VISITED.format(
            chain=own.chain,
            key=own.key,
            ca=home.authority.ca,
            transport=request.param,
            port=home.port if request.param == "radsec" else home.live.auth_port,
            secret=HOME_SECRET,
        )
        visited = site_of_kind(request, folder / "visited", "sqlite", {"[database]": text})
        visited.add_nas("access-point", LOOPBACK)
        stack.enter_context(running_radius(visited))
        home.live.settle()
        visited.settle()
        yield Institutions(visited, home)


NETWORKS = {
    "ttls-pap": {"eap": "TTLS", "phase2": '"auth=PAP"'},
    "peap-mschapv2": {"eap": "PEAP", "phase2": '"auth=MSCHAPV2"'},
}


def login(port: int, folder: Path, method: str, password: str) -> str:
    """What eapol_test says about one login; its last line tells the end."""
    network = {
        "key_mgmt": "WPA-EAP",
        **NETWORKS[method],
        "anonymous_identity": '"anonymous@partner.example"',
        "identity": '"somchai@partner.example"',
        "password": f'"{password}"',
    }
    lines = "".join(f"  {key}={value}\n" for key, value in network.items())
    path = folder / "network.conf"
    path.write_text(f"network={{\n{lines}}}\n", encoding="utf-8")
    run = subprocess.run(
        [
            *(require("eapol_test", "eapoltest"), "-c", str(path), "-a", "127.0.0.1"),
            *("-p", str(port), "-s", SECRET, "-M", "3c:22:fb:0e:0e:01", "-t", "10"),
        ],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=40,
    )
    return run.stdout


@pytest.mark.parametrize("method", list(NETWORKS))
def test_somebody_of_another_institution_logs_in_here(
    institutions: Institutions, tmp_path: Path, method: str
) -> None:
    visited, home = institutions.visited, institutions.home.live
    said = login(visited.auth_port, tmp_path, method, PASSWORD)
    assert said.rstrip().endswith("SUCCESS"), said[-3000:]
    assert "MPPE keys OK: 1  mismatch: 0" in said
    row = "SELECT user_name, method, outcome, trace FROM auth_event ORDER BY id DESC LIMIT 1"
    ((name, how, outcome, trace),) = visited.rows(row)
    assert (name, how, outcome) == ("anonymous@partner.example", "proxy", "accept")
    assert "proxy:server=home" in trace and "proxy:name=somchai" in trace
    ((name, how, outcome, _),) = home.rows(row)
    assert how.startswith("eap-") and outcome == "accept"
    ((account,),) = home.rows(
        "SELECT a.username FROM auth_event e JOIN account a ON a.id = e.account_id"
        " ORDER BY e.id DESC LIMIT 1"
    )
    assert account == "somchai"

    said = login(visited.auth_port, tmp_path, method, "another elephant")
    assert said.rstrip().endswith("FAILURE")
    ((_, how, outcome, _),) = visited.rows(row)
    assert (how, outcome) == ("proxy", "reject")


@pytest.mark.parametrize("method", list(NETWORKS))
def test_eap_of_a_school_behind_radsecproxy(
    institutions: Institutions, tmp_path: Path, method: str
) -> None:
    home = institutions.home
    issued = home.authority.issue("visited", ["radius.visited.example"])
    with radsecproxy(tmp_path, home, issued) as behind:
        said = login(behind.auth_port, tmp_path, method, PASSWORD)
        assert said.rstrip().endswith("SUCCESS"), said[-3000:]
        assert "MPPE keys OK: 1  mismatch: 0" in said
