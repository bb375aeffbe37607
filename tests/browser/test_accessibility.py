"""Every page of both portals: WCAG 2.2 AA as far as axe-core can see it, room, and weight.

What only people can judge, such as whether a text helps, is not here; the walks leave pictures of
all pages for them. Both portals are walked without scripts. The public pages have a budget because
the first of them is fetched on a school's worst line.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import CDPSession, Page

from tests.browser import catalogue, furnished
from tests.browser.conftest import Phone, running
from tests.browser.test_admin_pages import school_day, sign_in

__all__ = ["school_day"]

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

MakePhone = Callable[..., Phone]

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],
}
LOGIN_OCTETS, LOGIN_COMPRESSED = 30_000, 12_000
MOST_OCTETS = 50_000
MOST_REQUESTS = 2
SMALL, LARGE, LEAST_TARGET = (320, 740), (1280, 800), 44
_TOO_SMALL = """least => [...document.querySelectorAll(
    'main a, header a, footer a, button, summary, select, textarea, input:not([type=hidden])'
)].map(one => one.matches('[type=checkbox], [type=radio]') ? one.closest('label') || one : one)
  .filter(one => one.checkVisibility() && !one.closest('.skip') && !one.matches('.skip'))
  .map(one => [one.outerHTML.slice(0, 150), one.getBoundingClientRect()])
  .filter(([_, box]) => box.width > 0 && box.height < least)
  .map(([html, box]) => `${box.height} px high: ${html}`)
"""
_THAI = re.compile(r"[ก-๛]")


@dataclass(frozen=True, slots=True)
class School:
    """A running portal with something on every page."""

    address: str
    sign_ins: Mapping[str, str]
    full_code: str

    def pages(self) -> Mapping[str, str]:
        """Name -> address of each page of the catalogue."""
        found = {name: self.address + path for name, path in catalogue.PUBLIC.items()}
        for name, (who, path) in catalogue.SIGNED_IN.items():
            joint = "&" if "?" in path else "?"
            found[name] = f"{self.address}{path}{joint}s={self.sign_ins[who]}"
        return found


@pytest.fixture(scope="module")
def school(_made_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    site = furnished.make_site(_made_site, tmp_path_factory.mktemp("furnished"))
    with running(site, "portal", site.config.portal.listen) as address:
        yield School(address, furnished.sign_ins(site), furnished.full_code(site))


@dataclass(frozen=True, slots=True)
class Walker:
    """A browser that runs no scripts, except for axe."""

    device: Phone
    language: str
    emulation: CDPSession

    @classmethod
    def of(cls, device: Phone, language: str) -> Walker:
        emulation = device.page.context.new_cdp_session(device.page)
        walker = cls(device, language, emulation)
        walker.let_scripts_run(False)
        return walker

    def let_scripts_run(self, run: bool) -> None:
        self.emulation.send("Emulation.setScriptExecutionDisabled", {"value": not run})

    def complaints(self) -> list[str]:
        """What axe has against the page, one line an element."""
        self.let_scripts_run(True)
        page = self.device.page
        page.evaluate(AXE_SCRIPT)
        # Of what axe tells only this is brought over: the rest is most of it, and nobody reads it.
        found: list[Mapping[str, Any]] = page.evaluate(
            "rules => axe.run(rules).then(found => found.violations)", RULES
        )
        self.let_scripts_run(False)
        return [
            f"{one['id']} ({one['impact']}): {node['html'][:150]}"
            for one in found
            for node in one["nodes"]
        ]

    def small_and_large(self, name: str) -> list[str]:
        """What is wrong at 320 pixels, in large letters and on a desk; pictures of the page."""
        device, found = self.device, self.complaints()
        for width, height in (SMALL, LARGE):
            device.page.set_viewport_size({"width": width, "height": height})
            if device.overflow() > 0:
                found.append(f"wider than {width} px by {device.overflow()}")
            if width == SMALL[0] or self.language == "th":
                device.screenshot(f"walk-{name}-{self.language}-{width}")
        # Twice the letters on a screen twice as wide: what WCAG 1.4.4 and 1.4.10 ask for.
        device.page.set_viewport_size({"width": 2 * SMALL[0], "height": SMALL[1]})
        device.page.evaluate("document.documentElement.style.fontSize = '200%'")
        if device.overflow() > 0:
            found.append(f"wider than the screen by {device.overflow()} in letters of 200 %")
        device.page.set_viewport_size({"width": SMALL[0], "height": SMALL[1]})
        return found


def too_small(page: Page) -> list[str]:
    """What is to be touched and is less than 44 pixels high."""
    found: list[str] = page.evaluate(_TOO_SMALL, LEAST_TARGET)
    return found


def too_heavy(device: Phone, name: str, host: str) -> list[str]:
    """What is wrong with what the page made the browser fetch."""
    bodies = [answer.body() for answer in device.answers]
    weight, most, found = sum(map(len, bodies)), MOST_OCTETS, []
    if name.startswith("login.form"):
        most = LOGIN_OCTETS
        compressed = sum(len(gzip.compress(body)) for body in bodies)
        if compressed > LOGIN_COMPRESSED:
            found.append(f"{compressed} octets compressed")
    if weight > most:
        found.append(f"{weight} octets")
    if len(bodies) > MOST_REQUESTS:
        found.append(f"{len(bodies)} requests")
    if device.hosts() != {host}:
        found.append(f"asks others: {device.hosts()}")
    return found


def is_whole(page: Page, language: str) -> list[str]:
    """What every page has: one heading, its language, a title, a button to each form."""
    found = []
    if page.locator("h1").count() != 1:
        found.append(f"{page.locator('h1').count()} headings of level 1")
    if page.locator("html").get_attribute("lang") != language:
        found.append("another language")
    if page.locator("form:not(:has(button))").count():
        found.append("a form without a button")
    if language == "th" and not _THAI.search(page.locator("h1").first.inner_text()):
        found.append("a heading that is not Thai")
    return found


def send_empty(page: Page) -> bool:
    """Send the first form that asks for something, with nothing in it; False when there is none."""
    form = page.locator("main form[method=post]:has([required]):not(details *)").first
    if form.count() == 0:
        return False
    form.evaluate("form => { form.noValidate = true }")
    with page.expect_navigation():
        form.locator("button").first.click()
    return True


@pytest.mark.parametrize(("language", "dark"), [("th", False), ("en", True)])
def test_every_public_page_and_its_errors_on_a_phone_and_a_desk_without_scripts(
    school: School, phone: MakePhone, language: str, dark: bool
) -> None:
    device = phone(width=SMALL[0], language=language, dark=dark)
    walker = Walker.of(device, language)
    found: dict[str, list[str]] = {}
    for name, address in school.pages().items():
        device.answers.clear()
        device.page.goto(address)
        wrong = too_heavy(device, name, school.address.removeprefix("http://"))
        wrong += is_whole(device.page, language) + too_small(device.page)
        found[name] = wrong + walker.small_and_large(f"public-{file_name(name)}")
        device.page.goto(address)
        if send_empty(device.page):
            found[f"{name}, sent empty"] = walker.complaints()
            assert device.overflow() <= 0, name
            device.screenshot(f"walk-public-{file_name(name)}-empty-{language}-{SMALL[0]}")
    assert {name: lines for name, lines in found.items() if lines} == {}


def to_certificate(page: Page, school: School, language: str) -> None:
    """The page that tells the password of a certificate's file, once."""
    sign_in_text = school.sign_ins["somsri"]
    page.goto(f"{school.address}/join/certificates?lang={language}&s={sign_in_text}")
    with page.expect_navigation():
        page.locator("form:has(input[name=key]) button").click()


def to_hand_over(page: Page, school: School, language: str) -> None:
    """The page with the one-time token for a gateway, before it is sent on."""
    page.goto(f"{school.address}/p/hotspot/?lang={language}&mac=3C:22:FB:01:02:03")
    page.fill("#username", "somsri")
    page.fill("#password", furnished.PASSWORD)
    with page.expect_navigation():
        page.locator("form button").first.click()


def to_devices(page: Page, school: School, language: str) -> None:
    """The devices of a code that another device has."""
    page.goto(f"{school.address}/p/hotspot/?lang={language}&mac=3C:22:FB:01:02:09")
    page.goto(page.url.replace("/?", "/voucher?", 1))
    page.fill("#code", school.full_code)
    with page.expect_navigation():
        page.locator("form:has(#code) button").click()
    with page.expect_navigation():
        page.locator("form[action*='/voucher/devices'] button").click()


BEHIND_FORMS = {
    "join_certificates.issue": (to_certificate, "/join/certificates"),
    "connect.show": (to_hand_over, "/connect"),
    "released.devices": (to_devices, "/voucher/devices"),
}
"""Name -> how it is come by, and its path: pages without an address that could be opened."""


@pytest.mark.parametrize(("language", "dark"), [("th", False), ("en", True)])
def test_every_page_behind_a_form_on_a_phone_and_a_desk_without_scripts(
    school: School, phone: MakePhone, language: str, dark: bool
) -> None:
    device = phone(width=SMALL[0], language=language, dark=dark)
    walker = Walker.of(device, language)
    found: dict[str, list[str]] = {}
    for name, (come_by, path) in BEHIND_FORMS.items():
        come_by(device.page, school, language)
        assert path in device.page.url, (name, device.page.locator("body").inner_text())
        wrong = is_whole(device.page, language) + too_small(device.page)
        found[name] = wrong + walker.small_and_large(f"public-{file_name(name)}")
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.usefixtures("school_day")
@pytest.mark.parametrize(("language", "dark"), [("th", True), ("en", False)])
def test_every_admin_page_on_a_phone_and_a_desk_without_scripts(
    admin_portal: str, phone: MakePhone, language: str, dark: bool
) -> None:
    device = phone(width=LARGE[0], language=language, dark=dark)
    walker = Walker.of(device, language)
    device.page.goto(f"{admin_portal}/sign-in")
    found = {"sign-in": walker.small_and_large("admin-sign-in")}
    sign_in(device.page, admin_portal)
    for name, path in catalogue.ADMIN.items():
        device.page.set_viewport_size({"width": LARGE[0], "height": LARGE[1]})
        device.page.goto(admin_portal + path)
        found[name] = is_whole(device.page, language)
        found[name] += walker.small_and_large(f"admin-{file_name(name)}")
    assert device.hosts() == {admin_portal.removeprefix("http://")}
    assert {name: lines for name, lines in found.items() if lines} == {}


def file_name(name: str) -> str:
    """A page's name as one of a picture."""
    return re.sub(r"[^A-Za-z_.]+", "-", name)
