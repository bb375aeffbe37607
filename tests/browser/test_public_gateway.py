"""From a gateway's redirect through the portal and back to the gateway, in a real browser."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from db.models import PortalToken
from identity.office import Office
from identity.services.nas import add_nas
from tests.browser.conftest import Phone
from tests.conftest import add_person
from tests.unit.captive_portal.public.conftest import open_session

pytestmark = pytest.mark.real

PASSWORD = "password of theirs"


@dataclass(slots=True)
class Gateway:
    """Takes the form as a hotspot does, and sends the browser on to `dst`."""

    server: ThreadingHTTPServer
    forms: list[dict[str, str]] = field(default_factory=list)

    @property
    def login_url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/login"


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            form = {name: values[0] for name, values in query.items()}
            if urlsplit(self.path).path == "/logon":
                running.forms.append(form)
            self.send_response(302)
            self.send_header("Location", form.get("userurl", "/"))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            running.forms.append(form)
            self.send_response(302)
            self.send_header("Location", form["dst"])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running = Gateway(server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield running
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_the_gateway_gets_a_token_and_the_visitor_a_status_page(
    portal: str,
    phone: Callable[..., Phone],
    office: Office,
    gateway: Gateway,
    script: bool,
) -> None:
    account_id = add_person(office, "somchai", PASSWORD)
    with office.database.write() as session:
        add_nas(
            session, office, "อาคาร 1", "10.5.50.1/32", "secret", "test",
            login_url=gateway.login_url,
        )  # fmt: skip
    device = phone(script=script)
    page = device.page
    page.goto(
        f"{portal}/p/{quote('อาคาร 1')}/?mac=3C:22:FB:01:02:03&ip=127.0.0.1"
        "&link-orig=http%3A%2F%2Fexample.com%2F"
    )
    page.fill("#username", "somchai")
    page.fill("#password", PASSWORD)
    page.locator("form button").click()
    if not script:
        expect(page.locator("noscript")).to_be_visible()
        device.screenshot("public-hand-off-th")
        page.locator("form button").click()
    page.wait_for_url("**/status?**")
    form = gateway.forms[0]
    with office.database.read() as session:
        token = session.scalars(select(PortalToken)).one()
    assert (form["username"], form["password"]) == ("somchai", token.token)
    assert PASSWORD not in str(gateway.forms)
    expect(page.locator("a[href='http://example.com/']")).to_be_visible()
    device.screenshot("public-joined-th")

    open_session(office, account_id, address="127.0.0.1")
    page.reload()
    expect(page.locator(".good")).to_be_visible()
    assert device.overflow() <= 0
    device.screenshot("public-online-th")
    page.context.clear_cookies()
    page.reload()
    expect(page.locator("dd")).to_have_count(0)
    device.screenshot("public-online-nameless-th")


def test_a_gateway_that_takes_a_link_gets_it_after_the_login_form(
    portal: str, phone: Callable[..., Phone], office: Office, gateway: Gateway
) -> None:
    """Chromium holds a form's policy for the redirects it leads to; the link is none."""
    add_person(office, "somchai", PASSWORD)
    with office.database.write() as session:
        add_nas(
            session, office, "chilli", "10.5.50.1/32", "secret", "test",
            vendor="coova", login_url=gateway.login_url,
        )  # fmt: skip
    page = phone(script=False).page
    page.goto(f"{portal}/p/chilli/?res=notyet&challenge={'0' * 32}&mac=3C-22-FB-01-02-03")
    page.fill("#username", "somchai")
    page.fill("#password", PASSWORD)
    page.locator("form button").click()
    page.wait_for_url("**/status?**")
    with office.database.read() as session:
        token = session.scalars(select(PortalToken)).one()
    (form,) = gateway.forms
    octets = b"\0" + token.token.encode() + bytes(16)
    assert form["response"] == hashlib.md5(octets).hexdigest()
    assert form["username"] == "somchai" and token.token not in str(form)
