"""What a caught browser meets: every address leads to the portal; a form lets it in or out.

A WSGI application for gunicorn's threads, which both portals run under as well: its limits
for slow clients are proven there, and no line of HTTP is parsed here. The device is whoever
has the peer's address on the inside, never what a form says.
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from captive_portal.gateway import pages
from captive_portal.gateway.doorkeeper import Doorkeeper, Entered, Failed
from captive_portal.gateway.redirects import Caught, write_redirect
from captive_portal.gateway.reporting import Reporter
from common.config_gateway import Gateway
from common.errors import BackendUnavailable, UsageError
from common.logging import get_logger
from common.net import parse_address

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

START_SECONDS = 1.5
"""The visitor's next page shows the session; until its Accounting-Start is in, it cannot."""

_COMPLAIN_SECONDS = 60.0
_HOST = re.compile(r"[A-Za-z0-9.\-_]+(?::\d{1,5})?\Z|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?\Z")
_LONGEST_FIELD = 253
"""Octets of an attribute, RFC 2865 section 5."""


class _Request(Request):
    max_content_length = 16 << 10
    max_form_memory_size = 16 << 10
    max_form_parts = 20


class Capture:
    """The application. `key` signs what the portal is told.

    Args:
        is_portal_away: whether there is no portal to lead to at the moment.
    """

    def __init__(
        self,
        settings: Gateway,
        keeper: Doorkeeper,
        reporter: Reporter,
        key: bytes,
        is_portal_away: Callable[[], bool] = lambda: False,
    ) -> None:
        self._is_portal_away = is_portal_away
        self._settings = settings
        self._keeper = keeper
        self._reporter = reporter
        self._key = key
        self._own = urlsplit(settings.public_url).netloc.lower()
        self._portal_origin = _origin(settings.portal_url)
        portal = urlsplit(settings.portal_url)
        # The way on from a form counts as its target too.
        self._policy = (
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; "
            f"base-uri 'none'; form-action 'self' {portal.scheme}://{portal.netloc}"
        )
        self._complained_at: float | None = None
        self._log = get_logger(__name__)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = _Request(environ)
        try:
            response = self._answer(request)
        except BackendUnavailable as error:
            self._complain(error)
            response = _html(pages.page(pages.UNAVAILABLE), 503)
            response.headers["Retry-After"] = "30"
        except HTTPException as error:
            response = _html("", error.code or 400)
        response.headers["Content-Security-Policy"] = self._policy
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response(environ, start_response)

    def _complain(self, error: BackendUnavailable) -> None:
        """Once a minute: a hundred phones ask again each second while something is down."""
        now = time.monotonic()
        if self._complained_at is None or now - self._complained_at >= _COMPLAIN_SECONDS:
            self._complained_at = now
            self._log.warning("browsers_not_answered", reason=str(error))

    def _answer(self, request: Request) -> Response:
        address = _peer(request)
        mac = self._keeper.mac_of(address) if address else None
        if mac is None:
            return _html(pages.page(pages.UNKNOWN), 403)
        if self._is_for_us(request):
            if request.path == "/login" and request.method == "POST":
                return self._log_in(request, address, mac)
            if request.path == "/logout" and request.method in ("GET", "HEAD", "POST"):
                return self._log_out(request, address, mac)
        return self._capture(request, address, mac)

    def _is_for_us(self, request: Request) -> bool:
        """Whether it is addressed to this gateway; what is only caught on its way is not."""
        return str(request.environ.get("HTTP_HOST", "")).lower() == self._own

    def _capture(self, request: Request, address: str, mac: str) -> Response:
        client, is_news = self._keeper.notice(address, mac)
        wanted = "" if self._is_for_us(request) else _wanted(request)
        if client is not None and is_news and wanted and request.method in ("GET", "HEAD"):
            # It goes through from this address as well now; once, so that nothing goes round.
            return _redirect(wanted, 302)
        if self._is_portal_away():
            response = _html(pages.page(pages.PORTAL_AWAY, pages.AGAIN), 503)
            response.headers["Retry-After"] = "15"
            return response
        result = "notyet" if client is None else "already"
        target = self._portal(address, mac, result, url=wanted)
        if request.method not in ("GET", "HEAD"):
            # RFC 6585 section 6.
            return _html(pages.page(pages.NOT_ONLINE, pages.link(target)), 511)
        return _redirect(target, 302)

    def _log_in(self, request: Request, address: str, mac: str) -> Response:
        """A one-time token from the portal's page, good for the device that posts it alone."""
        username, token = request.form.get("username", ""), request.form.get("password", "")
        outcome: Entered | Failed = Failed("token")
        if all(0 < len(text.encode()) <= _LONGEST_FIELD for text in (username, token)):
            outcome = self._keeper.log_in(address, username, token)
        if not isinstance(outcome, Entered):
            reason = outcome.text or outcome.reason
            return _redirect(self._portal(address, mac, "failed", reason=reason), 303)
        if outcome.record:
            self._reporter.wait_for(outcome.record, START_SECONDS)
        destination = request.form.get("dst", "")
        if _origin(destination) != self._portal_origin:
            # Whoever made the form may have put any address there.
            destination = self._portal(address, mac, "already")
        return _redirect(destination, 303)

    def _log_out(self, request: Request, address: str, mac: str) -> Response:
        client, _ = self._keeper.notice(address, mac)
        if client is None:
            link = pages.link(self._portal(address, mac, "notyet"))
            return _html(pages.page(pages.NOT_ONLINE, link), 200)
        proof = hmac.digest(self._key, b"sign out " + client.session_id.encode(), sha256).hex()
        given = request.form.get("proof", "") if request.method == "POST" else ""
        if not hmac.compare_digest(proof.encode(), given.encode("utf-8", "replace")):
            form = pages.sign_out_form("/logout", proof)
            return _html(pages.page(pages.SIGN_OUT, form), 200)
        self._keeper.log_out(address)
        return _redirect(self._portal(address, mac, "logoff"), 303)

    def _portal(
        self, address: str, mac: str, result: str, *, reason: str = "", url: str = ""
    ) -> str:
        caught = Caught(
            mac=mac,
            ip=address,
            nas=self._settings.nas_identifier,
            url=url,
            result=result,
            reason=reason,
        )
        return f"{self._settings.portal_url}?{write_redirect(caught, self._key)}"


def _peer(request: Request) -> str:
    text = (request.remote_addr or "").partition("%")[0]
    try:
        return str(parse_address(text))
    except UsageError:
        return ""


def _wanted(request: Request) -> str:
    """What the browser asked for, or the empty text when its like cannot be gone back to."""
    host = str(request.environ.get("HTTP_HOST", ""))
    target = str(request.environ.get("RAW_URI", "")) or request.full_path.rstrip("?")
    if not _HOST.match(host) or not target.startswith("/") or not target.isprintable():
        return ""
    return f"http://{host}{target}" if target.isascii() and " " not in target else ""


def _origin(url: str) -> str:
    """Scheme and host of an address; empty for what is not plainly one."""
    if not url.isprintable() or "\\" in url or " " in url:
        return ""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port or (443 if parts.scheme == 'https' else 80)}"


def _redirect(url: str, status: int) -> Response:
    response = _html(pages.link(url), status)
    response.autocorrect_location_header = False
    response.headers["Location"] = url
    return response


def _html(text: str, status: int) -> Response:
    return Response(text, status, content_type="text/html; charset=utf-8")
