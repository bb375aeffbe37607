"""What phones and computers ask by themselves: RFC 8908 and the vendors' probe addresses.

Before login every probe is sent to the portal; after login it gets the answer its system
expects, so the sign-in sheet closes. Nothing here needs a cookie.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Blueprint, Flask, jsonify, make_response, redirect, request
from werkzeug.wrappers import Response

from captive_portal.public.site import client_address, portal, public_root, visit
from db.models import Account
from identity.services.allowance import allowance
from identity.services.presence import Presence, session_of

pages = Blueprint("detection", __name__)

CAPTIVE_JSON = "application/captive+json"

_APPLE = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>"
_FIREFOX = (
    '<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>'
)
_KINDLE = "<html><body>81ce4465-7167-4dcb-835b-dcc9e44c112a</body></html>"
_HTML, _TEXT = "text/html", "text/plain"

ONLINE_ANSWERS: dict[str, tuple[int, str, str]] = {
    "/generate_204": (204, "", _TEXT),
    "/gen_204": (204, "", _TEXT),
    "/captiveportal/generate_204": (204, "", _TEXT),
    "/hotspot-detect.html": (200, _APPLE, _HTML),
    "/library/test/success.html": (200, _APPLE, _HTML),
    "/connecttest.txt": (200, "Microsoft Connect Test", _TEXT),
    "/ncsi.txt": (200, "Microsoft NCSI", _TEXT),
    "/canonical.html": (200, _FIREFOX, _HTML),
    "/success.txt": (200, "success\n", _TEXT),
    "/kindle-wifi/wifistub.html": (200, _KINDLE, _HTML),
    "/check_network_status.txt": (200, "NetworkManager is online\n", _TEXT),
    "/nm": (200, "NetworkManager is online\n", _TEXT),
    "/static/hotspot.txt": (200, "OK\n", _TEXT),
}
"""Path of a probe, and status, body and type of the answer that means "online"."""

_OWN_NAME_NOT_NEEDED = ("/captive-portal/api", "/healthz", *ONLINE_ANSWERS)


def _presence() -> Presence | None:
    address = client_address()
    if not address:
        return None
    with portal().office.database.read() as session:
        return session_of(session, address)


def _probe() -> Response:
    if _presence() is None:
        return _to_portal()
    status, body, kind = ONLINE_ANSWERS[request.path]
    response = make_response(body, status)
    response.content_type = f"{kind}; charset=utf-8"
    return response


for _index, _path in enumerate(ONLINE_ANSWERS):
    pages.add_url_rule(_path, f"probe_{_index}", _probe)


@pages.get("/redirect")
def windows_redirect() -> Response:
    """Windows opens this once it has noticed a portal."""
    return _to_portal()


@pages.get("/captive-portal/api")
def api() -> Response:
    """RFC 8908: whether the asking device is captive, and until when it is not.

    A browser that comes here by hand is sent to the portal (section 4.1).
    """
    wanted = request.accept_mimetypes.best_match([CAPTIVE_JSON, "application/json", _HTML])
    if wanted == _HTML or wanted is None:
        response = _to_portal()
        response.headers["Vary"] = "Accept"
        return response
    presence = _presence()
    answer: dict[str, object] = {
        "captive": presence is None,
        "user-portal-url": f"{public_root()}/" if presence is None else f"{public_root()}/status",
    }
    if presence is not None:
        answer |= _remaining(presence)
    response = jsonify(answer)
    response.content_type = CAPTIVE_JSON
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Vary"] = "Accept"
    return response


def _remaining(presence: Presence) -> dict[str, object]:
    """What is left, by the tightest limit; nothing where there is none. RFC 8908 section 5."""
    office = portal().office
    now = office.clock()
    ends, left = [presence.ends_at], None
    if presence.account_id is not None:
        with office.database.read() as session:
            account = session.get(Account, presence.account_id)
            left = allowance(session, office, account) if account is not None else None
    if left is not None:
        ends.append(left.closes_at)
    seconds = [int((end - now).total_seconds()) for end in ends if end is not None]
    seconds += [one.seconds for one in (left.quotas if left else ()) if one.seconds is not None]
    found: dict[str, object] = {}
    if seconds:
        found["seconds-remaining"] = max(0, min(seconds))
    if left is not None and left.octets is not None:
        found["bytes-remaining"] = left.octets
    return found


@pages.get("/healthz")
def healthz() -> Response:
    """200 when the database answers; BackendUnavailable becomes 503."""
    portal().office.database.require_schema()
    return make_response("ok\n", 200, {"Content-Type": "text/plain; charset=utf-8"})


def init_capture(app: Flask) -> None:
    """Send requests for strangers' host names, which only a gateway can bring here, to us."""

    def check() -> Response | None:
        if request.path in _OWN_NAME_NOT_NEEDED:
            return None
        if _is_foreign(request.host):
            return _to_portal()
        if request.endpoint != "visits.arrive":
            visit()
        return None

    app.before_request(check)


def _is_foreign(host: str) -> bool:
    own = urlsplit(portal().office.config.portal.public_url).hostname
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return True
    if not own or name == own or name == "localhost":
        return False
    try:
        ip_address(name)
    except ValueError:
        return True
    return False


def _to_portal() -> Response:
    configured = portal().office.config.portal.public_url.rstrip("/")
    response = redirect(f"{configured}/", 302)
    response.headers["Cache-Control"] = "no-store"
    return response
