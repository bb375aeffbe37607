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
DEVICE_ADDRESS = "10.20.3.4"
"""Of the one device, as controllers know it."""
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
    used: int = 0
    """Octets in each direction."""
    absent: bool = False
    """Whether the device has left."""

    @property
    def inside(self) -> bool:
        """Whether the device is let in, by the last order."""
        last = self.granted[-1] if self.granted else {}
        return "AUTHORIZE_GUEST_ACCESS" in (last.get("action"),) or (
            last.get("cmd") == "authorize-guest"
        )

    def answer(self, one: Asked) -> Reply:
        """As the OpenAPI of Network 10.5 and Art-of-WiFi's client have it."""
        path, _, query = one.path.partition("?")
        if path == "/api/auth/login":
            return self._sign_in(one)
        if path == "/proxy/network/api/s/default/cmd/stamgr":
            return self._order(one)
        if path == "/proxy/network/api/s/default/stat/sta/3c:22:fb:01:02:03":
            return self._station(one)
        if path.startswith("/proxy/network/api/s/default/stat/sta/"):
            return told(400, {"meta": {"rc": "error", "msg": "api.err.UnknownStation"}, "data": []})
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
        assert wanted in ("macAddress.eq('3c:22:fb:01:02:03')", "access.type.eq('GUEST')")
        if self.absent:
            return told(200, {"offset": 0, "count": 0, "data": []})
        access: dict[str, Any] = {"type": "GUEST", "authorized": self.inside}
        if self.inside:
            access["authorization"] = {"usage": {"rxBytes": self.used, "txBytes": self.used}}
        client = {
            "id": "b3a1",
            "macAddress": "3c:22:fb:01:02:03",
            "ipAddress": DEVICE_ADDRESS,
            "access": access,
        }
        return told(200, {"offset": 0, "count": 1, "data": [client]})

    def _sign_in(self, one: Asked) -> Reply:
        if one.json() != {"username": "portal", "password": "password of it"}:
            return told(403, {"code": "AUTHENTICATION_FAILED_INVALID_CREDENTIALS"})
        if not self.forgets:
            self.sessions.add("TOKEN=jwt.of.it")
        return told(
            200, {}, Set_Cookie="TOKEN=jwt.of.it; path=/; secure; httponly", X_CSRF_Token="csrf"
        )

    def _station(self, one: Asked) -> Reply:
        if one.headers.get("cookie") not in self.sessions:
            return told(401, {"meta": {"rc": "error", "msg": "api.err.LoginRequired"}})
        if self.absent:
            return told(400, {"meta": {"rc": "error", "msg": "api.err.UnknownStation"}, "data": []})
        station = {
            "mac": "3c:22:fb:01:02:03",
            "ip": DEVICE_ADDRESS,
            "authorized": self.inside,
            "rx_bytes": self.used,
            "tx_bytes": self.used,
        }
        return told(200, {"meta": {"rc": "ok"}, "data": [station]})

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


@dataclass
class Operator:
    """An Omada controller, as its hotspot's operator sees it."""

    inside: bool = False
    used: int = 0
    absent: bool = False

    def answer(self, one: Asked) -> Reply:
        """As TP-Link documents the external portal, and as notes tell of the operator's lists."""
        path, _, _query = one.path.partition("?")
        base = "/c21f/api/v2/hotspot"
        if path == f"{base}/login":
            if one.json() != {"name": "portal", "password": "password of it"}:
                return told(200, {"errorCode": -30109})
            return told(
                200,
                {"errorCode": 0, "result": {"token": "csrf"}},
                Set_Cookie="TPOMADA_SESSIONID=s1; Path=/",
            )
        if one.headers.get("csrf-token") != "csrf" or "s1" not in one.headers.get("cookie", ""):
            return told(200, {"errorCode": -1200})
        if path == f"{base}/extPortal/auth":
            self.inside = one.json()["clientMac"] == "3C-22-FB-01-02-03"
            return told(200, {"errorCode": 0})
        if path == f"{base}/sites/school/clients":
            return told(200, {"errorCode": 0, "result": {"data": self._listed()}})
        if path == f"{base}/sites/school/cmd/clients/c9/disconnect" and one.method == "POST":
            self.inside = False
            return told(200, {"errorCode": 0})
        return told(404, {"errorCode": -1600})

    def _listed(self) -> list[Mapping[str, Any]]:
        if self.absent or not self.inside:
            return []
        counts = {"trafficUp": self.used, "trafficDown": self.used}
        return [{"id": "c9", "mac": "3C-22-FB-01-02-03", "ip": DEVICE_ADDRESS, **counts}]


@dataclass
class Zone:
    """The captive portal's API of OPNsense, for zone 0."""

    inside: bool = False
    used: int = 0
    absent: bool = False
    address: str = ""

    def answer(self, one: Asked) -> Reply:
        """As SessionController of opnsense/core answers."""
        if one.headers.get("authorization") != "Basic a2V5OnNlY3JldA==":
            return told(401, {"status": 401, "message": "Authentication Failed"})
        if one.path == "/api/captiveportal/session/connect/0":
            self.inside, self.address = True, one.json()["ip"]
            return told(200, {"clientState": "AUTHORIZED", "sessionId": "u7+/=="})
        if one.path == "/api/captiveportal/session/list/0":
            return told(200, self._listed())
        if one.path == "/api/captiveportal/session/disconnect/0":
            if one.json() != {"sessionId": "u7+/=="} or not self.inside:
                return told(200, [])
            self.inside = False
            return told(200, {"sessionid": "u7+/==", "ip_address": self.address})
        return told(404, {})

    def _listed(self) -> list[Mapping[str, Any]]:
        if self.absent or not self.inside:
            return []
        session = {
            "sessionId": "u7+/==",
            "ipAddress": self.address,
            "macAddress": "3c:22:fb:01:02:03",
        }
        return [{**session, "bytes_in": self.used, "bytes_out": self.used}]
