"""A phone behind a router with the real openNDS: caught, let in, counted, put out.

docs/walks.md tells which word of the requirement is proven by which of these.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from common import config as configuration
from identity.office import Office
from identity.services import nas as nas_service
from identity.services.nas_portal import seal_portal_settings
from tests.certificates import Authority
from tests.clients import opennds
from tests.clients.opennds import FAR_SIDE, FAR_SIDE6, FASKEY, PHONE_MAC, PORTAL, Router, School
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
_SOON_SECONDS = 40
_ASKING_SECONDS = 15
"""What asking the portal may take on a busy machine."""

SLOW_KBPS = 1000
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
    live.yuenyan("role", "set", "guest", "--down-kbps", str(SLOW_KBPS))
    set_level(live, level)
    live.add_person("somying", PASSWORD)


def set_level(live: LiveSite, level: str) -> None:
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
    with log.open("ab") as stream:
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


def put_out(live: LiveSite) -> None:
    """An officer ends the newest session; what comes of it is seen at the router."""
    live.site.yuenyan("session", "disconnect", sessions(live)[0]["session_id"], "--reason", "test")


def voucher(live: LiveSite) -> str:
    made = live.yuenyan("voucher", "create", "--count", "1", "--role", "guest", "--json").stdout
    code: str = json.loads(made)["codes"][0]
    return code


def holds_limits(router: Router) -> bool:
    """Whether openNDS has what the role grants."""
    client = router.known(PHONE_MAC)
    lasts = int(client["session_end"]) - int(client["session_start"])
    told = {name: client[name] for name in LIMITS}
    # It reckons the end from before it asks the portal, and the beginning from after it.
    return 3600 - _ASKING_SECONDS <= lasts <= 3600 and told == LIMITS


def sign_in(page: Page, portal: str, username: str, password: str) -> None:
    page.goto(f"http://{FAR_SIDE}/")
    page.wait_for_url(f"{portal}/?visit=**")
    page.fill("#username", username)
    page.fill("#password", password)
    page.locator("form button").click()
    page.wait_for_url(f"{portal}/status**")


@dataclass
class Walk:
    """The school, its site, and the phone's browser."""

    net: School
    live: LiveSite
    router: Router
    browser: Browser

    def page(self) -> Page:
        """Of a browser that has never been here, as the one that a camera opens."""
        page = self.browser.new_context(locale="th-TH").new_page()
        page.set_default_timeout(30_000)
        return page

    def soon(self, until: Any, otherwise: str) -> None:
        wait_until(until, _SOON_SECONDS, f"{otherwise}: {sessions(self.live)}")

    def newest(self) -> dict[str, Any]:
        return sessions(self.live)[0]

    def is_slowed_down(self) -> bool:
        """Whether the kernel drops what the phone downloads beyond its rate."""
        self.net.fetch("-m", "1", "-o", "/dev/null", f"http://{FAR_SIDE}/big")
        shown = self.router.run("/mnt/bin/iptables", "-t", "mangle", "-nvxL", "ndsINC").stdout
        dropped = [int(line.split()[0]) for line in shown.splitlines() if " DROP " in line]
        packets = self.router.known(PHONE_MAC)["download_packet_rate"]
        return sum(dropped) > 0 and abs(int(packets) - SLOW_KBPS * 1024 * 60 / 8 / 1500) < 200


@pytest.fixture(scope="module")
def driver() -> Iterator[Playwright]:
    """What drives browsers; there can be one of it in a process."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def opened(
    _made_site: Path, tmp_path_factory: pytest.TempPathFactory, driver: Playwright
) -> Iterator[Walk]:
    """One router at level 1 and one browser for all walks; the portal is started by each."""
    require_root()
    folder = tmp_path_factory.mktemp("opennds")
    live = site_beyond(_made_site, folder, f"http://{PORTAL}")
    at_school(live, "1")
    (folder / "router").mkdir()
    with (
        opennds.school() as net,
        opennds.far_side(net),
        opennds.router(net, folder / "router") as router,
    ):
        browser = driver.chromium.launch(
            executable_path=net.chromium(folder), args=_CHROMIUM_OPTIONS
        )
        yield Walk(net, live, router, browser)
        browser.close()


@pytest.fixture
def walk(opened: Walk) -> Walk:
    """The same, with the phone outside."""
    opened.router.run("ndsctl", "deauth", PHONE_MAC)
    wait_until(opened.net.is_caught, _SOON_SECONDS, "it is not caught")
    return opened


def test_a_phone_is_caught_let_in_counted_signed_out_and_put_out(
    walk: Walk, tmp_path: Path
) -> None:
    net, live = walk.net, walk.live
    assert not net.is_through()
    told = walk.router.run("opennds", "-6")
    assert "IPv6 is not supported yet" in told.stdout + told.stderr, told
    assert not net.reaches(FAR_SIDE6, 80), "openNDS knows no IPv6, and the guard holds it back"
    page = walk.page()
    with portal_beyond(net, live.site):
        sign_in(page, f"http://{PORTAL}", "somying", PASSWORD)
        assert net.is_through()
        walk.soon(lambda: holds_limits(walk.router), str(walk.router.known(PHONE_MAC)))
        row = walk.newest()
        assert (row["account"], row["nas"], row["mac"], row["active"]) == (
            "somying", "gate", PHONE_MAC, True,
        ), "written down before the router opened"  # fmt: skip
        assert not net.reaches(FAR_SIDE6, 80), "by IPv6 nobody passes uncounted"
        assert net.fetch("-o", "/dev/null", "-w", "%{size_download}",
                         f"http://{FAR_SIDE}/big") == "2000000"  # fmt: skip
        (tmp_path / "essay").write_bytes(bytes(300_000))
        net.fetch("-o", "/dev/null", "--data-binary", f"@{tmp_path / 'essay'}",
                  f"http://{FAR_SIDE}/")  # fmt: skip
        walk.soon(
            lambda: walk.newest()["output_octets"] >= 1_900_000, "not counted while it goes on"
        )
    # Portal and agent restart; the phone stays in, and what it uses meanwhile is told later.
    walk.router.die("yuenyan-opennds run$")
    assert net.fetch("-o", "/dev/null", "-w", "%{size_download}",
                     f"http://{FAR_SIDE}/big") == "2000000"  # fmt: skip
    with portal_beyond(net, live.site):
        page.reload()
        page.locator("form[action*='/sign-out'] button").click()
        page.wait_for_url(f"http://{PORTAL}/?**signed_out=1**")
        walk.soon(net.is_caught, "signed out, and still in")
        walk.soon(lambda: walk.newest()["terminate_cause"] is not None, "no stop came")
        row = walk.newest()
        assert row["output_octets"] >= 4_000_000 and row["input_octets"] >= 300_000, row

        sign_in(page, f"http://{PORTAL}", "somying", PASSWORD)
        assert net.is_through()
        put_out(live)
        walk.soon(net.is_caught, "put out by the officer, and still in")
        walk.soon(lambda: walk.newest()["terminate_cause"] == 6, "no stop came")


def test_a_slip_s_code_opened_by_the_camera_lets_the_phone_in_at_its_rate(walk: Walk) -> None:
    net, live = walk.net, walk.live
    assert not net.is_through()
    with portal_beyond(net, live.site):
        # Nothing of this phone was seen here: the form leads through the gateway and back.
        page = walk.page()
        page.goto(f"http://{PORTAL}/v?c={voucher(live)}")
        page.locator("a[href^='http://192.0.2.1/v?c=']").click()
        page.wait_for_url(f"http://{PORTAL}/voucher?**")
        assert page.input_value("#code")
        page.locator("form button").click()
        page.wait_for_url(f"http://{PORTAL}/status**")
        assert net.is_through()

        # The first looks find it above its rate; from then on what is too much is dropped.
        wait_until(walk.is_slowed_down, _SOON_SECONDS, "its rate is not kept")

        # The router's own page signs the phone out.
        page.goto(f"http://{opennds.ROUTER}:{opennds.ROUTER_PORT}/opennds_deny/")
        walk.soon(net.is_caught, "signed out, and still in")
        walk.soon(lambda: walk.newest()["terminate_cause"] == 1, "no stop of the guest came")

        # The sheet has just shown the login page; the camera opens another browser.
        sheet, camera = walk.page(), walk.page()
        sheet.goto(f"http://{FAR_SIDE}/")
        sheet.wait_for_url(f"http://{PORTAL}/?visit=**")
        camera.goto(f"http://{PORTAL}/v?c={voucher(live)}")
        camera.locator("form button").click()
        camera.wait_for_url(f"http://{PORTAL}/status**")
        assert net.is_through()
        put_out(live)
        walk.soon(net.is_caught, "put out by the officer, and still in")


def test_when_opennds_dies_nobody_passes_and_it_comes_back_by_itself(walk: Walk) -> None:
    net, live = walk.net, walk.live
    page = walk.page()
    with portal_beyond(net, live.site):
        sign_in(page, f"http://{PORTAL}", "somying", PASSWORD)
        assert net.is_through()
        walk.soon(lambda: walk.newest()["output_octets"] > 0, "not counted")
        walk.router.die("opennds.conf$")
        wait_until(lambda: not net.is_through(), 15, "dead, and it passes uncounted")
        assert not net.reaches(FAR_SIDE, 443) and not net.reaches(FAR_SIDE6, 80)
        address, _, port = PORTAL.partition(":")
        # The agent opens the way to the portal with its first report after that.
        wait_until(
            lambda: net.is_caught() and net.reaches(address, int(port)),
            60, "it does not start again over what it left behind",
        )  # fmt: skip
        sign_in(page, f"http://{PORTAL}", "somying", PASSWORD)
        assert net.is_through()
        assert walk.newest()["active"]
        put_out(live)
        walk.soon(net.is_caught, "put out by the officer, and still in")


@pytest.mark.matrix
def test_at_level_2_the_redirect_is_encrypted(
    _made_site: Path, tmp_path: Path, driver: Playwright
) -> None:
    require_root()
    require("php", "php-cli")
    live = site_beyond(_made_site, tmp_path, f"http://{PORTAL}")
    at_school(live, "2")
    (tmp_path / "router").mkdir()
    with (
        opennds.school() as net,
        opennds.far_side(net),
        portal_beyond(net, live.site),
        opennds.router(net, tmp_path / "router", level=2) as router,
    ):
        browser = driver.chromium.launch(
            executable_path=net.chromium(tmp_path), args=_CHROMIUM_OPTIONS
        )
        page = browser.new_context(locale="th-TH").new_page()
        sign_in(page, f"http://{PORTAL}", "somying", PASSWORD)
        assert net.is_through()
        wait_until(lambda: holds_limits(router), _SOON_SECONDS, str(router.known(PHONE_MAC)))
        put_out(live)
        wait_until(net.is_caught, _SOON_SECONDS, "put out by the officer, and still in")
        # What comes at another level than the one that was set is not read.
        set_level(live, "1")
        page.goto(f"http://{FAR_SIDE}/")
        page.locator("h1").wait_for()
        assert "visit=" not in page.url
        browser.close()


@pytest.mark.matrix
def test_over_tls_the_router_fetches_whom_to_let_in_and_busybox_is_enough_for_the_rest(
    _made_site: Path, tmp_path: Path, driver: Playwright
) -> None:
    require_root()
    require("php", "php-cli")
    portal = f"https://{NAME}"
    beyond = site_beyond(_made_site, tmp_path, portal)
    at_school(beyond, "3")
    authority = Authority(tmp_path)
    folder = tmp_path / "router"
    folder.mkdir()
    with (
        opennds.school() as net,
        opennds.far_side(net),
        portal_beyond(net, beyond.site),
        opennds.encrypted(net, authority.issue(NAME, [NAME])),
        opennds.router(net, folder, level=3, host=NAME, ca=authority.ca) as router,
    ):
        browser = driver.chromium.launch(
            executable_path=net.chromium(tmp_path),
            args=(*_CHROMIUM_OPTIONS, f"--host-resolver-rules=MAP {NAME} {PORTAL[:-5]}"),
        )
        page = browser.new_context(locale="th-TH", ignore_https_errors=True).new_page()
        sign_in(page, portal, "somying", PASSWORD)
        assert net.is_through()
        wait_until(lambda: holds_limits(router), _SOON_SECONDS, str(router.known(PHONE_MAC)))
        assert net.fetch("-o", "/dev/null", "-w", "%{size_download}",
                         f"http://{FAR_SIDE}/big") == "2000000"  # fmt: skip
        (row,) = sessions(beyond)
        assert (row["account"], row["mac"], row["active"]) == ("somying", PHONE_MAC, True)
        put_out(beyond)
        wait_until(net.is_caught, _SOON_SECONDS, "put out by the officer, and still in")
        wait_until(
            lambda: sessions(beyond)[0]["terminate_cause"] == 6, _SOON_SECONDS,
            f"no stop came: {sessions(beyond)}",
        )  # fmt: skip
        assert sessions(beyond)[0]["output_octets"] >= 2_000_000
        browser.close()
