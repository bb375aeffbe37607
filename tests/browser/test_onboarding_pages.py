"""Setting a device up in Chromium: phone and desktop, both languages, without a script."""

from __future__ import annotations

import plistlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from common import config as configuration
from tests.browser.conftest import Phone, running
from tests.conftest import Site

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

PASSWORD = "seven green elephants"
SECTION = """
[onboarding]
ssids = ["School-1X"]
realm = "school.ac.th"
name_th = "โรงเรียนบ้านหนองน้ำใส"
name_en = "Ban Nong Nam Sai School"
certificate_roles = ["student"]
"""
NAME = "wifi.school.ac.th"
"""What people see, as they would through the office's proxy."""
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) {}Mobile/15E148{}"
)
SAFARI = IPHONE.format("Version/17.5 ", " Safari/604.1")
SHEET = IPHONE.format("", "")


@pytest.fixture
def school(live_site: Site) -> Iterator[str]:
    """The address of a portal that sets devices up; somchai is a student there."""
    text = live_site.config_file.read_text(encoding="utf-8") + SECTION
    text = text.replace("[portal]\n", f'[portal]\npublic_url = "https://{NAME}"\n')
    live_site.config_file.write_text(text, encoding="utf-8")
    site = Site(live_site.config_file, configuration.load(live_site.config_file))
    for arguments, typed in (
        (("cert", "server", "--name", "radius.school.ac.th"), ""),
        (("user", "add", "somchai", "--role", "student", "--password-stdin"), f"{PASSWORD}\n"),
    ):
        assert site.yuenyan(*arguments, stdin=typed).exit_code == 0
    with running(site, "portal", site.config.portal.listen) as address:
        yield address


def follow(page: Page, selector: str) -> None:
    """Press what leads to another page, and wait until it is there."""
    with page.expect_navigation():
        page.click(selector)


def sign_in(page: Page, address: str) -> None:
    page.goto(address)
    page.fill("#username", "somchai")
    page.fill("#password", PASSWORD)
    follow(page, "form button")


def test_a_device_is_set_up_from_the_first_page_to_the_file(
    school: str, phone: Callable[..., Phone], tmp_path: Path
) -> None:
    """One walk: sheet, Safari, desktop, certificate; each page in its width and language."""
    sheet = phone(width=390, language="th", script=False, user_agent=SHEET)
    sign_in(sheet.page, school)
    sheet.screenshot("onboarding-status-th-390")
    follow(sheet.page, "a[href*='/join?']")
    assert sheet.overflow() == 0
    sheet.screenshot("onboarding-sheet-th-390")
    told = sheet.page.inner_text("main")
    assert "Safari" in told and f"{NAME}/join" in told

    for language, width in (("th", 390), ("en", 390), ("th", 320), ("en", 1280), ("th", 1280)):
        browser = phone(
            width=width, language=language, script=False, user_agent=SAFARI, accept_downloads=True
        )
        sign_in(browser.page, school)
        browser.answers.clear()
        follow(browser.page, "a[href*='/join?']")
        assert len(browser.answers) == 1, "the page loads something"
        assert browser.overflow() == 0
        if width != 320:
            browser.screenshot(f"onboarding-ios-{language}-{width}")
        for details in browser.page.query_selector_all("summary"):
            details.click()
        assert browser.overflow() == 0
        if (language, width) in (("th", 390), ("en", 1280)):
            browser.screenshot(f"onboarding-all-{language}-{width}")
        for target in browser.page.query_selector_all("main a.button, summary"):
            box = target.bounding_box()
            assert box is not None and box["height"] >= 44, target.inner_text()

    with browser.page.expect_download() as got:
        browser.page.click("a[href*='/join/file/ios']")
    assert got.value.suggested_filename == "school-1x.mobileconfig"
    path = tmp_path / "signed.mobileconfig"
    got.value.save_as(path)
    octets = path.read_bytes()
    plain = octets[octets.index(b"<?xml") : octets.index(b"</plist>") + len(b"</plist>")]
    eap = next(
        part["EAPClientConfiguration"]
        for part in plistlib.loads(plain)["PayloadContent"]
        if part["PayloadType"] == "com.apple.wifi.managed"
    )
    assert (eap["UserName"], eap["TLSTrustedServerNames"]) == ("somchai", ["radius.school.ac.th"])

    taker = phone(width=390, language="en", script=False, user_agent=SAFARI)
    sign_in(taker.page, school)
    follow(taker.page, "a[href*='/join?']")
    follow(taker.page, "a[href*='/join/certificates']")
    taker.screenshot("onboarding-certificates-en-390")
    follow(taker.page, "form button")
    taker.screenshot("onboarding-certificate-en-390")
    assert taker.overflow() == 0
    follow(taker.page, "a[href*='t=']")
    assert "password of the certificate file" in taker.page.inner_text("main")
    taker.screenshot("onboarding-with-certificate-en-390")
