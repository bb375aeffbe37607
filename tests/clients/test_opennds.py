"""A phone behind a router with the real openNDS: caught, let in, counted, put out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from common import config as configuration
from identity.office import Office
from identity.services import nas as nas_service
from identity.services.nas_portal import seal_portal_settings
from tests.certificates import Authority
from tests.clients import opennds
from tests.clients.opennds import FAR_SIDE, FASKEY, PHONE_MAC, PORTAL, School
from tests.conftest import Site, wait_until
from tests.integration.radius_site import LiveSite, live_site
from tests.programs import require, require_root

pytestmark = [
    pytest.mark.real,
    pytest.mark.root,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("opennds"),
]

PASSWORD = "seven green elephants"
NAME = "portal.school.example"
_CHROMIUM_OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
_SOON_SECONDS = 15
LIMITS = {
    "download_rate_limit_threshold": "20000",
    "upload_rate_limit_threshold": "5000",
    "download_quota": "97656",
    "upload_quota": "97656",
}
"""Of the role that `at_school` limits, as ndsctl tells them."""


def at_school(live: LiveSite, level: str) -> None:
    """Register the router as an officer does, with the key that openNDS has."""
    live.add_nas(
        "gate", f"{opennds.UPLINK}/32", "--vendor", "opennds",
        "--login-url", f"http://{opennds.ROUTER}:{opennds.ROUTER_PORT}/opennds_auth/",
    )  # fmt: skip
    live.yuenyan(
        "role", "set", "student", "--session-seconds", "3600", "--quota-mb-day", "100",
        "--down-kbps", "20000", "--up-kbps", "5000",
    )  # fmt: skip
    office = Office.open(live.site.config)
    with office.database.write() as session:
        nas = nas_service.get(session, "gate")
        nas.portal_settings_encrypted = seal_portal_settings(
            office, {"faskey": FASKEY, "level": level}
        )
    office.database.dispose()


@contextmanager
def portal_beyond(net: School, site: Site) -> Iterator[None]:
    """`yuenyan portal` on the server."""
    log = site.config_file.with_name("portal.log")
    with log.open("wb") as stream:
        running = subprocess.Popen(
            ["ip", "netns", "exec", net.server, sys.executable, "-P", "-m", "yuenyan.cli",
             "--config", str(site.config_file), "portal"],
            stdout=stream, stderr=stream, cwd="/",
        )  # fmt: skip
    try:
        wait_until(
            lambda: running.poll() is not None or "ok" in net.told(
                net.server, "curl", "-s", "-m", "2", f"http://{PORTAL}/healthz"
            ),
            60, "the portal does not answer",
        )  # fmt: skip
        assert running.poll() is None, log.read_text()
        yield
    finally:
        running.terminate()
        assert running.wait(30) == 0, log.read_text()


def site_beyond(template: Path, folder: Path, public_url: str) -> LiveSite:
    """A site whose portal is at an address of the server's."""
    live = live_site(folder, template)
    path = live.site.config_file
    text = path.read_text(encoding="utf-8")
    old = f'[portal]\nlisten = "{live.site.config.portal.listen}"'
    assert old in text
    path.write_text(
        text.replace(
            old,
            f'[portal]\nlisten = "{PORTAL}"\npublic_url = "{public_url}"\n'
            f'trusted_proxies = ["{PORTAL.partition(":")[0]}/32"]',
        ),
        encoding="utf-8",
    )
    return LiveSite(Site(path, configuration.load(path)), 0, 0, 0)


def sessions(live: LiveSite) -> list[dict[str, Any]]:
    """Newest first."""
    listed: list[dict[str, Any]] = json.loads(live.yuenyan("session", "list", "--json").stdout)
    return listed


def holds_limits(known: Callable[[str], dict[str, str]]) -> bool:
    """Whether openNDS has what the role grants."""
    client = known(PHONE_MAC)
    lasts = int(client["session_end"]) - int(client["session_start"])
    told = {name: client[name] for name in LIMITS}
    # Its two moments are taken one after the other, in whole seconds.
    return abs(lasts - 3600) <= 2 and told == LIMITS


def sign_in(page: Page, portal: str, username: str, password: str) -> None:
    page.goto(f"http://{FAR_SIDE}/")
    page.wait_for_url(f"{portal}/?visit=**")
    page.fill("#username", username)
    page.fill("#password", password)
    page.locator("form button").click()
    page.wait_for_url(f"{portal}/status**")


def test_a_phone_is_caught_let_in_counted_put_out_and_comes_back_with_a_voucher(
    _made_site: Path, tmp_path: Path
) -> None:
    require_root()
    portal = f"http://{PORTAL}"
    beyond = site_beyond(_made_site, tmp_path, portal)
    at_school(beyond, "1")
    beyond.add_person("somying", PASSWORD)
    made = beyond.yuenyan("voucher", "create", "--count", "1", "--role", "guest", "--json").stdout
    code = json.loads(made)["codes"][0]
    folder = tmp_path / "router"
    folder.mkdir()
    with (
        opennds.school() as net,
        opennds.far_side(net),
        portal_beyond(net, beyond.site),
        opennds.router(net, folder) as known,
        sync_playwright() as playwright,
    ):
        assert not net.is_through()
        browser = playwright.chromium.launch(
            executable_path=net.chromium(tmp_path), args=_CHROMIUM_OPTIONS
        )
        page = browser.new_context(locale="th-TH").new_page()

        sign_in(page, portal, "somying", PASSWORD)
        assert net.is_through()
        assert holds_limits(known), known(PHONE_MAC)
        (row,) = sessions(beyond)
        assert (row["account"], row["nas"], row["mac"], row["active"]) == (
            "somying", "gate", PHONE_MAC, True,
        ), "written down before the router opened"  # fmt: skip
        assert net.fetch("-o", "/dev/null", "-w", "%{size_download}",
                         f"http://{FAR_SIDE}/big") == "2000000"  # fmt: skip
        (tmp_path / "essay").write_bytes(bytes(300_000))
        net.fetch("-o", "/dev/null", "--data-binary", f"@{tmp_path / 'essay'}",
                  f"http://{FAR_SIDE}/")  # fmt: skip
        wait_until(
            lambda: sessions(beyond)[0]["output_octets"] >= 1_900_000, _SOON_SECONDS,
            f"not counted while it goes on: {sessions(beyond)}",
        )  # fmt: skip

        ended = beyond.yuenyan("session", "disconnect", row["session_id"], "--reason", "test")
        assert ended.stdout == f"{row['session_id']}: ended\n"
        wait_until(net.is_caught, _SOON_SECONDS, "put out by the officer, and still in")
        wait_until(
            lambda: sessions(beyond)[0]["terminate_cause"] == 6, _SOON_SECONDS,
            f"no stop came: {sessions(beyond)}",
        )  # fmt: skip
        (row,) = sessions(beyond)
        assert row["output_octets"] >= 2_000_000 and row["input_octets"] >= 300_000, row
        assert not row["active"]

        page.goto(f"http://{FAR_SIDE}/")
        page.wait_for_url(f"http://{PORTAL}/?visit=**")
        page.locator("a[href*=voucher]").first.click()
        page.fill("#code", code)
        page.locator("form button").click()
        page.wait_for_url(f"http://{PORTAL}/status**")
        assert net.is_through()

        # The router's own page signs the phone out.
        left = net.fetch(
            "-o", "/dev/null", "-w", "%{http_code}",
            f"http://{opennds.ROUTER}:{opennds.ROUTER_PORT}/opennds_deny/",
        )  # fmt: skip
        assert left in ("200", "307"), left
        wait_until(net.is_caught, _SOON_SECONDS, "signed out, and still in")
        wait_until(
            lambda: not sessions(beyond)[0]["active"], _SOON_SECONDS, "no stop of the guest came"
        )
        assert sessions(beyond)[0]["terminate_cause"] == 1, sessions(beyond)
        assert len(sessions(beyond)) == 2
        browser.close()


@pytest.mark.matrix
def test_over_tls_the_router_fetches_whom_to_let_in_and_busybox_is_enough_for_the_rest(
    _made_site: Path, tmp_path: Path
) -> None:
    require_root()
    require("php", "php-cli")
    portal = f"https://{NAME}"
    beyond = site_beyond(_made_site, tmp_path, portal)
    at_school(beyond, "3")
    beyond.add_person("somying", PASSWORD)
    authority = Authority(tmp_path)
    folder = tmp_path / "router"
    folder.mkdir()
    with (
        opennds.school() as net,
        opennds.far_side(net),
        portal_beyond(net, beyond.site),
        opennds.encrypted(net, authority.issue(NAME, [NAME])),
        opennds.router(net, folder, level=3, host=NAME, ca=authority.ca) as known,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=net.chromium(tmp_path),
            args=(*_CHROMIUM_OPTIONS, f"--host-resolver-rules=MAP {NAME} {PORTAL[:-5]}"),
        )
        page = browser.new_context(locale="th-TH", ignore_https_errors=True).new_page()
        sign_in(page, portal, "somying", PASSWORD)
        assert net.is_through()
        assert holds_limits(known), known(PHONE_MAC)
        assert net.fetch("-o", "/dev/null", "-w", "%{size_download}",
                         f"http://{FAR_SIDE}/big") == "2000000"  # fmt: skip
        (row,) = sessions(beyond)
        assert (row["account"], row["mac"], row["active"]) == ("somying", PHONE_MAC, True)
        beyond.yuenyan("session", "disconnect", row["session_id"])
        wait_until(net.is_caught, _SOON_SECONDS, "put out by the officer, and still in")
        wait_until(
            lambda: sessions(beyond)[0]["terminate_cause"] == 6, _SOON_SECONDS,
            f"no stop came: {sessions(beyond)}",
        )  # fmt: skip
        assert sessions(beyond)[0]["output_octets"] >= 2_000_000
        browser.close()
