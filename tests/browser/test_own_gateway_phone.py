"""Our own gateway from end to end: `yuenyan serve` and its helper in one namespace, and in
another Chromium as the phone.

Caught, signed in with an account and with a voucher, through to the far side by IPv4 and IPv6,
counted, slowed down, kept over a restart, signed out, thrown out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Playwright, expect

from common import config as configuration
from common.net import find_mac
from identity.office import Office
from identity.services.nas import get as get_nas
from identity.services.people import get as get_person
from identity.services.tokens import mint
from tests.browser.conftest import CHROMIUM_OPTIONS, SCREENSHOTS
from tests.clients.own_gateway import FAR4, FAR6, ONE, ONE4, ONE6, OWN4, Lab, connect, own_gateway
from tests.conftest import Site, wait_until
from tests.integration.radius_site import descendants_of, words_of
from tests.programs import require

pytestmark = [pytest.mark.real, pytest.mark.root, pytest.mark.timeout(180)]

PASSWORD, SECRET, KEY = "password of theirs", "a shared secret of some length", "k" * 40
LARGE = 300_000
SLOW_KBPS = 1000
PATIENCE = 20_000
"""Milliseconds; a page takes a tenth of a second on a machine with nothing else to do."""

PORTAL, GATEWAY = f"http://{OWN4}:8080", f"http://{OWN4}:8090"

_SITE = """\
[site]
name = "โรงเรียนบ้านหนองน้ำใส"
data_dir = "{folder}/var"
[radius]
auth = ["127.0.0.1:1812"]
acct = ["127.0.0.1:1813"]
[portal]
listen = "0.0.0.0:8080"
public_url = "{portal}"
[collector]
netflow = ["127.0.0.1:2055"]
ipfix = ["127.0.0.1:4739"]
syslog = ["127.0.0.1:5514"]
[clock]
servers = []
chronyc = ""
[gateway]
radius_servers = ["127.0.0.1:1812"]
secret_file = "{folder}/gateway.secret"
key_file = "{folder}/gateway.key"
nas_identifier = "hall"
portal_url = "{portal}/p/hall/"
public_url = "{gateway}"
coa = ["127.0.0.1:3799"]
tick_seconds = 0.5
[gateway.kernel]
inside = ["inside"]
outside = ["outside"]
addresses = ["10.77.0.1/24", "fd77::1/64"]
capture_port = 8090
open_ports = [8080]
socket = "{runtime}/helper.sock"
socket_user = "root"
"""


@dataclass
class School:
    """The site in the gateway's namespace, and the phone before it."""

    lab: Lab
    site: Site
    server: subprocess.Popen[bytes]

    def log(self) -> str:
        return (self.lab.folder / "serve.log").read_text(encoding="utf-8", errors="replace")

    def sessions(self, user: str) -> list[dict[str, Any]]:
        """Sessions of a person, newest first, as an officer lists them."""
        done = self.site.yuenyan("session", "list", "--user", user, "--json")
        assert done.exit_code == 0, done
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def token_of(self, user: str) -> str:
        """A token that the portal would hand the phone for this person."""
        office = Office.open(self.site.config)
        with office.database.write() as session:
            account, nas = get_person(session, user), get_nas(session, "hall")
            token = mint(session, office, account, ONE, nas.id).token
        office.database.dispose()
        return token

    def is_captive(self) -> bool:
        """What the phone's system is told by RFC 8908."""
        answer = fetch(
            self.lab.one, OWN4, 8080, "/captive-portal/api", "Accept: application/captive+json"
        )
        found: bool = json.loads(answer.partition(b"\r\n\r\n")[2])["captive"]
        return found

    def seconds_for(self, octets: int) -> float:
        """How long the phone waits for so much."""
        began = time.monotonic()
        assert len(fetch(self.lab.one, FAR4, 80, f"/{octets}")) > octets
        return time.monotonic() - began

    def gateway_processes(self) -> list[int]:
        """The gateway's own, which the supervisor has started."""
        return [one for one in descendants_of(self.server.pid) if words_of(one)[-1:] == ["gateway"]]


def fetch(namespace: str, host: str, port: int, path: str, *headers: str) -> bytes:
    """A whole answer to a GET, headers and body."""
    lines = [f"GET {path} HTTP/1.0", f"Host: {host}:{port}", *headers, "", ""]
    with connect(namespace, host, port) as wire:
        wire.sendall("\r\n".join(lines).encode())
        octets = b""
        while more := wire.recv(65_536):
            octets += more
    return octets


def post(namespace: str, form: str) -> bytes:
    """The gateway's answer to a form, as a browser of this namespace would send it."""
    head = (
        f"POST /login HTTP/1.0\r\nHost: {OWN4}:8090\r\nContent-Length: {len(form)}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    )
    with connect(namespace, OWN4, 8090) as wire:
        wire.sendall((head + form).encode())
        return wire.recv(65_536)


def far_page(wire: socket.socket) -> None:
    """The far side: says whom it sees; a path of digits is answered with so many octets."""
    asked = b""
    while b"\r\n\r\n" not in asked:
        more = wire.recv(4096)
        if not more:
            return
        asked += more
    digits = re.match(rb"GET /(\d+) ", asked)
    peer = wire.getpeername()[0].removeprefix("::ffff:").encode()
    body = b"x" * int(digits[1]) if digits else b"<h1>far side</h1><p>" + peer + b"</p>"
    wire.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n" + body)


@pytest.fixture
def school(tmp_path: Path, _made_site: Path) -> Iterator[School]:
    with own_gateway(tmp_path) as lab:
        shutil.copytree(_made_site / "var", tmp_path / "var")
        path = tmp_path / "yuenyan.toml"
        path.write_text(
            _SITE.format(folder=tmp_path, runtime=lab.runtime, portal=PORTAL, gateway=GATEWAY)
        )
        for name, text in (("secret", SECRET), ("key", KEY)):
            (tmp_path / f"gateway.{name}").write_text(text + "\n")
            (tmp_path / f"gateway.{name}").chmod(0o600)
        site = Site(path, configuration.load(path))
        register(site)
        lab.serve(lab.far, 80, far_page)
        lab.start_helper()
        with serving(lab, path) as server:
            made = School(lab, site, server)
            wait_until(
                lambda: "gateway_ready" in made.log() and b"200" in _shown(lab),
                60,
                "yuenyan serve does not get ready in its namespace",
            )
            yield made
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0, made.log()


def register(site: Site) -> None:
    """What an officer does for a new gateway, a person and a slip."""
    for arguments, text in (
        (("user", "add", "somchai", "--role", "student", "--password-stdin"), PASSWORD),
        (
            ("nas", "add", "hall", "127.0.0.1/32", "--vendor", "yuenyan",
             "--login-url", f"{GATEWAY}/login", "--secret-stdin"),
            SECRET,
        ),
        (("nas", "portal", "hall", "--secret-stdin", "key"), KEY),
        (("role", "set", "guest", "--down-kbps", str(SLOW_KBPS)), ""),
    ):  # fmt: skip
        done = site.yuenyan(*arguments, stdin=text + "\n")
        assert done.exit_code == 0, done


def _shown(lab: Lab) -> bytes:
    try:
        return fetch(lab.one, OWN4, 8080, "/healthz")[:16]
    except OSError:
        return b""


@contextmanager
def serving(lab: Lab, path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`yuenyan serve` in the gateway's namespace; what is left of it at the end is killed."""
    with (lab.folder / "serve.log").open("ab") as log:
        server = subprocess.Popen(
            ["ip", "netns", "exec", lab.gate, sys.executable, "-P", "-m", "yuenyan.cli",
             "--config", str(path), "serve"],
            stdout=log, stderr=log, cwd="/",
        )  # fmt: skip
    try:
        yield server
    finally:
        for number in [server.pid, *descendants_of(server.pid)]:
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue
        server.wait(20)


@pytest.fixture
def page(school: School, tmp_path: Path, driver: Playwright) -> Iterator[Page]:
    """A page of the phone's browser, which lives in the phone's namespace."""
    program = tmp_path / "phone"
    program.write_text(
        f'#!/bin/sh\nexec ip netns exec {school.lab.one} {require("chromium", "chromium")} "$@"\n'
    )
    program.chmod(0o755)
    browser = driver.chromium.launch(executable_path=program, args=CHROMIUM_OPTIONS)
    context = browser.new_context(
        viewport={"width": 375, "height": 740}, locale="th-TH", is_mobile=True
    )
    yield context.new_page()
    context.close()
    browser.close()


def sign_in(page: Page) -> None:
    """Open any page, be caught, and sign in with the account."""
    page.goto(f"http://{FAR4}/lesson?n=1")
    assert page.url.startswith(f"{PORTAL}/?visit="), page.url
    page.fill("#username", "somchai")
    page.fill("#password", PASSWORD)
    page.locator("form button").click()
    page.wait_for_url("**/status?**")


def sees_far_side(page: Page) -> None:
    """Both families reach the far side: IPv4 translated, IPv6 as the phone itself."""
    page.goto(f"http://[{FAR6}]/")
    expect(page.locator("h1")).to_have_text("far side", timeout=PATIENCE)
    expect(page.locator("p")).to_have_text(ONE6, timeout=PATIENCE)
    page.goto(f"http://{FAR4}/")
    expect(page.locator("p")).to_have_text("198.51.100.7", timeout=PATIENCE)


def is_caught(school: School) -> bool:
    """Whether the far side is out of the phone's reach, whichever family it tries."""
    v4, v6 = (fetch(school.lab.one, far, 80, "/") for far in (FAR4, FAR6))
    return b"302" in v4[:16] and b"302" in v6[:16]


def test_a_phone_joins_a_school_and_leaves_it(school: School, page: Page) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    assert is_caught(school) and school.is_captive()
    stolen = school.token_of("somchai")
    answer = post(school.lab.other, f"username=somchai&password={stolen}&dst={PORTAL}/status")
    assert b"res=failed&mac=02aa00000006" in answer, answer

    sign_in(page)
    expect(page.locator(f"a[href='http://{FAR4}/lesson?n=1']")).to_be_visible(timeout=PATIENCE)
    page.reload()
    expect(page.locator(".good")).to_be_visible(timeout=PATIENCE)
    page.screenshot(path=SCREENSHOTS / "own-gateway-online-th.png", full_page=True)
    assert not school.is_captive()
    sees_far_side(page)
    fast = min(school.seconds_for(LARGE) for _ in range(2))

    # The gateway dies, and its devices go on; the next one takes the same session up.
    (before,) = school.sessions("somchai")
    for number in school.gateway_processes():
        os.kill(number, signal.SIGKILL)
    assert b"far side" in fetch(school.lab.one, FAR4, 80, "/")
    wait_until(lambda: school.log().count('"gateway_ready"') == 2, 30, "it is not started again")
    page.goto(f"{GATEWAY}/logout")
    page.screenshot(path=SCREENSHOTS / "own-gateway-sign-out-th.png", full_page=True)
    page.locator("form button").click()
    page.wait_for_url("**/?visit=**")
    assert is_caught(school)
    wait_until(school.is_captive, 10, "the portal still takes it for online")

    # One session from beginning to end, with every octet and both addresses.
    (after,) = school.sessions("somchai")
    assert after["session_id"] == before["session_id"]
    assert find_mac(after["mac"]) == ONE
    assert after["output_octets"] > LARGE and after["input_octets"] > 1000
    assert {span["address"] for span in after["addresses"]} == {ONE4, ONE6}

    code = json.loads(school.site.yuenyan("voucher", "create", "--count", "1", "--json").stdout)[
        "codes"
    ][0]
    page.goto(f"http://{FAR4}/")
    visit = page.url.partition("visit=")[2]
    page.goto(f"{PORTAL}/v?c={code}&visit={visit}")
    assert page.input_value("#code").replace("-", "") == code.replace("-", "")
    page.locator("form button").click()
    page.wait_for_url("**/status?**")
    sees_far_side(page)
    slow = school.seconds_for(LARGE)
    assert slow > LARGE * 8 / 1000 / SLOW_KBPS * 0.7 and slow > 2 * fast, (slow, fast)

    (mine,) = json.loads(school.site.yuenyan("session", "list", "--active", "--json").stdout)
    # An officer changes it, and ends it.
    done = school.site.yuenyan("session", "change", mine["session_id"], "--down-kbps", "9000")
    assert done.exit_code == 0, done
    assert min(school.seconds_for(LARGE) for _ in range(2)) < slow
    done = school.site.yuenyan("session", "disconnect", mine["session_id"], "--reason", "test")
    assert done.exit_code == 0, done
    wait_until(lambda: is_caught(school), 15, "the admin's wish does not reach the gateway")
    wait_until(school.is_captive, 10, "the portal still takes it for online")
