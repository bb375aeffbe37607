"""eapol_test proves passwords by the EAP methods that need no tunnel."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.test_radclient_access import reason_of
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
    pytest.mark.xdist_group("eapol-passwords"),
]

PASSWORD = "ลูกช้าง seven elephants"
KEYLESS = {"MD5", "GTC"}
KINDS = ["sqlite", "postgresql"]
METHODS = ["MD5", "GTC", "MSCHAPV2", "PWD"]


def _site(
    request: pytest.FixtureRequest, factory: pytest.TempPathFactory, kind: str, group: int
) -> LiveSite:
    site = '[site]\nname = "Test school"'
    eap = f'[eap]\nmethods = ["md5", "gtc", "mschapv2", "pwd"]\npwd_group = {group}\n'
    made = site_of_kind(request, factory.mktemp("eapol"), kind, {site: eap + site})
    made.add_nas("gate", LOOPBACK)
    made.add_person("kept", PASSWORD, recoverable="password")
    made.add_person("hashed", PASSWORD, recoverable="nt-hash")
    made.add_person("unkept", PASSWORD)
    return made


@pytest.fixture(scope="module", params=KINDS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveSite]:
    """A server that proposes MD5, GTC, MSCHAPv2 and pwd."""
    require("eapol_test", "eapoltest")
    made = _site(request, tmp_path_factory, request.param, 19)
    with running_radius(made):
        yield made


def supplicant(
    server: LiveSite,
    folder: Path,
    method: str,
    name: str,
    password: str = PASSWORD,
    *options: str,
    fragment_size: int = 0,
) -> bool:
    """Whether eapol_test gets in, with the keys it computed itself where the method makes any."""
    lines = [
        "network={",
        "key_mgmt=WPA-EAP",
        f"eap={method}",
        f'identity="{name}"',
        f'password="{password}"',
        *([f"fragment_size={fragment_size}"] if fragment_size else []),
        "}",
    ]
    path = folder / "supplicant.conf"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    keyless = ["-n"] if method in KEYLESS else []
    run = subprocess.run(
        [
            *(require("eapol_test", "eapoltest"), "-c", str(path), "-a", "127.0.0.1"),
            *("-p", str(server.auth_port), "-s", SECRET, "-t", "4", *keyless, *options),
        ],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=30,
    )
    lasts = run.stdout.splitlines()[-1:]
    assert lasts in (["SUCCESS"], ["FAILURE"]), run.stdout[-2000:]
    return lasts == ["SUCCESS"]


@pytest.mark.parametrize("method", METHODS)
def test_the_right_password_gets_in(server: LiveSite, tmp_path: Path, method: str) -> None:
    assert supplicant(server, tmp_path, method, "kept")
    recorded = {"MSCHAPV2": "eap-mschapv2"}.get(method, f"eap-{method.lower()}")
    assert reason_of(server, "kept") == (recorded, "accept", "ok")


@pytest.mark.parametrize("method", METHODS)
def test_a_wrong_password_does_not(server: LiveSite, tmp_path: Path, method: str) -> None:
    assert not supplicant(server, tmp_path, method, "kept", "another elephant")
    if method != "PWD":  # its peer goes away without a word
        assert reason_of(server, "kept")[1:] == ("reject", "wrong_password")


@pytest.mark.parametrize(
    ("method", "gets_in"), [("MD5", False), ("GTC", True), ("MSCHAPV2", True), ("PWD", True)]
)
def test_what_an_nt_hash_is_enough_for(
    server: LiveSite, tmp_path: Path, method: str, gets_in: bool
) -> None:
    assert supplicant(server, tmp_path, method, "hashed") == gets_in
    if not gets_in:
        assert reason_of(server, "hashed")[2] == "method_needs_recoverable_secret"


@pytest.mark.parametrize("method", ["MD5", "MSCHAPV2", "PWD"])
def test_without_a_kept_secret_that_is_the_reason(
    server: LiveSite, tmp_path: Path, method: str
) -> None:
    assert not supplicant(server, tmp_path, method, "unkept")
    assert reason_of(server, "unkept")[1:] == ("reject", "method_needs_recoverable_secret")


def test_gtc_needs_nothing_kept(server: LiveSite, tmp_path: Path) -> None:
    assert supplicant(server, tmp_path, "GTC", "unkept")


@pytest.mark.parametrize("name", ["hashed", "kept"])
@pytest.mark.parametrize("fragment_size", [40, 100])
def test_pwd_in_fragments_both_ways(
    server: LiveSite, tmp_path: Path, name: str, fragment_size: int
) -> None:
    # -N12: Framed-MTU, by which the server makes its own fragments.
    mtu = f"12:d:{max(fragment_size, 64)}"
    assert supplicant(
        server, tmp_path, "PWD", name, PASSWORD, "-N", mtu, fragment_size=fragment_size
    )


@pytest.mark.parametrize("group", [20, 21])
def test_pwd_with_the_stronger_groups(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
    group: int,
) -> None:
    require("eapol_test", "eapoltest")
    made = _site(request, tmp_path_factory, "sqlite", group)
    with running_radius(made):
        assert supplicant(made, tmp_path, "PWD", "kept")
        assert supplicant(made, tmp_path, "PWD", "hashed")
        assert not supplicant(made, tmp_path, "PWD", "kept", "another elephant")
