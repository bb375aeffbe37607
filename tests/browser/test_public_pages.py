"""A visitor's whole way through the public portal, in a real browser on a small screen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from identity.office import Office
from identity.services import registrations
from tests.browser.conftest import Phone
from tests.conftest import ADMIN, ADMIN_PASSWORD

pytestmark = pytest.mark.real

MakePhone = Callable[..., Phone]
PAGES = ("/", "/voucher", "/register", "/registration/", "/notice", "/status", "/nowhere")
BUDGET_OCTETS = 30_000


@pytest.mark.parametrize("language", ["th", "en"])
@pytest.mark.parametrize("width", [320, 375, 1280])
def test_every_page_fits_the_screen_and_asks_only_its_own_host(
    portal: str, phone: MakePhone, width: int, language: str
) -> None:
    device = phone(width=width, language=language)
    for path in PAGES:
        device.answers.clear()
        device.page.goto(portal + path)
        assert device.page.locator("html").get_attribute("lang") == language
        assert device.overflow() <= 0, path
        assert device.hosts() == {portal.removeprefix("http://")}, path
        assert len(device.answers) <= 2, path
        assert sum(len(answer.body()) for answer in device.answers) <= BUDGET_OCTETS, path
        name = path.strip("/") or "login"
        device.screenshot(f"public-{name}-{language}-{width}")
