"""The generated Wi-Fi file in the hands of eapol_test, through a change of the CA.

To the file is added what its user would type: the password.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from common.clock import utc_now
from identity.office import Office
from identity.onboarding.linux import write_supplicant
from identity.onboarding.profile import Anchor, ClientFile, Method, Profile
from identity.pki.authority import make_authority
from identity.services import onboarding, people
from tests.conftest import wait_until
from tests.integration.radius_site import (
    LOOPBACK,
    SECRET,
    LiveSite,
    running_radius,
    site_of_kind,
)
from tests.programs import require

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(120),
    pytest.mark.xdist_group("onboarding-eapol"),
]

PASSWORD = "seven green elephants"
SECTION = '[onboarding]\nssids = ["โรงเรียน 1X", "Second"]\nrealm = "school.example"\n[portal]\n'


@dataclass(frozen=True, slots=True)
class School:
    live: LiveSite
    folder: Path

    def profile(self, name: str) -> Profile:
        office = Office.open(self.live.site.config)
        try:
            with office.database.read() as session:
                return onboarding.profile_of(session, office.config, people.get(session, name))
        finally:
            office.database.dispose()

    def lets_in(self, file: bytes, typed: str) -> bool:
        """Whether the server lets a device in that was set up with `file`."""
        path = self.folder / "generated.conf"
        path.write_bytes(file.replace(b"\n}\n", f"\n  {typed}\n}}\n".encode(), 1))
        run = subprocess.run(
            [
                *(require("eapol_test", "eapoltest"), "-c", str(path), "-a", "127.0.0.1"),
                *("-p", str(self.live.auth_port), "-s", SECRET, "-t", "5"),
            ],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=40,
        )
        assert run.stdout.splitlines()[-1:] in (["SUCCESS"], ["FAILURE"]), run.stdout[-2000:]
        return run.stdout.splitlines()[-1:] == ["SUCCESS"]


@pytest.fixture(scope="module")
def school(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[School]:
    require("eapol_test", "eapoltest")
    folder = tmp_path_factory.mktemp("onboarding-eapol")
    live = site_of_kind(request, folder, "sqlite", {"[portal]\n": SECTION})
    live.add_nas("gate", LOOPBACK)
    live.add_person("malee", PASSWORD, recoverable="nt-hash")
    live.yuenyan("cert", "server", "--name", "radius.school.example")
    with running_radius(live):
        yield School(live, folder)


def test_each_method_of_a_profile_logs_in(school: School) -> None:
    profile = school.profile("malee")
    assert profile.methods == (Method.TTLS_PAP, Method.PEAP_MSCHAPV2)
    for method in profile.methods:
        file = write_supplicant(replace(profile, methods=(method,)))
        assert school.lets_in(file, f'password="{PASSWORD}"'), method
        assert not school.lets_in(file, 'password="seven pink elephants"'), method
    p12 = school.folder / "malee.p12"
    school.live.yuenyan(
        *("cert", "client", "malee", "--out", str(p12), "--password-stdin"), stdin="of the file\n"
    )
    client = ClientFile(pkcs12=p12.read_bytes(), title="malee", ends_at=utc_now())
    tls = write_supplicant(onboarding.with_certificate(profile, client))
    assert school.lets_in(tls, 'private_key_passwd="of the file"')


def test_a_profile_with_another_name_or_ca_does_not_log_in(school: School) -> None:
    profile = school.profile("malee")
    stranger = make_authority("Test school", utc_now())
    for other in (
        replace(profile, server_names=("radius.other.example",)),
        # A server beside ours, with a certificate of the same CA.
        replace(profile, server_names=("school.example",)),
        replace(profile, anchors=(Anchor(stranger.certificate),)),
    ):
        assert not school.lets_in(write_supplicant(other), f'password="{PASSWORD}"')


def test_a_profile_handed_out_during_a_rollover_goes_on_after_it(school: School) -> None:
    before = school.profile("malee")
    school.live.yuenyan("cert", "rollover")
    during = school.profile("malee")
    assert len(during.anchors) == 2 and during.anchors[0] == before.anchors[0]
    password = f'password="{PASSWORD}"'
    assert school.lets_in(write_supplicant(during), password)
    school.live.yuenyan("cert", "rollover", "--finish")
    alone = replace(during, anchors=during.anchors[1:])
    wait_until(lambda: school.lets_in(write_supplicant(alone), password), 10, "no new CA")
    for profile in (during, before):
        # The old one goes on, too: the server sends what the old CA says of the new.
        assert school.lets_in(write_supplicant(profile), password)
    assert school.profile("malee").anchors == during.anchors[1:]
