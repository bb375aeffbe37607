"""Central web authentication end to end: radclient is the controller of a real server and portal.

The controller asks for a device by its address and is sent to the portal; a person signs in there
over HTTP; the controller hears a CoA-Request, asks again, and gets the person's role.
"""

from __future__ import annotations

import html
import http.client
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import pytest
from werkzeug.serving import make_server

from identity.office import Office
from tests.clients.radclient import Answer, Nas
from tests.conftest import free_port, wait_until
from tests.integration.das_peer import DasPeer, das_peer
from tests.integration.radius_site import LOOPBACK, LiveSite, running_radius, site_of_kind
from tests.programs import require
from tests.unit.captive_portal.public.conftest import make_app

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

PASSWORD = "seven green elephants"
CONNECTION = "0A00000900000B2E5F3C11D0"
PAIR = "Cisco-AVPair"


@dataclass(frozen=True)
class Page:
    """What came back, without following anything."""

    status: int
    location: str
    text: str


@dataclass(frozen=True)
class Browser:
    """A phone's browser: real sockets, no cookies, no scripts."""

    root: str

    def get(self, address: str) -> Page:
        return self._ask("GET", address)

    def fill(self, address: str, **fields: str) -> Page:
        """Send the form of a page, with its hidden fields."""
        form = re.search(r"<form.*?</form>", self.get(address).text, re.S)
        assert form is not None
        target = re.search(r'action="([^"]+)"', form[0])
        assert target is not None
        hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form[0])
        told = {name: html.unescape(value) for name, value in hidden} | fields
        return self._ask("POST", html.unescape(target[1]), urlencode(told))

    def _ask(self, method: str, address: str, body: str = "") -> Page:
        parts = urlsplit(address)
        connection = http.client.HTTPConnection(urlsplit(self.root).netloc, timeout=20)
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        connection.request(method, f"{parts.path}?{parts.query}", body or None, kind)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return Page(answer.status, answer.headers.get("Location", ""), text)

    def sign_in(self, redirect: str, name: str) -> Page:
        """Come by the redirect and sign in; where that leads."""
        came = self.get(redirect)
        assert came.status == 302, came.text
        done = self.fill(came.location, username=name, password=PASSWORD)
        assert done.status == 303 and "/connect" in done.location, done
        return self.get(done.location + "&lang=en")


@dataclass(frozen=True)
class School:
    """A site with two controllers; the first takes CoA-Requests."""

    live: LiveSite
    browser: Browser
    controller: DasPeer

    def asks(
        self,
        mac: str = "3c-22-fb-01-02-03",
        connection: str = CONNECTION,
        source: str = "127.0.0.1",
        ssid: str = "School",
    ) -> Answer:
        """The controller asks for a device by its address."""
        plain = mac.replace("-", "")
        return Nas(self.live, source=source).access(
            plain,
            plain,
            Service_Type="Call-Check",
            Calling_Station_Id=mac,
            Called_Station_Id=f"aa-bb-cc-dd-ee-01:{ssid}",
            NAS_IP_Address="10.0.0.9",
            Cisco_AVPair=f"audit-session-id={connection}",
        )


@pytest.fixture(scope="module")
def school(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[School]:
    require("radclient", "freeradius-utils")
    port = free_port()
    listen = '[portal]\nlisten = "127.0.0.1:0"'
    root = f"http://127.0.0.1:{port}"
    live = site_of_kind(
        request,
        tmp_path_factory.mktemp("cwa"),
        "sqlite",
        {listen: f'[portal]\nlisten = "127.0.0.1:{port}"\npublic_url = "{root}"'},
    )
    with das_peer() as controller:
        live.add_nas("wlc", LOOPBACK, "--vendor", "cisco", "--coa-port", str(controller.port))
        live.add_nas("wlc-b", "127.0.0.3/32", "--vendor", "cisco")
        live.add_nas("plain", "127.0.0.4/32", "--vendor", "cisco")
        for name in ("wlc", "wlc-b"):
            settings = ("mode=cwa", "redirect_acl=CAUGHT", "ssids=School, Library")
            live.yuenyan("nas", "portal", name, *(f"--set={one}" for one in settings))
        live.yuenyan("role", "set", "teacher", "--vlan", "30", "--vendor-role", "teachers")
        live.add_person("somchai", PASSWORD, role="teacher")
        live.add_person("malee", PASSWORD)
        office = Office.open(live.site.config)
        server = make_server("127.0.0.1", port, make_app(office), threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with running_radius(live):
                yield School(live, Browser(root), controller)
        finally:
            server.shutdown()
            thread.join(10)
            server.server_close()
            office.database.dispose()


def redirect_in(answer: Answer) -> str:
    """Where an answer sends the device; it opens nothing else."""
    assert answer.code == "Access-Accept", answer.output
    pairs = dict(pair.partition("=")[::2] for pair in answer.attributes[PAIR])
    assert pairs["url-redirect-acl"] == "CAUGHT"
    assert set(answer.attributes) - {"Message-Authenticator"} == {PAIR, "Session-Timeout"}
    return pairs["url-redirect"]


def test_a_person_signs_in_on_the_portal_and_the_controller_gets_their_role(
    school: School,
) -> None:
    redirect = redirect_in(school.asks())
    assert redirect.startswith(f"{school.browser.root}/p/wlc/?c=")
    waits = school.browser.sign_in(f"{redirect}&redirect=example.com/", "somchai")
    assert waits.status == 200 and 'http-equiv="refresh"' in waits.text

    (asked,) = school.controller.wait(1)
    assert school.controller.is_authentic(0)
    assert asked[0] == 43, "a CoA-Request"
    for pair in (
        f"audit-session-id={CONNECTION}",
        "subscriber:command=reauthenticate",
        "subscriber:reauthenticate-type=last",
    ):
        assert pair.encode() in asked
    told = school.controller.values(0)
    assert told[31] == b"3c-22-fb-01-02-03" and told[4] == bytes((10, 0, 0, 9))

    # Nobody else gets what was meant for this device, on this connection, at this controller.
    redirect_in(school.asks(mac="3c-22-fb-01-02-04"))
    redirect_in(school.asks(connection="0A00000900000B2E5F3C11D1"))
    redirect_in(school.asks(source="127.0.0.3"))

    accepted = school.asks()
    assert accepted.code == "Access-Accept"
    assert accepted.one("User-Name") == "somchai"
    assert accepted.one("Tunnel-Private-Group-Id") == "30"
    assert accepted.one("Airespace-ACL-Name") == "teachers"
    assert PAIR not in accepted.attributes
    again = re.search(r'href="(/connect\?[^"]+)"', waits.text)
    assert again is not None
    assert school.browser.get(html.unescape(again[1])).location.startswith("/status?")

    nas = Nas(school.live)
    started = nas.account(
        "Start",
        "cwa-1",
        User_Name="somchai",
        Class=accepted.one("Class"),
        Calling_Station_Id="3c-22-fb-01-02-03",
        NAS_IP_Address="10.0.0.9",
        Framed_IP_Address="10.20.3.4",
        Cisco_AVPair=f"audit-session-id={CONNECTION}",
    )
    assert started.code == "Accounting-Response"
    whose = "SELECT a.username, s.session_ref IS NOT NULL FROM network_session s JOIN account a ON"
    assert school.live.rows(f"{whose} a.id = s.account_id") == [("somchai", True)]
    found = school.live.rows(
        "SELECT outcome, reason, method, trace FROM auth_event WHERE nas_client_id = 1 AND"
        " calling_station_id = '3c22fb010203' ORDER BY id"
    )
    assert ("reject", "sent_to_portal", "mac", "central:sent_to_portal") in found
    assert found[-1] == ("accept", "ok", "portal", None)

    # The same redirect again, by whoever has seen it: it has done its work.
    spent = school.browser.sign_in(redirect, "malee")
    assert spent.status == 403 and "has been used" in spent.text
    assert school.asks().one("User-Name") == "somchai", "the connection may be asked for again"

    # Thrown out: the controller is told, and the device has to sign in once more.
    ended = school.live.yuenyan("session", "disconnect", "--user", "somchai")
    assert ended.stdout.endswith(": ended\n"), ended
    assert school.controller.received[-1][0] == 40
    fresh = redirect_in(school.asks())
    assert school.browser.sign_in(redirect, "somchai").status == 403
    # A redirect tells whole seconds, and this one was made after the end.
    before = len(school.controller.received)
    assert school.browser.sign_in(fresh, "malee").status == 200
    school.controller.wait(before + 1)
    assert school.asks().one("User-Name") == "malee"


def test_a_redirect_of_another_controller_or_of_nobody_is_no_redirect(school: School) -> None:
    redirect = redirect_in(school.asks(mac="3c-22-fb-01-02-05"))
    path, _, sealed = redirect.partition("?c=")
    others = [
        f"{path.replace('/p/wlc/', '/p/wlc-b/')}?c={sealed}",
        f"{path}?c={sealed[:-2]}AA",
        f"{path}?client_mac=3c:22:fb:01:02:05&c=",
        f"{path}?client_mac=3c:22:fb:01:02:05",
    ]
    for one in others:
        assert school.browser.get(one).status == 400, one


def test_a_network_that_is_not_redirected_stays_closed_and_the_login_log_says_so(
    school: School,
) -> None:
    redirect_in(school.asks(mac="3c-22-fb-01-02-07", ssid="Library"))
    refused = school.asks(mac="3c-22-fb-01-02-07", ssid="Printers")
    assert refused.code == "Access-Reject"

    def is_told() -> bool:
        told = school.live.yuenyan("login", "why", "3c22fb010207", "--language", "en", "--json")
        return "none that is sent to the portal" in told.stdout

    wait_until(is_told, 10, "the login log does not say which network it was")


def test_a_controller_without_the_mode_refuses_a_device_and_a_registered_one_is_let_in(
    school: School,
) -> None:
    assert school.asks(mac="3c-22-fb-01-02-06", source="127.0.0.4").code == "Access-Reject"
    school.live.yuenyan(
        "device", "add", "3c:22:fb:01:02:06", "--role", "teacher", "--owner", "somchai"
    )

    def is_let_in() -> bool:
        answer = school.asks(mac="3c-22-fb-01-02-06")
        return answer.attributes.get("User-Name") == ["3c22fb010206"]

    wait_until(is_let_in, 10, "the registered device is sent to the portal")
