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
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlencode, urlsplit

from captive_portal.vendors.places import lies_in, plain_address
from captive_portal.vendors.profile import Completion, Gateway, Kind, ServerStep, Setting
from captive_portal.vendors.settings import NO, YES, setting_of
from common.logging import get_logger

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 8.0
"""Of one request; a visitor waits for it, and one of the portal's few threads."""
MAXIMUM_OCTETS = 256 << 10
"""A controller's longest answer here is a list of one device."""
_USUAL_THREADS = 8
ASK_AGAIN_SECONDS = 5.0
"""One that did not answer is left alone for this time."""

_log = get_logger(__name__)


class Unreachable(Exception):  # noqa: N818 - what it says of the controller
    """No usable answer came; the message is for the log and holds nothing of the request."""


class Declined(Exception):  # noqa: N818 - what it says of the controller
    """The controller answered, and the answer is no; the message is for the log."""


class Busy(Unreachable):
    """As many calls are under way as may be; nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """A registered controller: where it is, and how its certificate is known."""

    url: str
    pin: str = ""
    ca: str = field(default="", repr=False)
    allow_http: bool = False
    networks: Sequence[str] = ()
    """Where this server's own addresses may be called: a controller may run beside it."""


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
        found = self._loaded()
        if not isinstance(found, dict):
            raise Unreachable(f"status {self.status} without a JSON object")
        return found

    def objects(self) -> Sequence[Mapping[str, Any]]:
        """The objects of the list in the body; what else is in it is left out.

        Raises:
            Unreachable: there is none.
        """
        found = self._loaded()
        if not isinstance(found, list):
            raise Unreachable(f"status {self.status} without a JSON list")
        return [one for one in found if isinstance(one, dict)]

    def _loaded(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Unreachable(f"status {self.status} without JSON") from error


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
        networks=gateway.controller_networks,
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
    """`run` as a step; what fails on the way is `UNREACHABLE`, and in the log.

    Where too many ask at once the page asks again by itself, and holds no thread until then.
    """

    def guarded() -> Completion:
        try:
            return run()
        except Busy:
            return Completion.NOT_YET
        except Declined as error:
            return refused(gateway, str(error))
        except Unreachable as error:
            _log.warning("controller_unreachable", nas=gateway.name, reason=str(error))
            return Completion.UNREACHABLE

    return ServerStep(run=guarded, granted_to=granted_to)


def refused(gateway: Gateway, why: str) -> Completion:
    """REFUSED, with the reason in the log, because the visitor can do nothing about it."""
    _log.warning("controller_refused", nas=gateway.name, reason=why)
    return Completion.REFUSED


class _Lines:
    """How many calls are under way, to each controller and to all, and which are left alone.

    A call holds one of the portal's threads for seconds. All of them together have half the
    threads, and one controller not all of that half: else one school's slow controller, or its
    several addresses, would keep everybody's login page away.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: Counter[str] = Counter()
        self._silent_until: dict[str, float] = {}
        self.share_threads(_USUAL_THREADS)

    def share_threads(self, threads: int) -> None:
        self._of_all = max(1, threads // 2)
        self._of_one = max(1, self._of_all - 1)

    @contextmanager
    def to(self, url: str) -> Iterator[None]:
        host = urlsplit(url).netloc
        with self._lock:
            if self._silent_until.get(url, 0.0) > time.monotonic():
                raise Unreachable("it did not answer a moment ago")
            is_full = self._under_way.total() >= self._of_all
            if is_full or self._under_way[host] >= self._of_one:
                raise Busy("as many calls as may be are under way")
            self._under_way[host] += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way[host] -= 1
                if not self._under_way[host]:
                    del self._under_way[host]

    def silent(self, url: str) -> None:
        with self._lock:
            self._silent_until[url] = time.monotonic() + ASK_AGAIN_SECONDS


_lines = _Lines()


def share_threads(threads: int) -> None:
    """Tell how many threads answer visitors: calls take half of them at most."""
    _lines.share_threads(threads)


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
    address = _address(host, port, controller.networks)
    if not secure and not (controller.allow_http and ip_address(address).is_private):
        raise Unreachable("a call without TLS is not allowed")
    plain = socket.create_connection((address, port), timeout=CONNECT_SECONDS)
    # Each read has its time-out; who sends an octet now and then is stopped by the alarm. It has a
    # descriptor of its own, because TLS takes away the one that `plain` has.
    handle = plain.dup()
    alarm = threading.Timer(TOTAL_SECONDS, _shut, [handle])
    alarm.daemon = True
    alarm.start()
    try:
        plain.settimeout(TOTAL_SECONDS)
        stream = _secured(controller, plain, host) if secure else plain
        with stream:
            return _converse(stream, parts.netloc, parts.path.rstrip("/") + call.path, call)
    finally:
        alarm.cancel()
        handle.close()
        plain.close()


def _address(host: str, port: int, networks: Sequence[str]) -> str:
    """The one address that is called: looked at here, so that no second look-up tells another."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    address = str(found[0][4][0])
    bare = plain_address(address.partition("%")[0])
    if bare.is_link_local:
        raise Unreachable("its name leads to a link-local address")
    if bare.is_unspecified or bare.is_multicast:
        raise Unreachable("its name leads nowhere")
    if not lies_in(bare, networks) and (bare.is_loopback or _is_ours(address)):
        raise Unreachable(
            "it is an address of this server itself; where the controller runs beside it, name the"
            " address in [portal] controller_networks"
        )
    return address


def _is_ours(address: str) -> bool:
    """Whether this machine has the address: then it is what the machine itself would send from.

    Connecting a datagram socket asks the routing table and sends nothing.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError:
            return False  # No way leads there: the call says so itself.
        return str(probe.getsockname()[0]).partition("%")[0] == address.partition("%")[0]


def _shut(handle: socket.socket) -> None:
    with suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


def _secured(controller: Controller, plain: socket.socket, host: str) -> ssl.SSLSocket:
    context = ssl.create_default_context(cadata=controller.ca or None)
    if controller.pin:
        # The one certificate stands for itself: name and dates of a self-signed one say nothing.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    # By itself it would leave the handshake out, silently, when the connection has just ended.
    stream = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    try:
        stream.do_handshake()
        if controller.pin:
            shown = hashlib.sha256(stream.getpeercert(binary_form=True) or b"").hexdigest()
            if not hmac.compare_digest(shown, controller.pin):
                raise Unreachable("it shows another certificate than the pinned one")
    except BaseException:
        stream.close()
        raise
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
