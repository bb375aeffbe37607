"""An administrator's way through the admin portal, in a real browser, small and large."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from captive_portal.web.drafts import draft_rules
from common import config as configuration
from db.models import Message
from identity.domain.levels import Level
from identity.domain.registers import Action, Register
from identity.office import Office
from identity.services import api_tokens, guardians, people, published, registers, roles
from identity.services.api_tokens import Wanted
from identity.services.published import Kind, Written
from identity.services.reach import EVERYWHERE
from identity.services.registers import Step
from tests.browser.conftest import SCREENSHOTS, Phone, running
from tests.conftest import ADMIN, ADMIN_PASSWORD, Site
from tests.unit.captive_portal.admin import seed

pytestmark = pytest.mark.real

MakePhone = Callable[..., Phone]


def sign_in(
    page: Page, address: str, username: str = ADMIN, password: str = ADMIN_PASSWORD
) -> None:
    page.goto(f"{address}/sign-in")
    page.fill("#username", username)
    page.fill("#password", password)
    page.locator("button.main").click()
    page.wait_for_url(f"{address}/")


@pytest.fixture
def school_day(office: Office) -> None:
    """A database with something on every page."""
    seed.add_officers(office)
    seed.add_school_day(office)
    seed.add_exhibit(office)
    facts = {
        "office": "สถานีตำรวจภูธรเมืองชัยภูมิ จังหวัดชัยภูมิ", "officer": "พ.ต.ท. สมศักดิ์ ใจตรง",
        "officer_id": "12345", "basis": "s18-2", "document_number": "ตช 0018(ชย)/123",
        "scope": "ผู้ใช้ 203.0.113.7", "from_at": "2567-10-01", "to_at": "2567-10-02",
        "about": "2001:db8:1234:5678:90ab:cdef:1234:5678",
    }  # fmt: skip
    came = datetime(2024, 10, 20, tzinfo=UTC)
    steps = (
        Step(action=Action.APPROVED, note="ครบถ้วนตามมาตรา 18 (2)"),
        Step(action=Action.DELIVERED, to_whom="พ.ต.ท. สมศักดิ์ ใจตรง", sha256="a1" * 32),
    )
    with office.database.write() as session:
        entry = registers.add(session, office, Register.REQUEST, facts, "head", received_at=came)
        for step in steps:
            registers.take_step(session, office, entry.number, step, "head")
    with office.database.write() as session:
        wanted = Wanted(name="จอแสดงสถานะห้องเครื่อง", levels=[Level.CUSTODIAN], days=90)
        api_tokens.create(session, office, people.get(session, ADMIN), wanted, ADMIN)
        roles.set_guardian_consent(session, office, "student", True, ADMIN)
        consent = {
            "guardian": "นางสมศรี น้ำผึ้งป่า", "relation": "mother", "how": "paper",
            "given_on": "1/11/2568", "text_version": "2568-1", "document": "ศธ 04001/77",
        }  # fmt: skip
        given = guardians.read_line(consent, "Asia/Bangkok", office.clock())
        pupil = guardians.find_person(session, EVERYWHERE, seed.SCHOOL, "45120")
        guardians.record(session, office, pupil, given, ADMIN)
    with office.database.write() as session:
        rules = {
            language: Written(text=draft_rules(language), summary="ฉบับแรก · the first one")
            for language in ("th", "en")
        }
        published.publish(session, office, Kind.ACCEPTABLE_USE, "2569-1", rules, "head")
        now = office.clock()
        for index, (state, error) in enumerate(
            (
                ("sent", None),
                ("waiting", None),
                ("failed", "550 5.1.1 no such mailbox"),
                ("late", None),
            )
        ):
            session.add(
                Message(
                    channel="sms" if index == 1 else "mail",
                    recipient="+66812345678" if index == 1 else "somying@home.example",
                    about=f"registration ABCDEFG{index}",
                    state=state,
                    created_at=now,
                    next_try_at=now,
                    expires_at=now + timedelta(minutes=30),
                    attempts=index,
                    sent_at=now if state == "sent" else None,
                    last_error=error,
                )
            )


def test_a_phone_shows_all_of_a_new_secret_and_room_above_each_hint(
    admin_portal: str, phone: MakePhone
) -> None:
    page = phone(width=390, language="en").page
    sign_in(page, admin_portal)
    page.goto(f"{admin_portal}/nas/new")
    secret = page.locator("#secret")
    assert len(secret.input_value()) == 32
    # One secret in a hundred: a line that ended at the hyphen would make a third one.
    secret.fill("-" + 31 * "m")
    for way in ("Width", "Height"):
        assert secret.evaluate(f"field => field.scroll{way} - field.client{way}") <= 0
    hint = page.locator("#secret-hint")
    assert hint.evaluate("hint => getComputedStyle(hint).marginTop") == "4px"


@pytest.mark.usefixtures("school_day")
@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_an_administrator_decides_issues_and_looks_up(
    admin_portal: str, phone: MakePhone, office: Office, script: bool
) -> None:
    device = phone(width=375, language="en", script=script)
    page = device.page
    sign_in(page, admin_portal)

    page.locator("summary").click()
    page.locator(".drawer a[href='/registrations/']").click()
    for box in page.locator("input[name=reference]").all()[:2]:
        box.check()
    page.locator(".bar button").click()
    expect(page.locator(".flash.done")).to_have_text("2 registrations approved.")

    page.locator("tbody a").first.click()
    page.fill("#reason", "ไม่มีผู้รับรอง")
    page.locator("button.danger").click()
    expect(page.locator(".flash.done")).to_contain_text("Rejected")

    page.goto(f"{admin_portal}/vouchers/new")
    page.fill("#name", "ค่ายภาษา")
    page.fill("#count", "12")
    page.locator("button.main").click()
    page.get_by_role("link", name="Print, 24 on a page").click()
    expect(page.locator("article")).to_have_count(12)
    device.screenshot("admin-voucher-sheet")

    local = (office.clock() - timedelta(minutes=5)).astimezone(ZoneInfo("Asia/Bangkok"))
    page.goto(f"{admin_portal}/lookup/")
    page.fill("#address", "10.20.3.41")
    page.fill("#at", f"{local:%d/%m}/{local.year + 543} {local:%H:%M:%S}")
    page.fill("#case", "12/2569")
    page.fill("#reason", "หมายศาล")
    page.get_by_role("button", name="Look up").click()
    expect(page.locator(".answer h2")).to_have_text("One account held this address")
    expect(page.locator(".candidate h3")).to_contain_text("บุคคล ")
    expect(page.locator(".level")).to_contain_text("ปกติ")
    assert device.overflow() <= 0
    device.screenshot("admin-lookup-answer-375")
    page.get_by_role("button", name="Show the names").click()
    expect(page.locator(".candidate h3")).to_have_text("พิมพ์ชนก น้ำผึ้งป่า")
    expect(page.locator(".level.secret")).to_contain_text("ลับ")
    assert device.overflow() <= 0
    device.screenshot("admin-lookup-names-375")
    page.get_by_role("link", name="Its traffic").click()
    page.fill("#case", "12/2569")
    page.fill("#reason", "หมายศาล")
    page.get_by_role("button", name="Look up").click()
    expect(page.locator(".answer h2")).to_have_text("0 flows")
    assert device.overflow() <= 0

    page.locator("summary").click()
    page.locator(".drawer form button").click()
    expect(page.locator(".flash")).to_have_text("You are signed out.")
    page.goto(f"{admin_portal}/people/")
    expect(page.locator("#password")).to_be_visible()


@pytest.mark.usefixtures("school_day")
@pytest.mark.parametrize(("layout", "pages"), [("24", 2), ("10", 3)])
def test_the_voucher_sheet_prints_on_the_pages_it_was_laid_out_for(
    admin_portal: str, phone: MakePhone, layout: str, pages: int
) -> None:
    device = phone(width=1280)
    sign_in(device.page, admin_portal)
    device.page.goto(f"{admin_portal}/vouchers/1/print?layout={layout}")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"admin-voucher-sheet-{layout}.pdf"
    sheet = device.page.pdf(path=path, prefer_css_page_size=True)
    assert sheet.count(b"/Type /Page\n") == pages
    # No text of a card is cut off at its edge.
    cut = device.page.evaluate(
        "[...document.querySelectorAll('article')].filter("
        "card => card.scrollHeight > card.clientHeight || card.scrollWidth > card.clientWidth"
        ").length"
    )
    assert cut == 0


@pytest.mark.usefixtures("school_day")
@pytest.mark.parametrize("language", ["th", "en"])
def test_an_administrator_sets_up_roles_devices_and_approvers_without_scripts(
    admin_portal: str, phone: MakePhone, office: Office, language: str
) -> None:
    device = phone(width=320, language=language, script=False)
    page = device.page
    sign_in(page, admin_portal)
    page.goto(f"{admin_portal}/roles/")
    page.locator("a.main").click()
    page.fill("#name", "laboratory")
    page.fill("#vlan", "30")
    page.fill("#egress_vlans", "voice")
    page.locator("form.sheet button.main").click()
    expect(page.locator(".flash.error")).to_be_visible()
    expect(page.locator("#vlan")).to_have_value("30")
    assert device.overflow() <= 0
    device.screenshot(f"admin-role-error-{language}-320")
    page.fill("#egress_vlans", "20, untagged 40")
    page.locator("form.sheet button.main").click()
    expect(page.locator(".flash.done")).to_contain_text("laboratory")

    page.goto(f"{admin_portal}/nas/2")
    page.locator("section button.main").click()
    expect(page.locator(".flash.error")).to_be_visible()
    page.check("[name=confirmed]")
    page.locator("section button.main").click()
    expect(page.locator(".flash.done")).to_be_visible()
    page.select_option("#vendor", "aruba")
    page.fill("#coa_port", "3798")
    page.locator("form.sheet button.main").click()
    expect(page.locator("#coa_port")).to_have_value("3798")
    expect(page.locator("#vendor")).to_have_value("aruba")

    page.goto(f"{admin_portal}/people/7")
    page.check("[name=role][value=student]")
    page.locator("form[action$=scope] button").click()
    expect(page.locator("[name=role][value=student]")).to_be_checked()
    page.select_option("#recoverable", "nt-hash")
    page.locator("form[action$=recoverable] button").click()
    expect(page.locator("#recoverable")).to_have_value("nt-hash")
    assert device.overflow() <= 0
    device.screenshot(f"admin-approver-done-{language}-320")


@pytest.mark.usefixtures("school_day")
@pytest.mark.parametrize("language", ["th", "en"])
@pytest.mark.parametrize("width", [320, 1280])
def test_two_officers_unlock_a_name_without_scripts(
    live_site: Site, phone: MakePhone, office: Office, width: int, language: str
) -> None:
    text = live_site.config_file.read_text(encoding="utf-8")
    live_site.config_file.write_text(f"{text}[lookup]\nsecond_person = true\n", encoding="utf-8")
    site = Site(live_site.config_file, configuration.load(live_site.config_file))
    with running(site, "admin", site.config.admin.listen) as address:
        asker, second = (phone(width=width, language=language, script=False) for _ in range(2))
        sign_in(asker.page, address, "prasan", seed.OFFICER_PASSWORD)
        sign_in(second.page, address, "kepkhomun", seed.OFFICER_PASSWORD)
        page = asker.page
        local = (office.clock() - timedelta(minutes=5)).astimezone(ZoneInfo("Asia/Bangkok"))
        page.goto(f"{address}/lookup/?kind=mac")
        page.fill("#mac", "a6:b4:c6:01:02:01")
        page.fill("#at", f"{local.day}/{local.month}/{local.year + 543} {local:%H.%M} น.")
        page.fill("#tolerance_seconds", "60")
        page.fill("#case", "12/2569")
        page.fill("#reason", "หมายศาล")
        page.locator("form.sheet button.main").click()
        expect(page.locator(".candidate h3")).to_contain_text("บุคคล ")
        assert asker.overflow() <= 0
        asker.screenshot(f"admin-lookup-device-answer-{language}-{width}")
        page.locator("form.sheet button.danger").click()
        page.wait_for_url(f"{address}/lookup/unlocks/1")
        second.page.goto(f"{address}/lookup/unlocks/1")
        second.page.fill("#note", "ตรวจหมายแล้ว")
        assert second.overflow() <= 0
        second.screenshot(f"admin-unlock-decide-{language}-{width}")
        second.page.locator("button[value=approve]").click()
        expect(second.page.locator(".flash.done")).to_be_visible()
        second.page.goto(f"{address}/lookup/unlocks/")
        assert second.overflow() <= 0
        second.screenshot(f"admin-unlocks-{language}-{width}")
        page.goto(f"{address}/lookup/unlocks/1")
        page.locator("button.danger").click()
        expect(page.locator(".candidate h3")).to_have_text("พิมพ์ชนก น้ำผึ้งป่า")
        assert asker.overflow() <= 0
        asker.screenshot(f"admin-unlocked-{language}-{width}")
