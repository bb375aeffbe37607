"""The generated wpa_supplicant.conf, as it is, through a switch port (hostapd) to our server.

Nothing is added to the file (its control socket alone is put elsewhere): the password is asked for
over the control interface, as a desktop does it. A file that trusts another CA, or wants another
server, lets nobody in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from common.clock import utc_now
from identity.office import Office
from identity.onboarding.linux import write_supplicant
from identity.onboarding.profile import Anchor, ClientFile, Method, Profile
from identity.pki.authority import make_authority
from identity.services import onboarding, people
from tests.clients.wired import Device, Switch, Wire, wire
from tests.conftest import wait_until
from tests.integration.radius_site import LiveSite, running_radius, site_of_kind
from tests.programs import require, require_root

pytestmark = [
    pytest.mark.real,
    pytest.mark.root,
    pytest.mark.timeout(120),
    pytest.mark.xdist_group("wired-8021x"),
]

PASSWORD = "seven green elephants"
FILE_PASSWORD = "of the file 77"
SECTION = '[onboarding]\nwired = true\nrealm = "school.example"\n[portal]\n'
CONTROL = b"/run/wpa_supplicant"
LIMIT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class School:
    """A running server, the network in front of it, and what it hands to whom."""

    live: LiveSite
    wire: Wire
    folder: Path

    def profile(self, name: str) -> Profile:
        """What the portal would hand to `name`."""
        office = Office.open(self.live.site.config)
        try:
            with office.database.read() as session:
                return onboarding.profile_of(session, office.config, people.get(session, name))
        finally:
            office.database.dispose()

    @contextmanager
    def device(self, file: bytes) -> Iterator[Device]:
        """A device set up with `file` and nothing else."""
        path = self.folder / "generated.conf"
        control = self.folder / "control"
        assert file.count(CONTROL) == 1
        path.write_bytes(file.replace(CONTROL, str(control).encode()))
        with self.wire.supplicant_with(path, control) as device:
            yield device

    def methods(self, name: str) -> list[str]:
        """By what `name` got in."""
        rows = self.live.rows(
            "SELECT a.method FROM auth_event a JOIN account c ON c.id = a.account_id"
            " WHERE c.username = :name AND a.outcome = 'accept'",
            name=name,
        )
        return [str(method) for (method,) in rows]


@pytest.fixture(scope="module")
def school(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[School]:
    """A server behind a switch, with a person for each method."""
    require_root()
    for program, package in (("hostapd", "hostapd"), ("wpa_supplicant", "wpasupplicant")):
        require(program, package)
    folder = tmp_path_factory.mktemp("onboarding")
    with wire() as cable:
        changes = {
            f'{kind} = ["127.0.0.1:': f'{kind} = ["{cable.here}:' for kind in ("auth", "acct")
        }
        live = site_of_kind(request, folder, "sqlite", {**changes, "[portal]\n": SECTION})
        live.add_nas("switch", f"{cable.there}/32")
        live.add_person("somchai", PASSWORD)
        live.add_person("malee", PASSWORD, recoverable="nt-hash")
        live.yuenyan("cert", "server", "--name", "radius.school.example")
        with running_radius(live):
            yield School(live, cable, folder)


@pytest.fixture
def switch(school: School, tmp_path: Path) -> Iterator[Switch]:
    with school.wire.hostapd(school.live, tmp_path) as running:
        yield running


def exported(school: School, name: str) -> bytes:
    """The file that `yuenyan onboarding export` writes for `name`."""
    out = school.folder / f"export-{name}"
    school.live.yuenyan("onboarding", "export", "--out", str(out), "--user", name)
    return (out / "wired-wpa_supplicant.conf").read_bytes()


def admitted(device: Device, switch: Switch) -> None:
    wait_until(
        lambda: device.is_open() and switch.is_open(),
        LIMIT_SECONDS,
        f"the device does not get in: {device.log()[-3000:]}",
    )


def test_the_exported_file_logs_in_by_ttls_and_pap(school: School, switch: Switch) -> None:
    with school.device(exported(school, "somchai")) as device:
        device.answer("password", PASSWORD)
        admitted(device, switch)
    assert school.methods("somchai") == ["eap-ttls"]
    asked = switch.packets("Access-Request")
    assert {one["User-Name"] for one in asked} == {"anonymous@school.example"}


def test_the_file_logs_in_by_peap_where_the_secret_is_kept(school: School, switch: Switch) -> None:
    whole = school.profile("malee")
    assert whole.methods == (Method.TTLS_PAP, Method.PEAP_MSCHAPV2)
    peap = replace(whole, methods=(Method.PEAP_MSCHAPV2,))
    with school.device(write_supplicant(peap)) as device:
        device.answer("password", PASSWORD)
        admitted(device, switch)
    assert school.methods("malee") == ["eap-peap"]


def test_the_file_logs_in_by_a_certificate_without_any_password(
    school: School, switch: Switch
) -> None:
    p12 = school.folder / "malee.p12"
    school.live.yuenyan(
        *("cert", "client", "malee", "--out", str(p12), "--password-stdin"),
        stdin=f"{FILE_PASSWORD}\n",
    )
    client = ClientFile(pkcs12=p12.read_bytes(), title="malee", ends_at=utc_now())
    profile = onboarding.with_certificate(school.profile("malee"), client)
    with school.device(write_supplicant(profile)) as device:
        device.answer("passphrase", FILE_PASSWORD)
        admitted(device, switch)
    assert school.methods("malee")[-1] == "eap-tls"


@pytest.mark.parametrize("wrong", ["name", "ca"])
def test_a_file_that_wants_another_server_or_ca_tells_nobody_its_password(
    school: School, switch: Switch, wrong: str
) -> None:
    profile = school.profile("somchai")
    if wrong == "name":
        profile = replace(profile, server_names=("radius.other.example",))
        refusal = "err='Domain mismatch'"
    else:
        other = make_authority("Test school", utc_now())
        profile = replace(profile, anchors=(Anchor(other.certificate),))
        refusal = "unable to get (local )?issuer certificate|self-signed certificate"
    before = school.methods("somchai")
    with school.device(write_supplicant(profile)) as device:
        wait_until(
            lambda: "CTRL-EVENT-EAP-TLS-CERT-ERROR" in device.log(),
            LIMIT_SECONDS,
            f"the device does not refuse the server: {device.log()[-3000:]}",
        )
        assert re.search(refusal, device.log())
        wait_until(lambda: "EAP-FAILURE" in device.log(), LIMIT_SECONDS, "no end")
        assert "CTRL-REQ-PASSWORD" not in device.log(), "it asks for the password all the same"
        assert not device.is_open() and not switch.is_open()
    assert school.methods("somchai") == before
