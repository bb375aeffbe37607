"""What a caught browser is answered: each probe leads to the portal, nothing else leads off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from werkzeug.test import Client as Browser
from werkzeug.test import TestResponse

from captive_portal.gateway.capture import Capture
from captive_portal.gateway.clients import Cause
from captive_portal.gateway.doorkeeper import Doorkeeper
from captive_portal.gateway.portal_watch import PortalWatch
from captive_portal.gateway.radius import Rejected
from captive_portal.gateway.redirects import Caught, read_redirect
from captive_portal.gateway.reporting import Reporter
from captive_portal.gateway.store import Store
from captive_portal.public.detection import ONLINE_ANSWERS
from common.metrics import Counters
from tests.unit.captive_portal.gateway.lab import (
    KEY,
    PHONE,
    TABLET,
    TOKEN,
    V4,
    V6,
    V6_MORE,
    FakeKernel,
    FakeRadius,
    HandClock,
    settings,
)

HERE = "http://10.77.0.1:8090"
STATUS = "https://portal.example/status?s=signed"

PROBES = [
    ("captive.apple.com", "/hotspot-detect.html"),
    ("www.apple.com", "/library/test/success.html"),
    ("connectivitycheck.gstatic.com", "/generate_204"),
    ("www.google.com", "/gen_204"),
    ("clients3.google.com", "/generate_204"),
    ("connect.rom.miui.com", "/generate_204"),
    ("edge.microsoft.com", "/captiveportal/generate_204"),
    ("www.msftconnecttest.com", "/connecttest.txt"),
    ("www.msftncsi.com", "/ncsi.txt"),
    ("detectportal.firefox.com", "/canonical.html"),
    ("detectportal.firefox.com", "/success.txt?ipv4"),
    ("spectrum.s3.amazonaws.com", "/kindle-wifi/wifistub.html"),
    ("nmcheck.gnome.org", "/check_network_status.txt"),
    ("network-test.debian.org", "/nm"),
    ("fedoraproject.org", "/static/hotspot.txt"),
    ("captive.roku.com", "/ok"),
]


@dataclass
class Hall:
    """A gateway and a browser in front of it."""

    browser: Browser
    keeper: Doorkeeper
    kernel: FakeKernel
    radius: FakeRadius
    clock: HandClock
    portal: PortalWatch
    portal_answers: list[bool]

    def ask(self, url: str, method: str = "GET", address: str = V4, **form: str) -> TestResponse:
        parts = urlsplit(url)
        return self.browser.open(
            parts.path + (f"?{parts.query}" if parts.query else ""),
            base_url=f"http://{parts.netloc}",
            method=method,
            data=form or None,
            environ_base={"REMOTE_ADDR": address},
        )

    def log_in(self, address: str = V4, **changes: str) -> TestResponse:
        form = {"username": "somchai", "password": TOKEN, "dst": STATUS, **changes}
        return self.ask(f"{HERE}/login", "POST", address, **form)


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    kernel, radius, clock = FakeKernel(), FakeRadius(), HandClock()
    store = Store(tmp_path / "gateway.db")
    store.open()
    reporter = Reporter(store, radius, clock)
    keeper = Doorkeeper(settings(), kernel, radius, store, clock, Counters(), reporter.wake)
    keeper.tick()
    clock.pass_by(2)
    reporter.start()
    portal = PortalWatch("https://portal.example/p/hall/", lambda _url: portal_answers[0])
    portal_answers = [True]
    app = Capture(settings(), keeper, reporter, KEY, portal.is_away)
    yield Hall(
        Browser(app, use_cookies=False), keeper, kernel, radius, clock, portal, portal_answers
    )
    reporter.stop()
    store.close()


def told(answer: TestResponse, status: int = 302) -> Caught:
    """What a redirect tells the portal."""
    assert answer.status_code == status, answer.text
    parts = urlsplit(answer.location)
    assert answer.location.startswith("https://portal.example/p/hall/?")
    return read_redirect(parts.query, KEY)


@pytest.mark.parametrize(("host", "path"), PROBES, ids=[f"{h}{p}" for h, p in PROBES])
def test_every_probe_leads_to_the_portal(hall: Hall, host: str, path: str) -> None:
    answer = hall.ask(f"http://{host}{path}")
    assert told(answer) == Caught(mac=PHONE, ip=V4, nas="hall", url=f"http://{host}{path}")
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(answer.data) < 1200
    assert re.search(r'<a href="https://portal\.example/p/hall/\?[^"]+">', answer.text)


def test_every_probe_that_the_portal_answers_is_tried_here() -> None:
    assert {path.partition("?")[0] for _, path in PROBES} >= set(ONLINE_ANSWERS) - {"/gen_204"}


def test_while_there_is_no_portal_a_page_says_so_and_tries_again(hall: Hall) -> None:
    hall.portal_answers[0] = False
    hall.portal.look()
    assert hall.ask("http://example.com/").status_code == 302, "one lost packet is no outage"
    hall.portal.look()
    answer = hall.ask("http://captive.apple.com/hotspot-detect.html")
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "15"
    assert "หน้าเข้าสู่ระบบขัดข้อง" in answer.text and 'lang="en"' in answer.text
    assert '<meta http-equiv="refresh" content="15">' in answer.text
    hall.portal_answers[0] = True
    hall.portal.look()
    assert told(hall.ask("http://example.com/")).mac == PHONE


def test_an_ipv6_browser_is_the_same_device(hall: Hall) -> None:
    assert told(hall.ask("http://example.com/", address=V6)).mac == PHONE
    assert told(hall.ask("http://example.com/", address=f"::ffff:{V4}")).ip == V4


def test_whoever_is_not_on_the_inside_is_told_nothing(hall: Hall) -> None:
    answer = hall.ask("http://example.com/", address="192.0.2.9")
    assert answer.status_code == 403
    assert "portal.example" not in answer.text
    assert 'lang="th"' in answer.text and 'lang="en"' in answer.text


def test_what_is_no_question_for_a_page_is_answered_511(hall: Hall) -> None:
    answer = hall.ask("http://api.example/", "POST", V4, secret="of an app")
    assert answer.status_code == 511
    assert "https://portal.example/p/hall/?" in answer.text
    assert hall.ask("http://api.example/", "HEAD").data == b""


@pytest.mark.parametrize(
    "host",
    ['evil.example"><script>', "user@evil.example", "evil.example/..", "ค.example", "a b"],
)
def test_a_host_that_is_none_is_not_gone_back_to(hall: Hall, host: str) -> None:
    answer = hall.browser.get("/", headers={"Host": host}, environ_base={"REMOTE_ADDR": V4})
    assert told(answer).url == ""
    assert "<script>" not in answer.text


def test_a_good_token_goes_on_to_the_portals_page(hall: Hall) -> None:
    answer = hall.log_in()
    assert (answer.status_code, answer.location) == (303, STATUS)
    assert PHONE in hall.kernel.admitted
    assert len(hall.radius.told) == 2  # Accounting-On, and the Start before the page


@pytest.mark.parametrize(
    "target",
    [
        "http://evil.example/",
        "https://portal.example.evil.example/",
        "https://portal.example@evil.example/",
        "//evil.example/",
        "javascript:alert(1)",
        "https://portal.example:444/",
        "http://portal.example/",
        "https://portal.example\\@evil.example/",
        "https://[/",
        "",
    ],
)
def test_the_form_leads_nowhere_but_to_the_portal(hall: Hall, target: str) -> None:
    assert told(hall.log_in(dst=target), 303).result == "already"


def test_a_token_is_asked_about_for_the_device_that_posts_it(hall: Hall) -> None:
    hall.log_in("10.77.0.30")
    assert hall.radius.asked[0][0].mac == TABLET
    assert PHONE not in hall.kernel.admitted


def test_a_password_is_no_token(hall: Hall) -> None:
    answer = told(hall.log_in(password="password of theirs"), 303)
    assert (answer.result, answer.reason) == ("failed", "token")
    assert hall.radius.asked == []


@pytest.mark.parametrize("name", ["", "ก" * 85], ids=["none", "longer than an attribute"])
def test_a_name_that_radius_cannot_carry_is_not_asked_about(hall: Hall, name: str) -> None:
    assert told(hall.log_in(username=name), 303).result == "failed"
    assert hall.radius.asked == []


def test_a_form_for_another_host_is_not_a_login(hall: Hall) -> None:
    answer = hall.ask("http://evil.example/login", "POST", V4, username="x", password=TOKEN)
    assert answer.status_code == 511
    assert hall.radius.asked == []
    assert told(hall.ask(f"{HERE}/login")).result == "notyet"


@pytest.mark.parametrize(
    ("down", "reason"), [(False, "E-LIMIT"), (True, "timeout")], ids=["rejected", "silence"]
)
def test_a_refusal_goes_back_to_the_portal_with_its_reason(
    hall: Hall, down: bool, reason: str
) -> None:
    hall.radius.is_down, hall.radius.answer = down, Rejected("E-LIMIT")
    answer = told(hall.log_in(), 303)
    assert (answer.result, answer.reason, answer.mac) == ("failed", reason, PHONE)


def test_a_large_form_is_refused(hall: Hall) -> None:
    assert hall.log_in(username="x" * 40_000).status_code == 413


def test_without_its_helper_the_page_says_what_to_do(
    hall: Hall, capsys: pytest.CaptureFixture[str]
) -> None:
    hall.kernel.is_down = True
    hall.clock.pass_by(5)
    for _ in range(9):
        hall.ask("http://example.com/")
    assert capsys.readouterr().out.count("browsers_not_answered") == 1
    answer = hall.ask("http://example.com/")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "30"
    assert "กรุณาลองใหม่" in answer.text


def test_an_admitted_device_at_a_new_address_goes_on_once_and_never_round(hall: Hall) -> None:
    hall.log_in()
    hall.kernel.neighbours.append((V6_MORE, PHONE))
    hall.clock.pass_by(2)
    first = hall.ask("http://example.com/a?b=1", address=V6_MORE)
    assert (first.status_code, first.location) == (302, "http://example.com/a?b=1")
    assert told(hall.ask("http://example.com/a", address=V6_MORE)).result == "already"


def test_signing_out_needs_the_button_of_this_gateways_own_page(hall: Hall) -> None:
    hall.log_in()
    assert hall.ask(f"{HERE}/logout", "POST", V4).status_code == 200
    assert hall.ask(f"{HERE}/logout", "POST", V4, proof="of nothing").status_code == 200
    assert PHONE in hall.kernel.admitted
    shown = hall.ask(f"{HERE}/logout")
    assert "form-action 'self' https://portal.example" in shown.headers["Content-Security-Policy"]
    proof = re.search(r'name="proof" value="(\w+)"', shown.text)
    assert proof is not None
    out = hall.ask(f"{HERE}/logout", "POST", "10.77.0.30", proof=proof[1])
    assert out.status_code == 200 and PHONE in hall.kernel.admitted
    assert told(hall.ask(f"{HERE}/logout", "POST", V4, proof=proof[1]), 303).result == "logoff"
    assert PHONE not in hall.kernel.admitted
    assert "ยังไม่ได้เข้าสู่ระบบ" in hall.ask(f"{HERE}/logout").text


def test_a_session_that_an_admin_ended_is_caught_again(hall: Hall) -> None:
    hall.log_in()
    assert told(hall.ask("http://example.com/")).result == "already"
    hall.keeper.end(PHONE, Cause.ADMIN_RESET)
    assert told(hall.ask("http://example.com/")).result == "notyet"
