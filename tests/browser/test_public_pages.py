"""A visitor's whole way through the public portal, in a real browser on a small screen."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from db.models import UsageDay
from identity.office import Office
from identity.services import registrations, roles
from tests.browser.conftest import Phone
from tests.conftest import ADMIN, ADMIN_PASSWORD, add_person

pytestmark = pytest.mark.real

MakePhone = Callable[..., Phone]


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
@pytest.mark.parametrize("language", ["th", "en"])
def test_a_visitor_registers_comes_back_and_signs_in(
    portal: str, phone: MakePhone, office: Office, language: str, script: bool
) -> None:
    device = phone(width=320, language=language, script=script)
    page = device.page
    page.goto(portal)
    page.locator("main a[href*=register]").click()
    page.fill("#full_name", "สมหญิง ใจดี")
    page.fill("#contact", "081 234 5678")
    page.fill("#purpose", "ประชุมผู้ปกครอง")
    page.fill("#username", "Somying")
    page.fill("#password", "short")
    page.locator("form button").click()
    expect(page.locator("[role=alert] li")).to_have_count(2)
    expect(page.locator("#full_name")).to_have_value("สมหญิง ใจดี")
    expect(page.locator("#password")).to_have_attribute("aria-invalid", "true")
    assert device.overflow() <= 0
    device.screenshot(f"public-register-errors-{language}")
    page.fill("#password", "seven green elephants")
    page.fill("#password_again", "seven green elephants")
    page.check("#accept")
    page.locator("form button").click()

    reference = page.locator(".number").inner_text()
    assert len(reference) == 9
    assert f"/registration/{reference}" in page.url
    assert device.overflow() <= 0
    device.screenshot(f"public-reference-{language}")
    page.context.clear_cookies()

    with office.database.write() as session:
        registrations.approve(session, office, reference, ADMIN)
    later = phone(width=320, language=language, script=script)
    later.page.goto(f"{portal}/registration/")
    later.page.fill("#reference", reference.lower().replace("-", " "))
    later.page.locator("form button").click()
    expect(later.page.locator(".good")).to_be_visible()
    later.screenshot(f"public-approved-{language}")
    later.page.locator("a.button").click()
    expect(later.page.locator("#username")).to_have_value("somying")
    later.page.fill("#password", "seven green elephants")
    later.page.locator("form button").click()
    expect(later.page.locator("dd", has_text="สมหญิง ใจดี")).to_be_visible()
    assert later.overflow() <= 0
    assert later.hosts() | device.hosts() == {portal.removeprefix("http://")}


@pytest.mark.parametrize("language", ["th", "en"])
def test_signing_in_wrongly_rightly_and_out_again(
    portal: str, phone: MakePhone, language: str
) -> None:
    device = phone(language=language, script=False, dark=language == "en")
    page = device.page
    page.goto(portal)
    page.fill("#username", ADMIN)
    page.fill("#password", "รหัสผ่าน")
    page.locator("form button").click()
    expect(page.locator("[role=alert] p")).to_have_count(2)
    expect(page.locator("#username")).to_have_value(ADMIN)
    device.screenshot(f"public-wrong-password-{language}")
    page.context.clear_cookies()
    page.fill("#password", ADMIN_PASSWORD)
    page.locator("form button").click()
    expect(page.locator("dd", has_text=ADMIN).first).to_be_visible()
    device.screenshot(f"public-signed-in-{language}")
    page.context.clear_cookies()
    signed_in_at = page.url
    page.reload()
    expect(page.locator("dd", has_text=ADMIN).first).to_be_visible()
    page.locator("form button").click()
    expect(page.locator("[role=status]")).to_be_visible()
    page.goto(signed_in_at)
    expect(page.locator("dd")).to_have_count(0)


@pytest.mark.parametrize("language", ["th", "en"])
@pytest.mark.parametrize("width", [320, 1280])
def test_the_status_page_shows_what_is_left_on_a_small_screen_without_scripts(
    portal: str, phone: MakePhone, office: Office, language: str, width: int
) -> None:
    account_id = add_person(office, "somying")
    limits = {"quota_mb_day": 500, "quota_mb_month": 20_000, "quota_minutes_week": 600}
    with office.database.write() as session:
        roles.set_role(session, office, "student", limits, "test")
        roles.set_hours(session, office, "student", "daily 00:00-23:59", "test")
        today = office.clock().astimezone(ZoneInfo(office.config.site.timezone)).date()
        session.add(
            UsageDay(
                session_key="k", day=today, account_id=account_id, octets=512_000_000,
                seconds=7500, counted_octets=0, counted_seconds=0, counted_until=office.clock(),
            )
        )  # fmt: skip
    device = phone(width=width, language=language, script=False)
    device.page.goto(portal)
    device.page.fill("#username", "somying")
    device.page.fill("#password", "password of theirs")
    device.page.locator("form button").first.click()
    expect(device.page.locator("meter")).to_have_count(3)
    expect(device.page.locator(".over")).to_have_count(1)
    assert device.overflow() <= 0
    device.screenshot(f"public-status-left-{language}-{width}")
