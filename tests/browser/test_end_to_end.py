"""One visitor's whole way: registers on a phone, is approved in another window, signs in,
is let in and accounted by a gateway, and is named by a look-up. `yuenyan serve` runs it all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, quote
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Phone
from tests.clients.radclient import Nas
from tests.conftest import ADMIN, ADMIN_PASSWORD, wait_until
from tests.integration.radius_site import (
    KINDS,
    LOOPBACK,
    LiveSite,
    site_of_kind,
    started,
    wait_for_workers,
)
from tests.programs import require

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

MakePhone = Callable[..., Phone]

FULL_NAME = "สมหญิง ใจดี"
PASSWORD = "seven green elephants"
GATE = "อาคาร 1"
GATE_LOGIN = "http://192.0.2.1/login"
MAC, ADDRESS = "3C-22-FB-01-02-03", "10.5.50.9"


@pytest.fixture(params=KINDS)
def school(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LiveSite]:
    """A school with everything running and one gateway."""
    require("radclient", "freeradius-utils")
    live = site_of_kind(request, tmp_path, request.param)
    live.add_nas(GATE, LOOPBACK, "--login-url", GATE_LOGIN)
    with started(live.site, "serve") as server:
        wait_until(lambda: "Yuenyan is running." in server.log(), 60, server.log())
        wait_for_workers(live, server)
        yield live
        assert server.stop() == 0, server.log()


def register(page: Page) -> str:
    """Fill in the form that the page shows; the reference number."""
    page.locator("main a[href*=register]").click()
    page.fill("#full_name", FULL_NAME)
    page.fill("#contact", "081 234 5678")
    page.fill("#purpose", "ประชุมผู้ปกครอง")
    page.fill("#username", "somying")
    page.fill("#password", PASSWORD)
    page.fill("#password_again", PASSWORD)
    page.check("#accept")
    page.locator("form button").click()
    return page.locator(".number").inner_text()


def approve(page: Page, address: str, reference: str) -> None:
    """As the head teacher in a window of their own."""
    page.goto(f"{address}/sign-in")
    page.fill("#username", ADMIN)
    page.fill("#password", ADMIN_PASSWORD)
    page.locator("button.main").click()
    page.wait_for_url(f"{address}/")
    page.goto(f"{address}/registrations/")
    page.get_by_role("link", name=FULL_NAME).click()
    expect(page.locator("main code", has_text=reference)).to_be_visible()
    page.locator("form[action$=approve] button.main").click()
    expect(page.locator(".flash.done")).to_be_visible()


def test_a_visitor_registers_is_approved_signs_in_and_is_named_by_a_lookup(
    school: LiveSite, phone: MakePhone, request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.params["school"]
    config = school.site.config
    portal, admin = f"http://{config.portal.listen}", f"http://{config.admin.listen}"
    device, desk = phone(width=375, language="th"), phone(width=1280, language="en")
    page = device.page
    forms: list[dict[str, str]] = []

    def gateway(route: Route) -> None:
        # As a hotspot does: takes the form, asks RADIUS, and sends the browser on.
        form = {key: values[0] for key, values in parse_qs(route.request.post_data or "").items()}
        forms.append(form)
        route.fulfill(status=200, content_type="text/html", body="<h1>logging in</h1>")

    page.route(f"{GATE_LOGIN}**", gateway)
    page.goto(f"{portal}/p/{quote(GATE)}/?mac={quote(MAC.replace('-', ':'))}&ip={ADDRESS}")
    reference = register(page)
    device.screenshot(f"end-to-end-1-registered-{kind}")
    assert Nas(school).access("somying", PASSWORD).code == "Access-Reject"

    approve(desk.page, admin, reference)
    desk.screenshot(f"end-to-end-2-approved-{kind}")

    page.reload()
    expect(page.locator(".good")).to_be_visible()
    device.screenshot(f"end-to-end-3-told-{kind}")
    page.locator("a.button").click()
    expect(page.locator("#username")).to_have_value("somying")
    page.fill("#password", PASSWORD)
    page.locator("form button").click()
    page.wait_for_url(f"{GATE_LOGIN}**")
    assert PASSWORD not in str(forms), "a password never reaches a gateway"

    nas = Nas(school)
    form = forms[0]
    accepted = nas.chap(form["username"], form["password"], Calling_Station_Id=MAC)
    assert accepted.code == "Access-Accept", accepted.output
    assert accepted.one("User-Name") == "somying"
    assert nas.chap(form["username"], form["password"]).code == "Access-Reject"
    session = {
        "User_Name": accepted.one("User-Name"),
        "Class": accepted.one("Class"),
        "Calling_Station_Id": MAC,
        "Framed_IP_Address": ADDRESS,
    }
    assert nas.account("Start", "e2e-1", **session).code == "Accounting-Response"
    used = nas.account("Interim-Update", "e2e-1", Acct_Session_Time=5, **session)
    assert used.code == "Accounting-Response"

    local = datetime.now(ZoneInfo("Asia/Bangkok"))
    answer = json.loads(
        school.yuenyan(
            *("lookup", "--at", local.isoformat(), "--address", ADDRESS, "--port", "51000"),
            *("--protocol", "tcp", "--case", "12/2569", "--reason", "หมายศาล", "--json"),
        ).stdout
    )
    assert answer["outcome"] == "single", answer
    (candidate,) = answer["candidates"]
    assert candidate["account"] == "somying"
    assert candidate["full_name"] == FULL_NAME
    assert candidate["mac"] == "3c:22:fb:01:02:03"
    assert candidate["nas"] == GATE

    page = desk.page
    page.goto(f"{admin}/lookup/")
    page.fill("#address", ADDRESS)
    page.fill("#at", f"{local:%d/%m}/{local.year + 543} {local:%H:%M:%S}")
    page.fill("#case", "12/2569")
    page.fill("#reason", "หมายศาล")
    page.get_by_role("button", name="Look up").click()
    expect(page.locator(".candidate h3")).to_contain_text("บุคคล ")
    page.get_by_role("button", name="Show the names").click()
    expect(page.locator(".candidate h3")).to_have_text(FULL_NAME)
    desk.screenshot(f"end-to-end-4-named-{kind}")

    assert nas.account("Stop", "e2e-1", Acct_Session_Time=9, **session).code != ""
    (row,) = json.loads(school.yuenyan("session", "list", "--user", "somying", "--json").stdout)
    assert not row["active"]
    assert row["full_name"] == FULL_NAME
