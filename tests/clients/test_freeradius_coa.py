"""FreeRADIUS as the NAS that is told: what it accepts, what it refuses, and how soon.

It checks Request Authenticator and Message-Authenticator itself and is silent to a wrong one.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.clients.radclient import Nas
from tests.conftest import free_port, wait_until
from tests.integration.radius_site import SECRET, LiveSite
from tests.programs import require

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

ADDRESS = "127.0.0.7"
SOON_SECONDS = 5.0
_CONFIGURATION = """\
prefix = /usr
logdir = {folder}
run_dir = {folder}
pidfile = {folder}/pid
libdir = /usr/lib/freeradius
name = das
log {{
  destination = stdout
}}
thread pool {{
  start_servers = 1
  max_servers = 1
  min_spare_servers = 0
  max_spare_servers = 1
}}
client yuenyan {{
  ipaddr = 127.0.0.1
  secret = "{secret}"
  require_message_authenticator = yes
}}
modules {{
  always ok {{
    rcode = ok
  }}
  always reject {{
    rcode = reject
  }}
}}
server das {{
  listen {{
    type = coa
    ipaddr = {address}
    port = {port}
    virtual_server = das
  }}
  recv-coa {{
    if (Acct-Session-Id =~ /unknown/) {{
      update reply {{
        Error-Cause := Session-Context-Not-Found
      }}
      reject
    }}
    ok
  }}
  send-coa {{
    ok
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class FreeRadius:
    """A CoA server on a port of 127.0.0.7, and what it logs."""

    port: int
    log_file: Path

    def requests(self, session_id: str) -> list[dict[str, str]]:
        """The attributes of each request about a session, as FreeRADIUS read them."""
        text = self.log_file.read_text(encoding="utf-8", errors="replace")
        found = []
        for block in re.findall(r"Received (?:Disconnect|CoA)-Request.*?(?=# Exec)", text, re.S):
            named = dict(re.findall(r"\)   ([A-Za-z-]+) = \"?([^\"\n]*)", block))
            if named.get("Acct-Session-Id") == session_id:
                found.append(named)
        return found


@contextmanager
def freeradius(folder: Path, secret: str = SECRET) -> Iterator[FreeRadius]:
    """`freeradius` while the block runs."""
    port = free_port(socket.SOCK_DGRAM)
    program = require("freeradius", "freeradius")
    folder.mkdir(parents=True)
    (folder / "radiusd.conf").write_text(
        _CONFIGURATION.format(folder=folder, secret=secret, address=ADDRESS, port=port)
    )
    log_file = folder / "log"
    with log_file.open("wb") as log:
        running = subprocess.Popen(
            [program, "-d", folder, "-n", "radiusd", "-X"], stdout=log, stderr=log
        )
    try:
        wait_until(
            lambda: b"Ready to process requests" in log_file.read_bytes(),
            20,
            log_file.read_text(errors="replace"),
        )
        yield FreeRadius(port, log_file)
    finally:
        running.terminate()
        running.wait(10)


@pytest.fixture(scope="module")
def peer(live: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreeRadius]:
    """FreeRADIUS, registered as the NAS that it answers for."""
    with freeradius(tmp_path_factory.mktemp("das") / "conf") as running:
        name = f"das-{running.port}"
        known = {
            str(row["name"]): str(row["prefix"]) for row in _json(live, "nas", "list", "--json")
        }
        for other, prefix in known.items():
            if prefix == f"{ADDRESS}/32":
                name = other
        if name not in known:
            live.add_nas(name, f"{ADDRESS}/32")
        live.yuenyan("nas", "set", name, "--coa-port", str(running.port))
        yield running


@pytest.fixture
def nas(live: LiveSite, peer: FreeRadius) -> Nas:
    """The NAS, which accounts from 127.0.0.7."""
    live.settle()
    return Nas(live, source=ADDRESS)


def _json(live: LiveSite, *arguments: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(live.yuenyan(*arguments).stdout)
    return found


def _open(nas: Nas, name: str, session_id: str) -> None:
    """An open session of `name`."""
    started = nas.account(
        "Start",
        session_id,
        User_Name=name,
        NAS_Identifier="fr",
        Calling_Station_Id="3C-22-FB-00-00-07",
        Framed_IP_Address="10.20.0.7",
    )
    assert started.code == "Accounting-Response", started.output


def _session(live: LiveSite, name: str) -> dict[str, object]:
    (found,) = _json(live, "session", "list", "--user", name, "--json")
    return found


def _ended(live: LiveSite, name: str, cause: str, since: float) -> None:
    wait_until(lambda: _session(live, name)["close_cause"] == cause, 10, f"{_session(live, name)}")
    took = time.monotonic() - since
    assert took < SOON_SECONDS, f"{took:.1f} s"


def test_a_disabled_account_is_off_the_network_within_seconds(
    live: LiveSite, nas: Nas, peer: FreeRadius
) -> None:
    live.add_person("das-off", "seven green elephants")
    _open(nas, "das-off", "off-1")
    since = time.monotonic()
    live.yuenyan("user", "disable", "das-off")
    _ended(live, "das-off", "disconnected", since)
    (asked,) = peer.requests("off-1")
    assert asked["User-Name"] == "das-off"
    assert asked["Calling-Station-Id"] == "3C-22-FB-00-00-07"
    assert asked["NAS-Identifier"] == "fr"
    assert "Framed-IP-Address" not in asked
    assert "Event-Timestamp" in asked


def test_an_account_that_expires_by_itself_is_too(
    live: LiveSite, nas: Nas, peer: FreeRadius
) -> None:
    live.add_person("das-over", "seven green elephants")
    _open(nas, "das-over", "over-1")
    moment = time.time() + 2
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
    live.yuenyan("user", "expiry", "das-over", stamp)
    time.sleep(max(0.0, moment - time.time()))
    _ended(live, "das-over", "disconnected", time.monotonic() - 1)
    assert len(peer.requests("over-1")) == 1


def test_another_role_by_roster_ends_what_the_old_one_began(
    live: LiveSite, nas: Nas, peer: FreeRadius, tmp_path: Path
) -> None:
    live.add_person("das-role", "seven green elephants")
    _open(nas, "das-role", "role-1")
    roster = tmp_path / "roster.csv"
    roster.write_text("username,role\ndas-role,staff\n")
    since = time.monotonic()
    live.yuenyan("user", "import", str(roster), "--update")
    _ended(live, "das-role", "disconnected", since)


def test_a_revoked_voucher_ends_its_guest(live: LiveSite, nas: Nas, peer: FreeRadius) -> None:
    sheet = json.loads(live.yuenyan("voucher", "create", "--count", "1", "--json").stdout)
    (code,) = sheet["codes"]
    station = "3C-22-FB-00-00-08"
    answer = nas.access(code, code, Calling_Station_Id=station)
    assert answer.code == "Access-Accept", answer.output
    guest = answer.one("User-Name")
    _open(nas, guest, "voucher-1")
    since = time.monotonic()
    live.yuenyan("voucher", "revoke", str(sheet["batch"]))
    _ended(live, guest, "disconnected", since)


def test_the_command_says_that_it_is_done(live: LiveSite, nas: Nas, peer: FreeRadius) -> None:
    live.add_person("das-told", "seven green elephants")
    _open(nas, "das-told", "told-1")
    key = str(_session(live, "das-told")["session_id"])
    changed = live.yuenyan("session", "change", key, "--session-seconds", "60")
    assert changed.stdout == f"{key}: changed\n"
    assert peer.requests("told-1")[0]["Session-Timeout"] == "60"
    ended = live.yuenyan("session", "disconnect", key, "--reason", "test")
    assert ended.stdout == f"{key}: ended\n"
    assert "ended already" in live.refused("session", "disconnect", key).stderr
    assert "no open session" in live.refused("session", "disconnect", "--user", "das-told").stderr
    listed = live.yuenyan("session", "requests").stdout
    assert "told-1" not in listed
    assert key in listed


def test_the_command_says_why_it_was_refused(live: LiveSite, nas: Nas, peer: FreeRadius) -> None:
    live.add_person("das-gone", "seven green elephants")
    _open(nas, "das-gone", "unknown-1")
    refused = live.refused("session", "disconnect", "--user", "das-gone")
    assert "refused by the equipment (Session-Context-Not-Found)" in refused.stdout
    assert _session(live, "das-gone")["close_cause"] == "not_on_nas"
    newest = _json(live, "session", "requests", "--limit", "1", "--json")[0]
    assert (newest["state"], newest["error_cause"]) == ("nakked", 503)


def test_a_peer_with_another_secret_answers_nothing(
    live: LiveSite, nas: Nas, peer: FreeRadius, tmp_path: Path
) -> None:
    with freeradius(tmp_path / "other", "not the secret that we share") as other:
        prefix = "127.0.0.8/32"
        known = [row["prefix"] for row in _json(live, "nas", "list", "--json")]
        if prefix not in known:
            live.add_nas("das-other", prefix)
        live.yuenyan(
            *("nas", "set", "das-other", "--coa-port", str(other.port)),
            *("--coa-address", ADDRESS),
        )
        live.settle()
        live.add_person("das-deaf", "seven green elephants")
        _open(replace(nas, source="127.0.0.8"), "das-deaf", "deaf-1")
        refused = live.refused("session", "disconnect", "--user", "das-deaf")
    assert "no answer yet (1 of 3 rounds)" in refused.stdout
    assert _session(live, "das-deaf")["active"] is True


def test_a_used_up_quota_ends_the_session_that_used_it(
    live: LiveSite, nas: Nas, peer: FreeRadius
) -> None:
    live.yuenyan("role", "set", "das-limited", "--quota-mb-day", "10")
    live.add_person("das-quota", "seven green elephants", "das-limited")
    _open(nas, "das-quota", "quota-1")
    since = 0.0
    for megabytes in (6, 11):
        assert _session(live, "das-quota")["active"] is True
        since = time.monotonic()
        nas.account(
            "Interim-Update",
            "quota-1",
            User_Name="das-quota",
            NAS_Identifier="fr",
            Calling_Station_Id="3C-22-FB-00-00-07",
            Acct_Session_Time=megabytes * 10,
            Acct_Output_Octets=megabytes * 1_000_000,
        )
        if megabytes == 6:
            time.sleep(2.5)
    _ended(live, "das-quota", "disconnected", since)
    newest = _json(live, "session", "requests", "--limit", "1", "--json")[0]
    assert newest["reason"] == "over_quota"


def test_a_role_that_closes_ends_its_sessions(live: LiveSite, nas: Nas, peer: FreeRadius) -> None:
    live.yuenyan("role", "set", "das-hours", "--hours", "daily 00:00-24:00")
    live.add_person("das-late", "seven green elephants", "das-hours")
    _open(nas, "das-late", "late-1")
    tomorrow = time.strftime("%a", time.gmtime(time.time() + 2 * 86400)).lower()
    since = time.monotonic()
    live.yuenyan("role", "set", "das-hours", "--hours", f"{tomorrow} 08:00-09:00")
    _ended(live, "das-late", "disconnected", since)
    assert "mon-fri" in live.refused("role", "set", "das-hours", "--hours", "never").stderr
