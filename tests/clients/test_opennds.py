"""A phone behind a router with the real openNDS: caught, let in, counted, put out.

docs/walks.md tells which word of the requirement is proven by which of these.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from common import config as configuration
from db.engine import Database
from identity.office import Office
from identity.services import nas as nas_service
from identity.services.nas_portal import seal_portal_settings
from identity.services.sessions import SessionView, list_sessions
from tests.certificates import Authority
from tests.clients import opennds
from tests.clients.namespaces import inside
from tests.clients.opennds import (
    FAR_SIDE,
    FAR_SIDE6,
    FASKEY,
    PHONE6,
    PHONE_MAC,
    PORTAL,
    Router,
    School,
)
from tests.conftest import Site, wait_until
from tests.integration.radius_site import LiveSite, live_site
from tests.programs import require, require_root

pytestmark = [
    pytest.mark.real,
    pytest.mark.root,
    pytest.mark.timeout(300),
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

SECOND6, OTHERS6, FORGED6 = "fd77::abcd", "fd77::66", "fd77::bad"
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
    live.yuenyan("role", "set", "guest", "--down-kbps", str(SLOW_KBPS), "--up-kbps", str(SLOW_KBPS))
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


def sessions(live: LiveSite) -> Sequence[SessionView]:
    """Newest first."""
    database = Database(live.site.config.database_url)
    try:
        with database.read() as session:
            return list_sessions(session)
    finally:
        database.dispose()


def put_out(live: LiveSite) -> None:
    """An officer ends the newest session; what comes of it is seen at the router."""
    live.site.yuenyan("session", "disconnect", sessions(live)[0].session_key, "--reason", "test")


def voucher(live: LiveSite) -> str:
    made = live.yuenyan("voucher", "create", "--count", "1", "--role", "guest", "--json").stdout
    code: str = json.loads(made)["codes"][0]
    return code


def holds_limits(router: Router) -> bool:
    """Whether the router has what the role grants: openNDS, and the table that keeps the rates."""
    table = router.run("nft", "-t", "list", "table", "inet", "yuenyan_opennds").stdout
    device = PHONE_MAC.replace(":", "")
    if f"limit up_{device}_5000 {{" not in table or f"limit down_{device}_20000 {{" not in table:
        return False
    client = router.known(PHONE_MAC)
    told = {name: client[name] for name in LIMITS}
    if set(told.values()) == {"null"}:
        return True  # it did not ask while ndsctl was at work; the agent did
    lasts = int(client["session_end"]) - int(client["session_start"])
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

    def soon(self, until: Callable[[], object], otherwise: str) -> None:
        wait_until(until, _SOON_SECONDS, f"{otherwise}: {sessions(self.live)[:1]}")

    def newest(self) -> SessionView:
        return sessions(self.live)[0]

    def is_out(self) -> bool:
        """Whether the phone reaches nobody beyond, by either family."""
        return not self.net.is_through(FAR_SIDE6) and self.net.is_caught()

    def is_out_soon(self, otherwise: str) -> None:
        self.soon(self.is_out, otherwise)

    def is_through_soon(self) -> None:
        """By IPv4 at once, by IPv6 as soon as the portal has its addresses on record."""
        assert self.net.is_through()
        self.soon(lambda: self.net.is_through(FAR_SIDE6), "it does not pass by IPv6")


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
    assert not net.is_through() and not net.is_through(FAR_SIDE6)
    told = walk.router.run("opennds", "-6")
    assert "IPv6 is not supported yet" in told.stdout + told.stderr, "what passes is our doing"
    both = f"far.example:80:[{FAR_SIDE6}],{FAR_SIDE}"
    caught = net.fetch("--resolve", both, "-w", "%{time_total} %{redirect_url}", "-o", "/dev/null",
                       "http://far.example/")  # fmt: skip
    assert "/p/gate/?fas=" in caught and float(caught.split()[0]) < 3, "it tries IPv6 first"
    page = walk.page()
    with portal_beyond(net, live.site):
        sign_in(page, f"http://{PORTAL}", "somying", PASSWORD)
        assert net.is_through()
        walk.is_through_soon()
        row = walk.newest()
        assert (row.account, row.nas, row.mac, row.until) == ("somying", "gate", PHONE_MAC, None)
        assert PHONE6 in {span.address for span in walk.newest().addresses}
        walk.soon(lambda: holds_limits(walk.router), str(walk.router.known(PHONE_MAC)))
        # A phone makes itself new addresses; it does not take those of others.
        for address in (SECOND6, OTHERS6):
            inside(net.phone, "ip", "addr", "add", f"{address}/64", "dev", "outside")
        inside(net.router, "ip", "neigh", "replace", OTHERS6, "lladdr", "3c:22:fb:0a:0b:0c",
               "dev", "inside", "nud", "permanent")  # fmt: skip
        # And what a forged solicitation leaves: the phone's MAC, where the phone has never sent.
        inside(net.router, "ip", "neigh", "replace", FORGED6, "lladdr", PHONE_MAC,
               "dev", "inside", "nud", "permanent")  # fmt: skip
        walk.soon(lambda: net.is_through(FAR_SIDE6, SECOND6), "its new address does not pass")
        known = {span.address for span in walk.newest().addresses}
        assert SECOND6 in known and FORGED6 not in known
        assert not net.is_through(FAR_SIDE6, OTHERS6)
        for address in (SECOND6, OTHERS6):
            inside(net.phone, "ip", "addr", "del", f"{address}/64", "dev", "outside")
        found = live.yuenyan(
            "lookup", "--at", datetime.now(UTC).isoformat(), "--address", SECOND6,
            "--case", "walk", "--reason", "test", "--json",
        )  # fmt: skip
        assert [one["account"] for one in json.loads(found.stdout)["candidates"]] == ["somying"]
        (tmp_path / "essay").write_bytes(bytes(300_000))
        for address in (FAR_SIDE, FAR_SIDE6):
            net.download(address)
            net.upload(address, tmp_path / "essay")
        # A report may come in the middle of it, and the next one that is kept a minute later.
        wait_until(
            lambda: walk.newest().output_octets >= 3_900_000, 75, "not counted while it goes on"
        )
    # Portal and agent restart; the phone stays in, and what it uses meanwhile is told later.
    walk.router.die("yuenyan-opennds run$")
    net.download(FAR_SIDE)
    net.download(FAR_SIDE6)
    with portal_beyond(net, live.site):
        page.reload()
        page.locator("form[action*='/sign-out'] button").click()
        page.wait_for_url(f"http://{PORTAL}/?**signed_out=1**")
        walk.is_out_soon("signed out, and still in")
        walk.soon(lambda: walk.newest().terminate_cause is not None, "no stop came")
        row = walk.newest()
        assert row.output_octets >= 8_000_000 and row.input_octets >= 600_000, row

        sign_in(page, f"http://{PORTAL}", "somying", PASSWORD)
        walk.is_through_soon()
        put_out(live)
        walk.is_out_soon("put out by the officer, and still in")
        walk.soon(lambda: walk.newest().terminate_cause == 6, "no stop came")


def test_a_slip_s_code_opened_by_the_camera_lets_the_phone_in_at_its_rate(
    walk: Walk, tmp_path: Path
) -> None:
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
        walk.is_through_soon()

        # What was not used in a second may be used in the next, and one joined packet.
        *came, seconds = net.rates(3, tmp_path)
        allowed = SLOW_KBPS * 125 * (seconds + 1) + 65536
        for octets in came:
            assert 0.5 * SLOW_KBPS * 125 * 3 < octets < 1.05 * allowed, (came, seconds)

        # The router's own page signs the phone out.
        page.goto(f"http://{opennds.ROUTER}:{opennds.ROUTER_PORT}/opennds_deny/")
        walk.is_out_soon("signed out, and still in")
        walk.soon(lambda: walk.newest().terminate_cause == 1, "no stop of the guest came")

        # The sheet has just shown the login page; the camera opens another browser.
        sheet, camera = walk.page(), walk.page()
        sheet.goto(f"http://{FAR_SIDE}/")
        sheet.wait_for_url(f"http://{PORTAL}/?visit=**")
        camera.goto(f"http://{PORTAL}/v?c={voucher(live)}")
        camera.locator("form button").click()
        camera.wait_for_url(f"http://{PORTAL}/status**")
        walk.is_through_soon()
        put_out(live)
        walk.is_out_soon("put out by the officer, and still in")


def test_when_opennds_dies_nobody_passes_and_it_comes_back_by_itself(walk: Walk) -> None:
    net, live = walk.net, walk.live
    page = walk.page()
    with portal_beyond(net, live.site):
        sign_in(page, f"http://{PORTAL}", "somying", PASSWORD)
        walk.is_through_soon()
        walk.soon(lambda: walk.newest().output_octets > 0, "not counted")
        walk.router.die("opennds.conf$")
        wait_until(
            lambda: not net.is_through() and not net.is_through(FAR_SIDE6),
            15, "dead, and it passes uncounted",
        )  # fmt: skip
        assert not net.reaches(FAR_SIDE, 443)
        address, _, port = PORTAL.partition(":")
        # The agent opens the way to the portal with its first report after that.
        wait_until(
            lambda: net.is_caught() and net.reaches(address, int(port)),
            60, "it does not start again over what it left behind",
        )  # fmt: skip
        assert not net.is_through(FAR_SIDE6), "it has to sign in by IPv4 first"
        sign_in(page, f"http://{PORTAL}", "somying", PASSWORD)
        walk.is_through_soon()
        assert walk.newest().until is None
        put_out(live)
        walk.is_out_soon("put out by the officer, and still in")


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
        net.download(FAR_SIDE)
        wait_until(lambda: net.is_through(FAR_SIDE6), _SOON_SECONDS, "it does not pass by IPv6")
        (row,) = sessions(beyond)
        assert (row.account, row.mac, row.until) == ("somying", PHONE_MAC, None)
        assert PHONE6 in {span.address for span in row.addresses}
        put_out(beyond)
        wait_until(net.is_caught, _SOON_SECONDS, "put out by the officer, and still in")
        wait_until(
            lambda: sessions(beyond)[0].terminate_cause == 6, _SOON_SECONDS,
            f"no stop came: {sessions(beyond)}",
        )  # fmt: skip
        assert sessions(beyond)[0].output_octets >= 2_000_000
        browser.close()
