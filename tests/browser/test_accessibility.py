"""All pages against WCAG 2.2 AA, as far as a program can see it (axe-core), and their weight.

What only people can judge, such as whether a text helps, is not here. The public pages have a
budget because the first of them is fetched on a school's worst line.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from identity.office import Office
from tests.browser import catalogue
from tests.browser.conftest import Phone
from tests.browser.test_admin_pages import school_day, sign_in
from tests.conftest import add_person

__all__ = ["school_day"]

pytestmark = pytest.mark.real

MakePhone = Callable[..., Phone]

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],
}
LOGIN_OCTETS, LOGIN_COMPRESSED = 30_000, 12_000
MOST_OCTETS = 50_000
MOST_REQUESTS = 2
PASSWORD = "password of theirs"

_AXE = Axe()


def complaints(page: Page) -> list[str]:
    """What axe has against the page, one line an element."""
    found: Mapping[str, Any] = _AXE.run(page, options=RULES).response
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:150]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def public_addresses(portal: str, page: Page, office: Office) -> dict[str, str]:
    """Name -> address of each page of the public portal, also for somebody signed in."""
    add_person(office, "somying", PASSWORD)
    page.goto(portal)
    page.fill("#username", "somying")
    page.fill("#password", PASSWORD)
    page.locator("form button").first.click()
    signed = parse_qs(urlsplit(page.url).query)["s"][0]
    page.context.clear_cookies()
    addresses = {name: portal + path for name, path in catalogue.PUBLIC.items()}
    for name, path in catalogue.SIGNED_IN.items():
        joint = "&" if "?" in path else "?"
        addresses[f"{name} signed in"] = f"{portal}{path}{joint}s={signed}"
    return addresses


@pytest.mark.sampled
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("language", ["th", "en"])
def test_public_pages_and_their_errors_have_nothing_that_axe_complains_of(
    portal: str, phone: MakePhone, office: Office, language: str, dark: bool
) -> None:
    device = phone(width=320, language=language, dark=dark)
    addresses = public_addresses(portal, device.page, office)
    found: dict[str, list[str]] = {}
    for name, address in addresses.items():
        device.page.goto(address)
        found[name] = complaints(device.page)
        device.screenshot(f"walk-{name.replace(' ', '-')}-{language}-320")
        sent = _send_empty(device.page)
        if sent:
            found[f"{name}, sent empty"] = complaints(device.page)
            assert device.overflow() <= 0, name
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.usefixtures("school_day")
@pytest.mark.sampled
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("language", ["th", "en"])
def test_admin_pages_have_nothing_that_axe_complains_of(
    admin_portal: str, phone: MakePhone, language: str, dark: bool
) -> None:
    page = phone(width=1280, language=language, dark=dark).page
    page.goto(f"{admin_portal}/sign-in")
    found = {"sign-in": complaints(page)}
    sign_in(page, admin_portal)
    for name, path in catalogue.ADMIN.items():
        page.goto(admin_portal + path)
        found[name] = complaints(page)
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize("language", ["th", "en"])
def test_public_pages_keep_to_their_budget_without_scripts_and_at_twice_the_size(
    portal: str, phone: MakePhone, office: Office, language: str
) -> None:
    device = phone(width=640, language=language, script=False)
    addresses = public_addresses(portal, device.page, office)
    for name, address in addresses.items():
        device.answers.clear()
        device.page.goto(address)
        bodies = [answer.body() for answer in device.answers]
        weight, most = sum(map(len, bodies)), MOST_OCTETS
        if name == "login.form":
            most = LOGIN_OCTETS
            assert sum(len(gzip.compress(body)) for body in bodies) <= LOGIN_COMPRESSED
        assert weight <= most, (name, weight)
        assert len(bodies) <= MOST_REQUESTS, name
        assert device.hosts() == {portal.removeprefix("http://")}, name
        assert device.page.locator("h1").count() == 1, name
        assert device.page.locator("html").get_attribute("lang") == language
        assert device.page.locator("form:not(:has(button))").count() == 0, name
        device.page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert device.overflow() <= 0, name


def _send_empty(page: Page) -> bool:
    """Send the first form of the page with nothing in it; False when it has none to send."""
    form = page.locator("main form[method=post]").first
    if form.count() == 0 or "sign-out" in (form.get_attribute("action") or ""):
        return False
    form.evaluate("form => { form.noValidate = true }")
    with page.expect_navigation():
        form.locator("button").first.click()
    return True
