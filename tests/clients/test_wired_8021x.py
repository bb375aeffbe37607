"""802.1X on a wire: a real switch port (hostapd), a real device (wpa_supplicant), our server.

The device shows a stranger's name outside the tunnel and its own inside. hostapd's wired
driver closes a port without a word to the device, which learns of it when it asks again.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients.wired import DEVICE_MAC, Device, Switch, Wire, wire
from tests.conftest import wait_until
from tests.integration.radius_site import KINDS, LiveSite, running_radius, site_of_kind
from tests.programs import require, require_root

pytestmark = [
    pytest.mark.sampled,
    pytest.mark.real,
    pytest.mark.root,
    pytest.mark.timeout(120),
    pytest.mark.xdist_group("wired-8021x"),
]

PASSWORD = "seven green elephants"
OUTER = "anonymous@school.example"
VLAN = 30
SOON_SECONDS = 5.0
START, STOP, INTERIM = 1, 2, 3

METHODS = {
    "peap-mschapv2": {"eap": "PEAP", "phase2": '"auth=MSCHAPV2"'},
    "ttls-pap": {"eap": "TTLS", "phase2": '"auth=PAP"'},
}
KEPT = {"peap-mschapv2": {"recoverable": "nt-hash"}, "ttls-pap": {}}
"""What the account of each method needs: TTLS/PAP is content with argon2."""

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class School:
    """A running server, the network in front of it, and the CA that devices trust."""

    live: LiveSite
    wire: Wire
    ca: Path

    def enrol(self, method: str, role: str = "pupil") -> str:
        """The name of a new account that can log in by `method`."""
        name = f"{method}-{next(_numbers)}"
        self.live.add_person(name, PASSWORD, role, **KEPT[method])
        return name

    def network(self, method: str, name: str, password: str = PASSWORD) -> dict[str, str]:
        """The network block of a device that checks the server's name."""
        return {
            **METHODS[method],
            "anonymous_identity": f'"{OUTER}"',
            "identity": f'"{name}"',
            "password": f'"{password}"',
            "ca_cert": f'"{self.ca}"',
            "domain_suffix_match": '"radius.school.example"',
        }

    def sessions(self, name: str) -> list[dict[str, Any]]:
        return self._json("session", "list", "--user", name, "--json")

    def newest_request(self) -> dict[str, Any]:
        """What equipment was told last."""
        return self._json("session", "requests", "--limit", "1", "--json")[0]

    def why(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.live.yuenyan("login", "why", name, "--language", "en", "--json").stdout
        )
        return found

    def stops(self, key: str) -> bool:
        """Whether the session's Accounting-Stop is on the record."""
        rows = self.live.rows("SELECT stop_seen FROM network_session WHERE session_key = :k", k=key)
        return [bool(seen) for (seen,) in rows] == [True]

    def _json(self, *arguments: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.live.yuenyan(*arguments).stdout)
        return found


@pytest.fixture(scope="module", params=KINDS)
def school(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[School]:
    """A server that the switch reaches over a link, and that knows it by its address there."""
    require_root()
    for program, package in (("hostapd", "hostapd"), ("wpa_supplicant", "wpasupplicant")):
        require(program, package)
    folder = tmp_path_factory.mktemp("wired")
    with wire() as cable:
        changes = {
            f'{kind} = ["127.0.0.1:': f'{kind} = ["{cable.here}:' for kind in ("auth", "acct")
        }
        live = site_of_kind(request, folder, request.param, changes)
        live.add_nas("switch", f"{cable.there}/32")
        live.yuenyan("role", "set", "pupil", "--vlan", str(VLAN), "--session-seconds", "7200")
        live.yuenyan("role", "set", "no-vlan", "--session-seconds", "7200")
        live.yuenyan("cert", "server", "--name", "radius.school.example")
        live.yuenyan("cert", "ca", "--out", str(folder / "ca.pem"))
        with running_radius(live):
            yield School(live, cable, folder / "ca.pem")


@pytest.fixture
def switch(school: School, tmp_path: Path) -> Iterator[Switch]:
    with school.wire.hostapd(school.live, tmp_path) as running:
        yield running


def await_that(condition: Callable[[], bool], what: str, switch: Switch) -> None:
    """Return when `condition` holds; otherwise fail, and say where to read on."""
    wait_until(condition, 20, f"{what}; see {switch.log_file}")


def await_login(school: School, switch: Switch, device: Device, name: str) -> dict[str, Any]:
    """The session of `name`, once both ends of the wire take the port for open."""
    await_that(device.is_open, "the device does not get in", switch)
    await_that(switch.is_open, "the switch does not open its port", switch)
    await_that(lambda: bool(school.sessions(name)), "no session is accounted", switch)
    return school.sessions(name)[0]


@pytest.mark.parametrize("method", METHODS)
def test_a_login_has_its_vlan_and_is_accounted_until_it_is_ended(
    school: School, switch: Switch, tmp_path: Path, method: str
) -> None:
    name = school.enrol(method)
    with school.wire.supplicant(tmp_path, school.network(method, name)) as device:
        session = await_login(school, switch, device, name)

        asked, (accept,) = switch.packets("Access-Request"), switch.packets("Access-Accept")
        assert {one["User-Name"] for one in asked} == {OUTER}
        assert accept["User-Name"] == name
        assert int(accept["Tunnel-Type"], 16) == 13  # VLAN
        assert int(accept["Tunnel-Medium-Type"], 16) == 6  # IEEE 802
        assert bytes.fromhex(accept["Tunnel-Private-Group-Id"]) == str(VLAN).encode()
        assert accept["Session-Timeout"] == "7200"

        (start,) = switch.accounted(START)
        assert start["User-Name"] == name
        assert start["Class"] == accept["Class"]
        assert (session["account"], session["user_name"]) == (name, name)
        assert (session["mac"], session["nas"]) == (DEVICE_MAC, "switch")
        assert session["active"] is True
        await_that(
            lambda: school.sessions(name)[0]["session_seconds"] > 0, "no interim arrives", switch
        )
        assert len(switch.accounted(START)) == 1

        key = str(session["session_id"])
        ended = school.live.yuenyan("session", "disconnect", key, "--reason", "end of lessons")
        assert ended.stdout == f"{key}: ended\n"
        assert len(switch.packets("Disconnect-ACK")) == 1
        assert not switch.packets("Disconnect-NAK")
        await_that(lambda: not switch.is_open(), "the port stays open", switch)
        await_that(lambda: school.stops(key), "no Accounting-Stop arrives", switch)
        (stop,) = switch.accounted(STOP)
        assert stop["Acct-Session-Id"] == start["Acct-Session-Id"]
        assert school.sessions(name)[0]["active"] is False

        # Nobody forbade it: it may come back, as another session.
        await_that(lambda: not switch.station(), "the switch does not forget", switch)
        device.ask_again()
        await_that(lambda: len(school.sessions(name)) == 2, "no second session", switch)
        second, first = school.sessions(name)
        assert (second["active"], first["active"]) == (True, False)
        assert (first["session_id"], second["account"]) == (key, name)


def test_a_device_that_is_back_before_the_switch_forgets_it_has_a_session_of_its_own(
    school: School, switch: Switch, tmp_path: Path
) -> None:
    """hostapd uses the Acct-Session-Id again within five seconds."""
    name = school.enrol("ttls-pap")
    with school.wire.supplicant(tmp_path, school.network("ttls-pap", name)) as device:
        session = await_login(school, switch, device, name)
        key = str(session["session_id"])
        school.live.yuenyan("session", "disconnect", key, "--reason", "end of lessons")
        await_that(lambda: school.stops(key), "no Accounting-Stop arrives", switch)
        assert switch.station(), "the switch has forgotten the device: nothing is tried here"
        device.ask_again()
        await_that(lambda: len(school.sessions(name)) == 2, "no second session", switch)
        first_start, second_start = switch.accounted(START)
        assert first_start["Acct-Session-Id"] == second_start["Acct-Session-Id"]
        assert first_start["Class"] != second_start["Class"]
        second, first = school.sessions(name)
        assert first["session_id"] == key
        assert (first["active"], second["active"]) == (False, True)
        assert second["from"] >= first["to"]

        other = str(second["session_id"])
        await_that(lambda: school.sessions(name)[0]["session_seconds"] > 1, "no interim", switch)
        school.live.yuenyan("session", "disconnect", other, "--reason", "end of lessons")
        await_that(lambda: school.stops(other), "the second has no stop of its own", switch)
        assert [one["session_id"] for one in school.sessions(name)] == [other, key]
        assert school.sessions(name)[1]["session_seconds"] == first["session_seconds"]


@pytest.mark.parametrize("method", METHODS)
def test_a_suspended_account_is_put_off_the_wire_and_stays_off(
    school: School, switch: Switch, tmp_path: Path, method: str
) -> None:
    name = school.enrol(method)
    with school.wire.supplicant(tmp_path, school.network(method, name)) as device:
        session = await_login(school, switch, device, name)
        school.live.yuenyan("user", "disable", name)
        wait_until(lambda: not switch.is_open(), SOON_SECONDS, f"open; see {switch.log_file}")
        assert len(switch.packets("Disconnect-ACK")) == 1
        await_that(lambda: school.stops(session["session_id"]), "no Accounting-Stop", switch)
        told = school.newest_request()
        assert (told["session_id"], told["kind"]) == (session["session_id"], "disconnect")
        assert (told["reason"], told["state"]) == ("account_suspended", "acked")

        device.ask_again()
        await_that(lambda: not device.is_open(), "the device still takes its port for open", switch)
        assert not switch.is_open()
        assert len(school.sessions(name)) == 1
        refusal = school.why(name)
        assert (refusal["account"], refusal["reason"]) == (name, "suspended")


@pytest.mark.parametrize("method", METHODS)
def test_a_wrong_password_opens_nothing_and_the_log_tells_why(
    school: School, switch: Switch, tmp_path: Path, method: str
) -> None:
    name = school.enrol(method)
    block = school.network(method, name, "seven pink elephants")
    with school.wire.supplicant(tmp_path, block) as device:
        await_that(lambda: bool(switch.packets("Access-Reject")), "no refusal arrives", switch)
        await_that(lambda: "EAP-FAILURE" in device.log(), "the device is not told", switch)
        assert not device.is_open()
        assert not switch.is_open()
        assert not switch.packets("Access-Accept")
        assert not switch.accounted(START)
    assert school.sessions(name) == []
    refusal = school.why(name)
    assert (refusal["user_name"], refusal["account"]) == (name, name)
    assert (refusal["outcome"], refusal["reason"]) == ("reject", "wrong_password")
    assert refusal["method"] == f"eap-{METHODS[method]['eap'].lower()}"
    assert refusal["nas"] == "switch"
    assert refusal["advice"]
    assert "elephants" not in json.dumps(refusal)


def test_a_switch_that_wants_a_vlan_finds_it_in_the_accept(school: School, tmp_path: Path) -> None:
    """hostapd's wired driver has no VLANs to put anybody into, but it reads which one it is."""
    with (
        school.wire.hostapd(school.live, tmp_path, "dynamic_vlan=2") as switch,
        school.wire.supplicant(tmp_path, school.network("ttls-pap", school.enrol("ttls-pap"))),
    ):
        await_that(lambda: f"(vlan_id={VLAN} " in switch.log(), "no VLAN is read", switch)


def test_a_switch_that_wants_a_vlan_misses_it_where_the_role_has_none(
    school: School, tmp_path: Path
) -> None:
    name = school.enrol("ttls-pap", "no-vlan")
    with (
        school.wire.hostapd(school.live, tmp_path, "dynamic_vlan=2") as switch,
        school.wire.supplicant(tmp_path, school.network("ttls-pap", name)),
    ):
        missed = "authentication server did not include required VLAN ID in Access-Accept"
        await_that(lambda: missed in switch.log(), "a VLAN comes from somewhere", switch)
        assert not switch.is_open()
