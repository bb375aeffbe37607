"""What `yuenyan cert` makes, in the hands of eapol_test, at a server that is never restarted."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.test_radclient_access import reason_of
from tests.conftest import wait_until
from tests.integration.radius_site import (
    LOOPBACK,
    SECRET,
    LiveSite,
    Server,
    running_radius,
    site_of_kind,
)
from tests.programs import require

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

PASSWORD = "seven elephants"
NAME = "radius.school.ac.th"
TAKEN_UP_SECONDS = 5.0


@pytest.fixture(params=["sqlite", "postgresql"])
def live(request: pytest.FixtureRequest, tmp_path: Path) -> LiveSite:
    """A site with one person, and a server certificate with a name to match."""
    require("eapol_test", "eapoltest")
    made = site_of_kind(request, tmp_path, request.param)
    made.add_nas("gate", LOOPBACK)
    made.add_person("somchai", PASSWORD)
    made.yuenyan("cert", "server", "--name", NAME)
    return made


@pytest.fixture
def server(live: LiveSite) -> Iterator[Server]:
    with running_radius(live) as running:
        yield running


def supplicant(live: LiveSite, folder: Path, *lines: str) -> bool:
    """Whether eapol_test gets in with this network block."""
    path = folder / "supplicant.conf"
    path.write_text("\n".join(["network={", "key_mgmt=WPA-EAP", *lines, "}"]) + "\n")
    run = subprocess.run(
        [
            *(require("eapol_test", "eapoltest"), "-c", str(path), "-a", "127.0.0.1"),
            *("-p", str(live.auth_port), "-s", SECRET, "-t", "5"),
        ],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=30,
    )
    return run.stdout.splitlines()[-1:] == ["SUCCESS"]


def by_certificate(live: LiveSite, folder: Path, p12: Path, password: str, ca: Path) -> bool:
    return supplicant(
        live, folder, "eap=TLS", 'identity="anonymous"', f'ca_cert="{ca}"',
        f'private_key="{p12}"', f'private_key_passwd="{password}"',
        f'domain_suffix_match="{NAME}"',
    )  # fmt: skip


def by_password(live: LiveSite, folder: Path, ca: Path, name: str = NAME) -> bool:
    return supplicant(
        live, folder, "eap=TTLS", 'phase2="auth=PAP"', 'identity="somchai"',
        f'password="{PASSWORD}"', f'ca_cert="{ca}"', f'domain_suffix_match="{name}"',
    )  # fmt: skip


def _export(live: LiveSite, path: Path) -> Path:
    live.yuenyan("cert", "ca", "--out", str(path))
    return path


def _issue(live: LiveSite, path: Path, *options: str) -> Path:
    live.yuenyan(
        *("cert", "client", "somchai", "--out", str(path), "--password-stdin", *options),
        stdin=PASSWORD + "\n",
    )
    return path


@pytest.mark.parametrize("options", [(), ("--rsa", "--cipher", "modern")], ids=["ec", "rsa"])
def test_a_certificate_lets_its_account_in_until_it_is_revoked(
    live: LiveSite, server: Server, tmp_path: Path, options: tuple[str, ...]
) -> None:
    ca = _export(live, tmp_path / "exported.pem")
    p12 = _issue(live, tmp_path / "phone.p12", *options)
    other = _issue(live, tmp_path / "other.p12")
    assert by_certificate(live, tmp_path, p12, PASSWORD, ca)
    assert reason_of(live, "somchai") == ("eap-tls", "accept", "ok")
    serial = live.rows("SELECT serial FROM certificate WHERE kind = 'client' ORDER BY id")[0][0]
    live.yuenyan("cert", "revoke", serial, "--reason", "key-compromise")
    wait_until(
        lambda: not by_certificate(live, tmp_path, p12, PASSWORD, ca),
        TAKEN_UP_SECONDS,
        "a revoked certificate still gets in",
    )
    assert by_certificate(live, tmp_path, other, PASSWORD, ca)


def test_a_renewed_server_certificate_is_presented_without_a_restart(
    live: LiveSite, server: Server, tmp_path: Path
) -> None:
    ca = _export(live, tmp_path / "exported.pem")
    assert by_password(live, tmp_path, ca)
    assert not by_password(live, tmp_path, ca, "other.school.ac.th")
    live.yuenyan("cert", "server", "--name", "other.school.ac.th", "--rsa")
    wait_until(
        lambda: by_password(live, tmp_path, ca, "other.school.ac.th"),
        TAKEN_UP_SECONDS,
        "the new certificate is not presented",
    )


def test_a_rollover_breaks_neither_old_devices_nor_new_ones(
    live: LiveSite, server: Server, tmp_path: Path
) -> None:
    before = _export(live, tmp_path / "before.pem")
    early = _issue(live, tmp_path / "early.p12")
    live.yuenyan("cert", "rollover")
    both = _export(live, tmp_path / "both.pem")
    amid = _issue(live, tmp_path / "amid.p12")
    for ca in (before, both):
        assert by_password(live, tmp_path, ca)
    assert by_certificate(live, tmp_path, early, PASSWORD, before)
    wait_until(
        lambda: by_certificate(live, tmp_path, amid, PASSWORD, both),
        TAKEN_UP_SECONDS,
        "a certificate of the CA to come is not accepted",
    )
    live.yuenyan("cert", "rollover", "--finish")
    after = _export(live, tmp_path / "after.pem")
    wait_until(
        lambda: by_password(live, tmp_path, after),
        TAKEN_UP_SECONDS,
        "the certificate of the new CA is not presented",
    )
    for ca in (before, both, after):
        assert by_password(live, tmp_path, ca)
        for p12 in (early, amid):
            assert by_certificate(live, tmp_path, p12, PASSWORD, ca)
