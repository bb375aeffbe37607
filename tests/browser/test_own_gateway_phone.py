"""Our own gateway from end to end: `yuenyan serve` and its helper in one namespace, and in
another Chromium as the phone.

Caught, signed in with an account, a voucher and its QR code, through to the far side by IPv4 and
IPv6, counted, slowed down, kept over a restart, signed out, thrown out; then what befalls a school:
docs/walks.md tells which word of the requirement is proven by which of these.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from common.net import find_mac
from tests.browser.conftest import CHROMIUM_OPTIONS, keep_picture
from tests.browser.own_school import (
    GATEWAY,
    PASSWORD,
    PORTAL,
    SLOW_KBPS,
    School,
    fetch,
    is_caught,
    open_school,
    post,
)
from tests.clients.namespaces import inside, ip
from tests.clients.own_gateway import FAR4, FAR6, ONE, ONE4, ONE6, OWN4, OWN6, Lab, connect
from tests.conftest import wait_until
from tests.programs import require

pytestmark = [
    pytest.mark.real,
    pytest.mark.root,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("own-gateway-phone"),
]

LARGE = 300_000
ONE_MEGABYTE = ("--quota-mb", "1", "--down-kbps", "8000")
PATIENCE = 20_000
"""Milliseconds; a page takes a tenth of a second on a machine with nothing else to do."""


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory, _made_site: Path) -> Iterator[School]:
    """One site for all walks: each begins and ends with the phone outside."""
    with open_school(tmp_path_factory.mktemp("school"), _made_site) as made:
        yield made


@pytest.fixture(scope="module")
def browser(school: School, driver: Playwright) -> Iterator[Browser]:
    """The phone's browser, which lives in the phone's namespace."""
    program = school.lab.folder / "phone"
    program.write_text(
        f'#!/bin/sh\nexec ip netns exec {school.lab.one} {require("chromium", "chromium")} "$@"\n'
    )
    program.chmod(0o755)
    browser = driver.chromium.launch(executable_path=program, args=CHROMIUM_OPTIONS)
    yield browser
    browser.close()


def new_page(browser: Browser) -> Page:
    """Of a browser that has never been here: a phone's sheet and its camera share nothing."""
    context = browser.new_context(
        viewport={"width": 375, "height": 740}, locale="th-TH", is_mobile=True
    )
    return context.new_page()


@pytest.fixture
def page(school: School, browser: Browser) -> Iterator[Page]:
    assert is_caught(school), "the walk before has left the phone inside"
    page = new_page(browser)
    yield page
    for context in browser.contexts:
        context.close()


def sign_in(page: Page, far: str = FAR4) -> None:
    """Open any page, be caught, and sign in with the account."""
    page.goto(f"http://{far}/lesson?n=1")
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


def test_a_phone_joins_a_school_and_leaves_it(school: School, browser: Browser, page: Page) -> None:
    assert is_caught(school) and school.is_captive()
    stolen = school.token_of("somchai")
    answer = post(school.lab.other, f"username=somchai&password={stolen}&dst={PORTAL}/status")
    assert b"res=failed&mac=02aa00000006" in answer, answer

    sign_in(page)
    expect(page.locator(f"a[href='http://{FAR4}/lesson?n=1']")).to_be_visible(timeout=PATIENCE)
    page.reload()
    expect(page.locator(".good")).to_be_visible(timeout=PATIENCE)
    keep_picture(page, "own-gateway-online-th")
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
    keep_picture(page, "own-gateway-sign-out-th")
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

    # The sheet shows the login page; the camera opens the slip's code in another browser.
    page.goto(f"http://{FAR4}/")
    camera, code = new_page(browser), school.voucher()
    camera.goto(f"{PORTAL}/v?c={code}")
    assert camera.input_value("#code").replace("-", "") == code.replace("-", "")
    camera.locator("form button").click()
    camera.wait_for_url("**/status?**")
    sees_far_side(camera)
    slow = school.seconds_for(LARGE)
    assert slow > LARGE * 8 / 1000 / SLOW_KBPS * 0.7 and slow > 2 * fast, (slow, fast)

    # An officer changes it, and ends it.
    school.change("--down-kbps", "9000")
    assert min(school.seconds_for(LARGE) for _ in range(2)) < slow
    school.throw_out()
    wait_until(school.is_captive, 10, "the portal still takes it for online")


def test_a_phone_that_came_by_ipv6_is_through_by_both_and_stays_so_whatever_befalls(
    school: School, browser: Browser, page: Page
) -> None:
    lab = school.lab
    # Phones ask several addresses at once; each of the answers is a way in.
    probes = [new_page(browser) for _ in range(2)]
    for probe, path in zip(probes, ("generate_204", "hotspot-detect.html"), strict=True):
        probe.goto(f"http://{FAR4}/{path}")
        assert probe.url.startswith(f"{PORTAL}/?visit=")
    sign_in(page, f"[{FAR6}]")
    sees_far_side(page)
    (before,) = school.sessions("somchai")[:1]
    probes[0].reload()
    assert probes[0].url.startswith(PORTAL), "the others have become no error"

    # The helper dies; who is in stays in, and the next helper knows them.
    lab.kill_helper()
    sees_far_side(page)
    lab.start_helper()
    sees_far_side(page)

    # DHCP gives it another address: it is let through there, and both are on record.
    with moved_to(lab, "10.77.0.9"):
        page.goto(f"http://{FAR4}/")
        expect(page.locator("p")).to_have_text("198.51.100.7", timeout=PATIENCE)
        wait_until(
            lambda: {span["address"] for span in school.sessions("somchai")[0]["addresses"]}
            == {ONE4, "10.77.0.9", ONE6},
            15, "an address is not accounted",
        )  # fmt: skip
        after = school.sessions("somchai")[0]
        assert after["session_id"] == before["session_id"] and after["active"]
        school.throw_out()


@contextmanager
def moved_to(lab: Lab, address: str) -> Iterator[None]:
    """The phone with another IPv4 address, as by DHCP."""
    _move(lab, ONE4, address)
    try:
        yield
    finally:
        _move(lab, address, ONE4)
        ip("-n", lab.gate, "neigh", "flush", "dev", "inside")  # as the kernel does by and by


def _move(lab: Lab, old: str, new: str) -> None:
    ip("-n", lab.one, "addr", "add", f"{new}/24", "dev", "wlan")
    ip("-n", lab.one, "addr", "del", f"{old}/24", "dev", "wlan")
    ip("-n", lab.one, "addr", "replace", f"{new}/24", "dev", "wlan")
    ip("-n", lab.one, "route", "replace", "default", "via", OWN4)


def test_a_slip_that_the_gateway_has_not_seen_goes_through_it_and_ends_when_it_is_used_up(
    school: School, page: Page
) -> None:
    # The portal has never heard of this address: the form leads by one that the gateway catches.
    with moved_to(school.lab, "10.77.0.12"):
        page.goto(f"{PORTAL}/v?c={school.voucher(*ONE_MEGABYTE)}")
        page.locator("a[href^='http://192.0.2.1/v?c=']").click()
        page.wait_for_url("**/voucher?**")
        page.locator("form button").click()
        page.wait_for_url("**/status?**")
        _goes_on_without_the_portal_until_it_is_used_up(school)
        page.goto(f"http://{FAR4}/")
        page.wait_for_url("**/?visit=**")


def _goes_on_without_the_portal_until_it_is_used_up(school: School) -> None:
    school.seconds_for(LARGE)
    # While the portal is away the gateway says so, and who is in stays in.
    inside(school.lab.gate, "nft", "add table inet test; add chain inet test input "
           "{ type filter hook input priority 0; }; "
           "add rule inet test input tcp dport 8080 reject with tcp reset")  # fmt: skip
    try:
        wait_until(
            lambda: b"503" in fetch(school.lab.other, FAR4, 80, "/")[:16], 20,
            "a phone is sent to a portal that is away",
        )  # fmt: skip
        assert b"far side" in fetch(school.lab.one, FAR4, 80, "/")
    finally:
        inside(school.lab.gate, "nft", "delete table inet test")
    wait_until(
        lambda: b"302" in fetch(school.lab.other, FAR4, 80, "/")[:16], 20,
        "the portal is back, and nobody is sent there",
    )  # fmt: skip
    with contextlib.suppress(OSError):  # its last octets come with a reset
        fetch(school.lab.one, FAR4, 80, "/1000000")
    wait_until(lambda: is_caught(school), 15, "the slip is used up, and it is still in")


def test_a_phone_with_another_random_address_is_another_device(school: School, page: Page) -> None:
    lab = school.lab
    sign_in(page)
    sees_far_side(page)
    _become(lab, "06:aa:00:00:00:77")
    try:
        assert is_caught(school), "it took the addresses of the device it was, and is let through"
        wait_until(
            lambda: not school.sessions("somchai")[0]["active"], 15,
            "the session of the device that is gone goes on",
        )  # fmt: skip
        sign_in(page)
        sees_far_side(page)
        assert find_mac(school.sessions("somchai")[0]["mac"]) == "06aa00000077"
        school.throw_out()
    finally:
        _become(lab, ":".join(ONE[at : at + 2] for at in range(0, 12, 2)))


def _become(lab: Lab, mac: str) -> None:
    """The phone joins anew with another MAC address and with the addresses it had."""
    ip("-n", lab.one, "link", "set", "wlan", "down")
    ip("-n", lab.one, "link", "set", "wlan", "address", mac, "up")
    ip("-n", lab.one, "addr", "replace", f"{ONE6}/64", "dev", "wlan", "nodad")
    ip("-n", lab.one, "route", "replace", "default", "via", OWN4)
    ip("-n", lab.one, "-6", "route", "replace", "default", "via", OWN6)
    # What a device announces by itself when it joins (ARP, neighbour advertisement).
    for address in (OWN4, OWN6):
        with contextlib.suppress(OSError):
            connect(lab.one, address, 53, 1).close()
