"""People of an Active Directory log in: Samba as the domain controller, radclient, eapol_test.

One test, because the controller takes half a minute; `make test-all` installs what it needs.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients.domain_controller import (
    ADDRESS,
    BASE,
    NAME,
    PASSWORD,
    READER_PASSWORD,
    DomainController,
    domain_controller,
    require_samba,
)
from tests.conftest import wait_until
from tests.integration.radius_site import (
    LOOPBACK,
    SECRET,
    LiveSite,
    command,
    site_of_kind,
)
from tests.programs import require
from tests.slapd import password_file

# What its parts may take together: the sum is never seen, but each part then fails by its own name.
pytestmark = [pytest.mark.real, pytest.mark.root, pytest.mark.timeout(480)]

PEAP = """network={{
  key_mgmt=WPA-EAP
  eap=PEAP
  identity="{name}"
  password="{password}"
  phase2="auth=MSCHAPV2"
}}
"""


def _section(controller: DomainController, folder: Path) -> str:
    return f"""
[directory.office]
url = "ldaps://{ADDRESS}"
certificate_name = "{NAME}"
ca = "{controller.ca}"
base_dn = "{BASE}"
bind_dn = "CN=reader,CN=Users,{BASE}"
bind_password_file = "{password_file(folder, READER_PASSWORD)}"
user_filter = "(&(objectCategory=person)(sAMAccountName={{username}}))"
nested_groups = true
remember_seconds = 0
timeout_seconds = 10
ntlm_auth = "{controller.ntlm_auth}"
[directory.office.groups]
"CN=AllStaff,CN=Users,{BASE}" = "staff"
"""


@contextmanager
def _radius(controller: DomainController, live: LiveSite) -> Iterator[None]:
    with (live.site.config_file.with_name("radius.log")).open("wb") as log:
        running = subprocess.Popen(
            [*controller.inside, *command(live.site, "radius")], stdout=log, stderr=log
        )
    try:
        metrics = live.site.data_dir / "metrics" / "radius-0.prom"
        wait_until(metrics.exists, 40, "the RADIUS server does not start")
        yield
    finally:
        running.terminate()
        running.wait(40)


def _pap(controller: DomainController, live: LiveSite, name: str, password: str) -> str:
    """What radclient receives: Accept, Reject, or nothing."""
    asked = f'User-Name="{name}",User-Password="{password}",Message-Authenticator=0x00'
    program = require("radclient", "freeradius-utils")
    done = subprocess.run(
        [*controller.inside, program, "-x", "-t", "25", "-r", "1",
         f"127.0.0.1:{live.auth_port}", "auth", SECRET],
        input=asked, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.stdout.partition("Received Access-")[2].partition(" ")[0]


def _peap(controller: DomainController, live: LiveSite, folder: Path, password: str) -> str:
    """The last words of eapol_test, and that the keys of both sides are the same."""
    path = folder / "peap.conf"
    path.write_text(PEAP.format(name="somchai", password=password), encoding="utf-8")
    program = require("eapol_test", "eapoltest")
    done = subprocess.run(
        [*controller.inside, program, "-c", str(path), "-a", "127.0.0.1",
         "-p", str(live.auth_port), "-s", SECRET, "-t", "25"],
        capture_output=True, text=True, errors="replace", timeout=60,
    )  # fmt: skip
    return ("keys " if "MPPE keys OK: 1  mismatch: 0" in done.stdout else "") + (
        done.stdout.splitlines()[-1]
    )


def test_people_of_an_active_directory_log_in(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    require_samba()
    with domain_controller(tmp_path) as office:
        folder = tmp_path / "site"
        folder.mkdir()
        changes = {
            "[collector]\n": _section(office, tmp_path) + "[collector]\n",
            '"[::1]:': '"127.0.0.2:',
        }
        live = site_of_kind(request, folder, "sqlite", changes)
        live.add_nas("ap", LOOPBACK)
        told = subprocess.run(
            [*office.inside, *command(live.site, "directory", "test", "office", "--user", "Somchai",
                                      "--password-stdin", "--json")],
            input=PASSWORD, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert told.returncode == 0, told
        found = json.loads(told.stdout)
        assert (found["role"], found["password"]) == ("staff", "proven"), found
        assert found["full_name"] == "somchai Lab"

        with _radius(office, live):
            assert _pap(office, live, "somchai", PASSWORD) == "Accept"
            assert _pap(office, live, "somchai", "wrong password") == "Reject"
            assert _pap(office, live, "wipa", PASSWORD) == "Reject"
            ended = _peap(office, live, tmp_path, PASSWORD)
            assert ended == "keys SUCCESS", live.rows("SELECT reason, trace FROM auth_event")
            assert _peap(office, live, tmp_path, "wrong password") == "FAILURE"
            office.tool("user", "disable", "somchai")
            assert _pap(office, live, "somchai", PASSWORD) == "Reject"
            office.tool("user", "enable", "somchai")
            assert _pap(office, live, "somchai", PASSWORD) == "Accept"
        events = live.rows("SELECT method, outcome, reason, trace FROM auth_event ORDER BY id")
        last = [(row[0], row[1], row[2], str(row[3]).splitlines()[-1]) for row in events]
        wrong = "directory:wrong_password=office"
        assert last == [
            ("pap", "accept", "ok", "directory:proven=office"),
            ("pap", "reject", "wrong_password", wrong),
            ("pap", "reject", "directory_no_role", "directory:no_role=office"),
            ("eap-peap", "accept", "ok", "directory:proven=office"),
            ("eap-peap", "reject", "wrong_password", wrong),
            ("pap", "reject", "directory_disabled", "directory:disabled=office"),
            ("pap", "accept", "ok", "directory:proven=office"),
        ]
        states = live.rows("SELECT state, origin FROM account WHERE username = 'somchai'")
        assert states == [("active", "directory:office")]
