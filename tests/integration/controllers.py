"""Controllers on loopback, over HTTP or TLS, that behave as their makers document."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote

KEY = "key of the console"
SITE = "88f7af54-98f8-306a-a1c7-c9349722b1f6"
Reply = tuple[int, Mapping[str, str], bytes]
"""Status, headers and body."""


@dataclass
class Asked:
    """One request, as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Running:
    """A controller while it answers."""

    url: str
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def serving(
    answer: Callable[[Asked], Reply], tls: ssl.SSLContext | None = None
) -> Iterator[Running]:
    """A server on loopback that answers each request by `answer`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): text for name, text in self.headers.items()}
            one = Asked(self.command, self.path, headers, self.rfile.read(length))
            running.asked.append(one)
            status, more, body = answer(one)
            self.send_response(status)
            for name, text in {"Content-Length": str(len(body)), **more}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_arguments: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_arguments: object) -> None:
            """A client that ends a handshake is what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    running = Running(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def told(status: int, value: object, **headers: str) -> Reply:
    """A reply in JSON."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return status, {"Content-Type": "application/json", **named}, json.dumps(value).encode()


@dataclass
class Console:
    """A UniFi console: the API with a key, and the older one with an account."""

    seen_after: int = 0
    """So many lists do not hold the device yet."""
    sessions: set[str] = field(default_factory=set)
    forgets: bool = False
    """Whether a session ends as soon as it has begun."""
    granted: list[Mapping[str, Any]] = field(default_factory=list)

    def answer(self, one: Asked) -> Reply:
        """As the OpenAPI of Network 10.5 and Art-of-WiFi's client have it."""
        path, _, query = one.path.partition("?")
        if path == "/api/auth/login":
            return self._sign_in(one)
        if path == "/proxy/network/api/s/default/cmd/stamgr":
            return self._order(one)
        if one.headers.get("x-api-key") != KEY:
            return told(401, {"statusCode": 401, "code": "api.authentication.invalid"})
        if path == f"/proxy/network/integration/v1/sites/{SITE}/clients" and one.method == "GET":
            return self._list(parse_qs(query)["filter"][0])
        if path == f"/proxy/network/integration/v1/sites/{SITE}/clients/b3a1/actions":
            self.granted.append(one.json())
            return told(200, {"action": "AUTHORIZE_GUEST_ACCESS"})
        return told(404, {"statusCode": 404})

    def _list(self, wanted: str) -> Reply:
        if self.seen_after:
            self.seen_after -= 1
            return told(200, {"offset": 0, "count": 0, "data": []})
        assert wanted == "macAddress.eq('3c:22:fb:01:02:03')"
        access = {"type": "GUEST", "authorized": False}
        client = {"id": "b3a1", "macAddress": "3c:22:fb:01:02:03", "access": access}
        return told(200, {"offset": 0, "count": 1, "data": [client]})

    def _sign_in(self, one: Asked) -> Reply:
        if one.json() != {"username": "portal", "password": "password of it"}:
            return told(403, {"code": "AUTHENTICATION_FAILED_INVALID_CREDENTIALS"})
        if not self.forgets:
            self.sessions.add("TOKEN=jwt.of.it")
        return told(
            200, {}, Set_Cookie="TOKEN=jwt.of.it; path=/; secure; httponly", X_CSRF_Token="csrf"
        )

    def _order(self, one: Asked) -> Reply:
        known = one.headers.get("cookie") in self.sessions
        if not known or one.headers.get("x-csrf-token") != "csrf":
            return told(401, {"meta": {"rc": "error", "msg": "api.err.LoginRequired"}})
        self.granted.append(one.json())
        return told(200, {"meta": {"rc": "ok"}, "data": []})


def omada_radius(good: str) -> Callable[[Asked], Reply]:
    """Omada's form: a redirect for the one token that its RADIUS server takes."""

    def answer(one: Asked) -> Reply:
        form = parse_qs(unquote(one.body.decode()))
        if one.path != "/portal/radius/browserauth" or "clientMac" not in form:
            return 400, {}, b""
        if form["password"] == [good]:
            return 302, {"Location": "http://127.0.0.1:9/"}, b""
        return told(200, {"errorCode": -41529, "msg": "reject"})

    return answer
