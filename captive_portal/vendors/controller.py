"""Calls to a controller whose address an officer has registered: one request, one answer.

Nothing of a visitor's decides where a call goes. Redirects are not followed, certificates are
checked (by authority, or the one pinned), time and size are bounded, and no name, key or body
reaches a log.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlencode, urlsplit

from captive_portal.vendors.profile import Completion, Gateway, Kind, ServerStep, Setting
from captive_portal.vendors.settings import NO, YES, setting_of
from common.logging import get_logger

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 8.0
"""Of one request; a visitor waits for it, and one of the portal's few threads."""
MAXIMUM_OCTETS = 256 << 10
"""A controller's longest answer here is a list of one device."""
AT_ONCE = 4
"""Calls to one controller at a time, so that a slow one leaves threads for everybody else."""
ASK_AGAIN_SECONDS = 5.0
"""One that did not answer is left alone for this time."""

_log = get_logger(__name__)


class Unreachable(Exception):  # noqa: N818 - what it says of the controller
    """No usable answer came; the message is for the log and holds nothing of the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """A registered controller: where it is, and how its certificate is known."""

    url: str
    pin: str = ""
    ca: str = field(default="", repr=False)
    allow_http: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. Its path is ours; parts of it that came from outside are quoted."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By their names in lower case; of cookies only those in `cookies`."""
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    def json(self) -> Mapping[str, Any]:
        """The object in the body.

        Raises:
            Unreachable: there is none: something else than the controller answered.
        """
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Unreachable(f"status {self.status} without JSON") from error
        if not isinstance(found, dict):
            raise Unreachable(f"status {self.status} without a JSON object")
        return found


def controller_settings(*modes: str) -> Sequence[Setting]:
    """What every make that is called needs said of its controller."""
    return (
        Setting(
            name="controller",
            kind=Kind.URL,
            required=True,
            modes=modes,
            help="Address of the controller as this server reaches it.",
        ),
        Setting(
            name="tls_pin",
            kind=Kind.PIN,
            modes=modes,
            help="SHA-256 of its certificate, where it has signed that itself.",
        ),
        Setting(
            name="tls_ca",
            kind=Kind.PEM,
            modes=modes,
            help="Certificate of the authority that signed it, where that is the school's own.",
        ),
        Setting(
            name="allow_http",
            choices=(NO, YES),
            default=NO,
            modes=modes,
            help="Call it without TLS; only inside the school's own network.",
        ),
    )


def controller_of(settings: Sequence[Setting], gateway: Gateway) -> Controller:
    """The controller that is registered for `gateway`."""
    return Controller(
        url=setting_of(settings, gateway, "controller"),
        pin=setting_of(settings, gateway, "tls_pin"),
        ca=setting_of(settings, gateway, "tls_ca"),
        allow_http=setting_of(settings, gateway, "allow_http") == YES,
    )


def json_call(
    method: str, path: str, value: Mapping[str, object] | None = None, **headers: str
) -> Call:
    """A call whose body, where there is one, is JSON."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    if value is None:
        return Call(method=method, path=path, headers=named)
    body = json.dumps(value).encode()
    return Call(
        method=method, path=path, headers={**named, "Content-Type": "application/json"}, body=body
    )


def form_call(path: str, fields: Sequence[tuple[str, str]]) -> Call:
    """A POST as a browser's form makes it."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return Call(method="POST", path=path, headers=kind, body=urlencode(fields).encode())


def server_step(
    gateway: Gateway, run: Callable[[], Completion], granted_to: str | None = None
) -> ServerStep:
    """`run` as a step; what fails on the way is `UNREACHABLE`, and in the log."""

    def guarded() -> Completion:
        try:
            return run()
        except Unreachable as error:
            _log.warning("controller_unreachable", nas=gateway.name, reason=str(error))
            return Completion.UNREACHABLE

    return ServerStep(run=guarded, granted_to=granted_to)


def refused(gateway: Gateway, why: str) -> Completion:
    """REFUSED, with the reason in the log, because the visitor can do nothing about it."""
    _log.warning("controller_refused", nas=gateway.name, reason=why)
    return Completion.REFUSED


class _Lines:
    """How many calls each controller is in, and which are left alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: dict[str, threading.BoundedSemaphore] = {}
        self._silent_until: dict[str, float] = {}

    @contextmanager
    def to(self, url: str) -> Any:
        with self._lock:
            free = self._free.setdefault(url, threading.BoundedSemaphore(AT_ONCE))
            if self._silent_until.get(url, 0.0) > time.monotonic():
                raise Unreachable("it did not answer a moment ago")
        if not free.acquire(timeout=CONNECT_SECONDS):
            raise Unreachable("it is busy with earlier calls")
        try:
            yield
        finally:
            free.release()

    def silent(self, url: str) -> None:
        with self._lock:
            self._silent_until[url] = time.monotonic() + ASK_AGAIN_SECONDS


_lines = _Lines()


def exchange(controller: Controller, call: Call) -> Answer:
    """Send `call` and read the answer.

    Raises:
        Unreachable: there is none, its certificate is not the registered one, it took too
            long, or it is too large.
    """
    with _lines.to(controller.url):
        try:
            return _exchange(controller, call)
        except ssl.SSLError as error:
            raise Unreachable(f"TLS: {error.reason or 'failed'}") from error
        except TimeoutError as error:
            _lines.silent(controller.url)
            raise Unreachable("no answer in time") from error
        except OSError as error:
            _lines.silent(controller.url)
            raise Unreachable(error.strerror or "the connection ended") from error
        except (HTTPException, ValueError) as error:
            raise Unreachable(f"no HTTP: {type(error).__name__}") from error


def _exchange(controller: Controller, call: Call) -> Answer:
    parts = urlsplit(controller.url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    address = _address(host, port)
    if not secure and not (controller.allow_http and ip_address(address).is_private):
        raise Unreachable("a call without TLS is not allowed")
    plain = socket.create_connection((address, port), timeout=CONNECT_SECONDS)
    # Each read has its time-out; who sends an octet now and then is stopped by the alarm.
    alarm = threading.Timer(TOTAL_SECONDS, _shut, [plain])
    alarm.daemon = True
    alarm.start()
    try:
        plain.settimeout(TOTAL_SECONDS)
        stream = _secured(controller, plain, host) if secure else plain
        with stream:
            return _converse(stream, parts.netloc, parts.path.rstrip("/") + call.path, call)
    finally:
        alarm.cancel()
        plain.close()


def _address(host: str, port: int) -> str:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    address = str(found[0][4][0])
    if ip_address(address.partition("%")[0]).is_link_local:
        raise Unreachable("its name leads to a link-local address")
    return address


def _shut(plain: socket.socket) -> None:
    with suppress(OSError):
        plain.shutdown(socket.SHUT_RDWR)


def _secured(controller: Controller, plain: socket.socket, host: str) -> ssl.SSLSocket:
    context = ssl.create_default_context(cadata=controller.ca or None)
    if controller.pin:
        # The one certificate stands for itself: name and dates of a self-signed one say nothing.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    stream = context.wrap_socket(plain, server_hostname=host)
    if controller.pin:
        shown = hashlib.sha256(stream.getpeercert(binary_form=True) or b"").hexdigest()
        if not hmac.compare_digest(shown, controller.pin):
            stream.close()
            raise Unreachable("it shows another certificate than the pinned one")
    return stream


def _converse(stream: socket.socket, netloc: str, path: str, call: Call) -> Answer:
    connection = HTTPConnection(netloc)
    connection.sock = stream
    headers = {"Host": netloc, "Accept": "application/json", "Connection": "close", **call.headers}
    connection.request(call.method, path, call.body or None, headers)
    response = connection.getresponse()
    with response:
        body = response.read(MAXIMUM_OCTETS + 1)
        if len(body) > MAXIMUM_OCTETS:
            raise Unreachable("its answer is too large")
        return Answer(
            status=response.status,
            headers={name.lower(): text for name, text in response.getheaders()},
            cookies=_cookies(response.headers.get_all("Set-Cookie") or ()),
            body=body,
        )


def _cookies(lines: Sequence[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        jar: SimpleCookie = SimpleCookie()
        with suppress(CookieError):
            jar.load(line)
        found |= {name: morsel.value for name, morsel in jar.items()}
    return found
