"""Visitors who come in by a code and by their host, in Chromium without scripts, at 320 pixels.

`yuenyan serve` runs portal, RADIUS and housekeeper; the letters go to a real mail server; what
the gateway would ask is asked by radclient.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Phone
from tests.clients.radclient import Nas
from tests.conftest import ADMIN, free_port, wait_until
from tests.integration.radius_site import (
    LOOPBACK,
    LiveSite,
    site_of_kind,
    started,
    wait_for_workers,
)
from tests.mail_server import MailServer, mail_server
from tests.programs import require

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

MakePhone = Callable[..., Phone]

PASSWORD = "seven green elephants"
HOST_PASSWORD = "password of the host"
GATE_LOGIN = "http://192.0.2.1/login"
MAC = "3C-22-FB-01-02-03"


@pytest.fixture
def letters() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def school(
    request: pytest.FixtureRequest, tmp_path: Path, letters: MailServer
) -> Iterator[LiveSite]:
    """A school whose visitors come in by a code, and where a teacher may receive guests."""
    require("radclient", "freeradius-utils")
    port = free_port()
    mail = (
        f'[mail]\nhost = "127.0.0.1"\nport = {letters.port}\nstart_tls = false\n'
        'from = "wifi@school.example"\n'
    )
    changes = {
        '[portal]\nlisten = "127.0.0.1:0"': (
            f'{mail}[portal]\nlisten = "127.0.0.1:{port}"\npublic_url = "http://127.0.0.1:{port}"'
        )
    }
    live = site_of_kind(request, tmp_path, "sqlite", changes)
    live.add_nas("hall", LOOPBACK, "--login-url", GATE_LOGIN)
    # Not imported: a host whose password is still the printed one has to change it first.
    known_as = ("--full-name", "ครูสมศรี ใจดี", "--role", "staff")
    live.yuenyan("user", "add", "somsri", *known_as, "--password-stdin", stdin=HOST_PASSWORD)
    live.yuenyan("user", "contact", "somsri", "somsri@school.example")
    live.yuenyan("role", "registration", "staff", "--may-sponsor")
    live.yuenyan("role", "registration", "guest", "--way", "mail-code", "--answerable", ADMIN)
    with started(live.site, "serve") as server:
        wait_until(lambda: "Yuenyan is running." in server.log(), 60, server.log())
        wait_for_workers(live, server)
        yield live
        assert server.stop() == 0, server.log()


def fill(page: Page, name: str, contact: str, host: str = "") -> None:
    page.fill("#full_name", "สมหญิง ใจดี")
    page.fill("#contact", contact)
    if host:
        page.fill("#sponsor_name", host)
    page.fill("#purpose", "ประชุมผู้ปกครอง")
    page.fill("#username", name)
    page.fill("#password", PASSWORD)
    page.fill("#password_again", PASSWORD)
    page.check("#accept")
    page.locator("main form button").click()


def test_visitors_come_in_by_a_code_and_by_their_host(
    school: LiveSite, letters: MailServer, phone: MakePhone
) -> None:
    portal = f"http://{school.site.config.portal.listen}"
    nas = Nas(school)
    device = phone(width=320, language="th", script=False)
    page = device.page
    forms: list[dict[str, str]] = []

    def gateway(route: Route) -> None:
        form = {key: values[0] for key, values in parse_qs(route.request.post_data or "").items()}
        forms.append(form)
        route.fulfill(status=302, headers={"Location": form["dst"]})

    page.route(f"{GATE_LOGIN}**", gateway)

    # By a code. The phone has no Internet, so it takes the minutes to read its mail.
    page.goto(f"{portal}/p/hall/?mac={quote(MAC.replace('-', ':'))}&ip=10.5.50.9")
    page.locator("main a[href*=register]").click()
    fill(page, "somying", "somying@home.example")
    expect(page.locator("#code")).to_have_attribute("autocomplete", "one-time-code")
    assert device.overflow() <= 0
    device.screenshot("registration-code-320")
    wait_until(lambda: letters.letters, 10, "the code did not arrive")
    page.locator("form[action*=minutes] button").click()
    page.locator("#hand-off button").click()
    expect(page.locator("main h1")).to_be_visible()
    form = forms[0]
    assert re.fullmatch(r"provisional-\d+", form["username"])
    accepted = nas.access(form["username"], form["password"], Calling_Station_Id=MAC)
    assert accepted.code == "Access-Accept", accepted.output
    assert 0 < int(accepted.one("Session-Timeout")) <= 600
    assert nas.access("somying", PASSWORD).code == "Access-Reject", "no account before the code"
    page.locator("a.more[href*='/registration/']").click()
    code = re.search(r"\b\d{6}\b", letters.letters[0].get_content())
    assert code is not None
    page.fill("#code", "000000" if code[0] != "000000" else "111111")
    page.locator("form[action*=code] button").click()
    expect(page.locator("#code")).to_have_attribute("aria-invalid", "true")
    assert device.overflow() <= 0
    device.screenshot("registration-wrong-code-320")
    page.fill("#code", code[0])
    page.locator("form[action*=code] button").click()
    expect(page.locator(".good")).to_be_visible()
    device.screenshot("registration-ready-320")
    wait_until(
        lambda: nas.access("somying", PASSWORD).code == "Access-Accept",
        10,
        "the account is not let in",
    )

    # By a host, whose letter leads to a page that needs their own login.
    school.yuenyan("role", "registration", "guest", "--way", "sponsor")
    visitor = phone(width=320, language="en", script=False)
    visitor.page.goto(f"{portal}/register")
    fill(visitor.page, "wichai", "081 234 5678", "somsri@school.example")
    number = visitor.page.locator(".number").inner_text()
    assert visitor.overflow() <= 0
    visitor.screenshot("registration-host-320")
    wait_until(lambda: len(letters.letters) == 2, 10, "the host got no letter")
    link = re.search(rf"{portal}/guests/\S+", letters.letters[1].get_content())
    assert link is not None and number in link[0]
    teacher = phone(width=320, language="th", script=False)
    teacher.page.goto(link[0])
    expect(teacher.page.locator("text=สมหญิง")).to_have_count(0)
    teacher.page.fill("#username", "somsri")
    teacher.page.fill("#password", HOST_PASSWORD)
    teacher.page.locator("main form button").click()
    expect(teacher.page.locator("input[name=stay]")).to_have_count(7)
    assert teacher.overflow() <= 0
    teacher.screenshot("registration-guest-320")
    assert nas.access("wichai", PASSWORD).code == "Access-Reject"
    teacher.page.check("input[value='3h']")
    teacher.page.locator("form[action*=agree] button").click()
    expect(teacher.page.locator(".good")).to_be_visible()
    visitor.page.reload()
    expect(visitor.page.locator(".good")).to_be_visible()
    # Workers asked for this name a moment ago, and look for changes twice a second.
    wait_until(
        lambda: nas.access("wichai", PASSWORD).code == "Access-Accept",
        10,
        "the guest is not let in",
    )
    let_in = nas.access("wichai", PASSWORD)
    assert 0 < int(let_in.one("Session-Timeout")) <= 3 * 3600
    assert device.hosts() | visitor.hosts() | teacher.hosts() <= {
        portal.removeprefix("http://"),
        "192.0.2.1",
    }
