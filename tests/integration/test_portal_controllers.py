"""Calls to controllers over real sockets and TLS: what is let in, and what must not happen."""

from __future__ import annotations

import gc
import hashlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from captive_portal.vendors import controller
from captive_portal.vendors.controller import Call, Controller, Unreachable, exchange
from captive_portal.vendors.profile import Arrival, Completion, Entry, Gateway, ServerStep
from captive_portal.vendors.registry import vendor_called
from tests.certificates import Authority
from tests.conftest import free_port
from tests.integration.controllers import (
    KEY,
    SITE,
    Asked,
    Console,
    Reply,
    Running,
    omada_radius,
    serving,
    told,
)

ENTRY = Entry(
    username="somchai",
    token="yt-0123456789abcdefghijklmn",
    destination="https://login.school.example/status",
    session_seconds=7200,
)
ARRIVAL = Arrival(mac="3c22fb010203", ap_mac="aabbccddee01", ssid="School", carried={"radio": "0"})
GET = Call(method="GET", path="/x")
HERE = ("127.0.0.0/8", "::1/128")
"""As an office says whose controller runs on this very server."""


@dataclass(frozen=True)
class Tls:
    """A controller's certificate: of an authority of the school's own."""

    context: ssl.SSLContext
    ca: str
    pin: str


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    authority = Authority(tmp_path_factory.mktemp("tls"))
    issued = authority.issue("controller", names=[x509.IPAddress(ip_address("127.0.0.1"))])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.chain, issued.key)
    der = issued.certificate.public_bytes(Encoding.DER)
    return Tls(context, authority.ca.read_text(), hashlib.sha256(der).hexdigest())


@pytest.fixture
def console() -> Console:
    return Console()


@pytest.fixture
def running(console: Console, tls: Tls) -> Iterator[Running]:
    with serving(console.answer, tls.context) as one:
        yield one


def run(make: str, settings: dict[str, str]) -> Completion:
    gateway = Gateway(
        id=1, name="hall", vendor=make, login_url="", settings=settings, controller_networks=HERE
    )
    step = vendor_called(make).step(ARRIVAL, gateway, ENTRY)
    assert isinstance(step, ServerStep)
    return step.run()


def unifi(running: Running, tls: Tls, **more: str) -> dict[str, str]:
    base = {"controller": running.url, "tls_pin": tls.pin, "api_key": KEY, "site_id": SITE}
    return base | more


def test_a_guest_is_let_in_by_a_console_whose_certificate_is_pinned(
    running: Running, console: Console, tls: Tls
) -> None:
    assert run("unifi", unifi(running, tls)) == Completion.GRANTED
    assert console.granted == [{"action": "AUTHORIZE_GUEST_ACCESS", "timeLimitMinutes": 120}]


def test_a_device_that_is_not_visible_yet_is_let_in_when_it_is(
    running: Running, console: Console, tls: Tls
) -> None:
    console.seen_after = 2
    assert [run("unifi", unifi(running, tls)) for _ in range(3)] == [
        Completion.NOT_YET,
        Completion.NOT_YET,
        Completion.GRANTED,
    ]


def test_a_wrong_key_is_refused_and_stands_in_no_log(
    running: Running, console: Console, tls: Tls, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = unifi(running, tls, api_key="a wrong key of ours")
    assert run("unifi", settings) == Completion.REFUSED
    assert not console.granted
    logged = "".join(capfd.readouterr())
    assert "controller_refused" in logged and "401" in logged
    assert "wrong key of ours" not in logged and ENTRY.token not in logged


def legacy(running: Running, tls: Tls, **more: str) -> dict[str, str]:
    names = {"mode": "legacy", "username": "portal", "password": "password of it"}
    return {"controller": running.url, "tls_ca": tls.ca, **names, **more}


def test_an_older_console_is_asked_with_its_cookie_and_csrf_token(
    running: Running, console: Console, tls: Tls
) -> None:
    assert run("unifi", legacy(running, tls)) == Completion.GRANTED
    assert console.granted[0]["cmd"] == "authorize-guest"
    assert console.granted[0]["ap_mac"] == "aa:bb:cc:dd:ee:01"


def test_a_session_that_has_ended_lets_nobody_in(
    running: Running, console: Console, tls: Tls
) -> None:
    console.forgets = True
    assert run("unifi", legacy(running, tls)) == Completion.REFUSED
    console.forgets = False
    assert run("unifi", legacy(running, tls, password="another")) == Completion.REFUSED
    assert run("unifi", legacy(running, tls)) == Completion.GRANTED


@pytest.mark.parametrize("kept", ["authority", "pin"])
def test_a_certificate_is_known_by_its_authority_or_by_its_pin(
    running: Running, tls: Tls, kept: str
) -> None:
    known = {"ca": tls.ca} if kept == "authority" else {"pin": tls.pin}
    assert exchange(Controller(networks=HERE, url=running.url, **known), GET).status == 401  # type: ignore[arg-type]


@pytest.mark.parametrize("known", ["nothing", "another pin", "another authority", "another name"])
def test_a_certificate_that_is_not_the_registered_one_gets_no_key(
    running: Running, tls: Tls, known: str, tmp_path: Path
) -> None:
    where = {
        "nothing": Controller(networks=HERE, url=running.url),
        "another pin": Controller(networks=HERE, url=running.url, pin="0" * 64),
        "another authority": Controller(
            networks=HERE, url=running.url, ca=Authority(tmp_path).ca.read_text()
        ),
        "another name": Controller(
            networks=HERE, url=running.url.replace("127.0.0.1", "localhost"), ca=tls.ca
        ),
    }[known]
    with pytest.raises(Unreachable):
        exchange(where, GET)
    assert not running.asked


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with serving(lambda _: told(200, {})) as inner:
        away = {"Location": inner.url + "/latest/meta-data/"}
        with serving(lambda _: (302, away, b"")) as outer:
            answer = exchange(Controller(networks=HERE, url=outer.url, allow_http=True), GET)
    assert answer.status == 302
    assert not inner.asked


def test_without_tls_nobody_is_called_unless_an_officer_says_so() -> None:
    with serving(lambda _: told(200, {})) as plain:
        with pytest.raises(Unreachable, match="without TLS"):
            exchange(Controller(networks=HERE, url=plain.url), GET)
        assert not plain.asked
        assert (
            exchange(Controller(networks=HERE, url=plain.url, allow_http=True), GET).status == 200
        )


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://198.51.99.1:80", "without TLS"),
        ("http://169.254.169.254", "link-local"),
        ("https://[fe80::1]:8443", "link-local"),
        ("http://0.0.0.0:8081", "nowhere"),
        ("http://127.0.0.1:8081", "of this server itself"),
        ("http://localhost:8081", "of this server itself"),
        ("https://[::1]:5432", "of this server itself"),
        ("https://[::ffff:127.0.0.1]:5432", "of this server itself"),
    ],
)
def test_some_places_are_never_called(url: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def connected(*_arguments: Any, **_named: Any) -> None:
        pytest.fail("it was called")

    monkeypatch.setattr(socket, "create_connection", connected)
    with pytest.raises(Unreachable, match=why):
        exchange(Controller(url=url, allow_http=True), GET)


def test_an_address_of_this_machine_is_known_on_whichever_interface_it_is() -> None:
    assert controller._is_ours("127.0.0.1")
    assert not controller._is_ours("192.0.2.1") and not controller._is_ours("2001:db8::1")


def test_an_answer_without_end_is_cut_off() -> None:
    size = controller.MAXIMUM_OCTETS + 1
    with (
        serving(lambda _: (200, {}, b"x" * size)) as endless,
        pytest.raises(Unreachable, match="too large"),
    ):
        exchange(Controller(networks=HERE, url=endless.url, allow_http=True), GET)


@pytest.mark.parametrize("how", ["plain", "in-the-handshake", "over-tls"])
def test_who_sends_an_octet_now_and_then_does_not_hold_the_portal(
    how: str, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller, "TOTAL_SECONDS", 0.6)
    done = threading.Event()

    def drip() -> None:
        plain, _ = listener.accept()
        peer = tls.context.wrap_socket(plain, server_side=True) if how == "over-tls" else plain
        with peer:
            if how == "in-the-handshake":
                peer.sendall(b"\x16\x03\x03\x40\x00")  # a record, of which an octet comes at a time
            while not done.wait(0.1):
                try:
                    peer.sendall(b"H")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip)
        thread.start()
        url = f"127.0.0.1:{_port(listener)}"
        called = (
            Controller(networks=HERE, url=f"http://{url}", allow_http=True)
            if how == "plain"
            else Controller(networks=HERE, url=f"https://{url}", pin=tls.pin)
        )
        over = threading.Timer(10, done.set)
        over.start()
        with pytest.raises(Unreachable):
            exchange(called, GET)
        assert not done.is_set(), "it waited until the other end had enough"
        over.cancel()
        done.set()
        thread.join()


def test_a_connection_that_ends_before_the_handshake_is_told_and_closed(
    tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = socket.create_connection

    def ended(*where: Any, **named: Any) -> socket.socket:
        connected = connect(*where, **named)
        peer, _ = listener.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()  # by a reset, so that there is nothing left to talk to
        with pytest.raises(ConnectionResetError):
            connected.recv(1)
        return connected

    monkeypatch.setattr(socket, "create_connection", ended)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = Controller(networks=HERE, url=f"https://127.0.0.1:{_port(listener)}", pin=tls.pin)
        with pytest.raises(Unreachable, match="not connected"):
            exchange(where, GET)
        with pytest.raises(Unreachable, match="a moment ago"):
            exchange(where, GET)
    gc.collect()  # a connection that was left open would say so now


def _port(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def test_a_controller_that_is_down_is_left_alone_for_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    where = Controller(networks=HERE, url=f"http://127.0.0.1:{free_port()}", allow_http=True)
    with pytest.raises(Unreachable, match="refused"):
        exchange(where, GET)
    with pytest.raises(Unreachable, match="a moment ago"):
        exchange(where, GET)
    later = time.monotonic() + controller.ASK_AGAIN_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with pytest.raises(Unreachable, match="refused"):
        exchange(where, GET)


@pytest.mark.parametrize(
    ("token", "completion"),
    [(ENTRY.token, Completion.GRANTED), ("yt-another", Completion.REFUSED)],
)
def test_omadas_form_is_sent_by_the_server_and_a_redirect_is_its_yes(
    tls: Tls, token: str, completion: Completion
) -> None:
    with serving(omada_radius(token), tls.context) as one:
        settings = {"mode": "radius", "controller": one.url, "tls_pin": tls.pin}
        assert run("omada", settings) == completion
        assert [asked.method for asked in one.asked] == ["POST"]


def test_what_is_no_json_is_no_answer(tls: Tls) -> None:
    def page(_: Asked) -> Reply:
        return 200, {"Content-Type": "text/html"}, b"<html>captive</html>"

    with serving(page, tls.context) as one:
        settings = {"mode": "smartzone", "controller": one.url, "tls_pin": tls.pin}
        gateway = Gateway(
            id=1, name="hall", vendor="ruckus", login_url="",
            settings=settings | {"nbi_password": "p"}, controller_networks=HERE,
        )  # fmt: skip
        step = vendor_called("ruckus").step(ARRIVAL, gateway, ENTRY)
        assert isinstance(step, ServerStep)
        assert step.run() == Completion.UNREACHABLE
