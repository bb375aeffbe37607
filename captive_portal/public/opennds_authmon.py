"""`/p/<nas>/` with `auth_get`: authmon of openNDS at levels 3 and 4 asks whom to let in.

Facts: openNDS documentation "fas", and authmon.sh of version 9.10. It proves nothing but that it
knows the hash of its own name, which every phone behind it is told, so only the registered
addresses of the router are answered. Where phones have one of those addresses too, each of them
could ask in its place: nobody is signed in there.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import quote

from flask import Blueprint, abort, make_response, render_template, request
from werkzeug.wrappers import Response

from captive_portal.public.opennds import decide, limits_of
from captive_portal.public.site import client_address, portal
from captive_portal.public.visits import find_nas, gateway_of
from captive_portal.vendors.opennds import FETCHED, HASH_SETTING, Opennds, level_of
from captive_portal.web.i18n import gettext
from captive_portal.web.limits import Limit, site_of
from common.errors import BackendUnavailable
from common.logging import get_logger
from db.models import GatewayGrant, NasClient
from identity.domain.access import Granted
from identity.office import Office
from identity.services import gateway_requests
from identity.services.reported_sessions import place_of

pages = Blueprint("opennds_authmon", __name__)

AT_ONCE = 4
"""authmon looks at no more of one answer."""

LONGEST = 1000
"""Characters of an answer; authmon cuts at 1024."""

_STRANGER = Limit.of("authmon-stranger", "30 per 1 minute")
_TOLD = Limit.of("authmon-unsafe", "1 per 1 hour")
"""Each phone that comes there is refused; the log says so once."""
_HASH = re.compile(r"[0-9a-f]{64}")


@pages.before_app_request
def divert() -> Response | None:
    """Level 4 asks by GET, at the address where browsers arrive."""
    if request.endpoint != "visits.arrive":
        return None
    name = (request.view_args or {}).get("nas", "")
    if "auth_get" in request.args:
        return _answer(name)
    nas = find_nas(name) if "fas" in request.args else None
    return _refused(nas) if nas is not None and _could_be_asked_for(nas) else None


def _could_be_asked_for(nas: NasClient) -> bool:
    """Whether a phone that arrives from here could fetch what is laid ready for others.

    Nothing that phones do not see tells them from the router: authmon asks at the very address
    that they are sent to. Later pages hand over from the address of the arrival alone.
    """
    return (
        nas.vendor == Opennds.name and level_of(gateway_of(nas)) in FETCHED and _is_of_router(nas)
    )


def _refused(nas: NasClient) -> Response:
    told = (_TOLD, nas.name)
    if not portal().limits.wait_seconds(told):
        portal().limits.count(told)
        get_logger(__name__).warning(
            "authmon_unsafe", nas=nas.name, address=client_address(), advice="set level 1"
        )
    text = render_template(
        "error.html",
        title=gettext("This Wi-Fi cannot sign anybody in"),
        advice=gettext(
            "Its router is not set up safely for this. Please tell the staff: the openNDS level "
            "must be 1 here."
        ),
    )
    return make_response(text, 503)


@pages.post("/p/<nas>/")
def ask(nas: str) -> Response:
    """Level 3 asks by POST."""
    return _answer(nas)


def _answer(name: str) -> Response:
    nas = find_nas(name)
    if nas is None or not _is_the_router(nas):
        check = (_STRANGER, site_of(client_address()))
        if portal().limits.wait_seconds(check):
            abort(429)
        portal().limits.count(check)
        get_logger(__name__).warning("authmon_refused", nas=name, address=client_address())
        abort(403)
    try:
        text = _told(portal().office, nas, request.values.get("auth_get", ""), _payload())
    except BackendUnavailable:
        abort(503)
    return make_response(text, 200, {"Content-Type": "text/plain; charset=utf-8"})


def _is_the_router(nas: NasClient) -> bool:
    told = request.values.get("gatewayhash", "")
    if nas.vendor != Opennds.name or not _is_of_router(nas) or not _HASH.fullmatch(told):
        return False
    return gateway_of(nas).settings.get(HASH_SETTING, "") in ("", told)


def _is_of_router(nas: NasClient) -> bool:
    """Whether who asks has an address that is registered as the router's."""
    here = client_address()
    return bool(here) and nas.network is not None and ip_address(here) in nas.network


def _payload() -> str:
    try:
        # A plus in a query becomes a space on the way.
        text = request.values.get("payload", "").replace(" ", "+")
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return ""


def _told(office: Office, nas: NasClient, action: str, payload: str) -> str:
    """What authmon is answered; a word it does not know is acknowledged like its notices."""
    now = office.clock()
    if action == "clear":
        with office.database.write() as session:
            gateway_requests.withdraw(session, nas.id)
        return "ack"
    if action not in ("view", "list"):
        return "ack"  # who has left, and what else it tells: our agent tells it better
    if payload.startswith("*"):
        with office.database.write() as session:
            gateway_requests.acknowledge(session, nas.id, payload.split()[1:], now)
        return "ack"
    granted = _granted(office, nas)
    if action == "list":
        with office.database.write() as session:
            keys = [grant.key for grant in granted]
            gateway_requests.acknowledge(session, nas.id, keys, now)
    return " ".join(["*", *(quote(grant.decided or "", safe="") for grant in granted)])


def _granted(office: Office, nas: NasClient) -> Sequence[GatewayGrant]:
    """Those who may come in; who waits is decided on now, as late as possible."""
    with office.database.read() as session:
        found = gateway_requests.waiting(session, nas.id, office.clock(), AT_ONCE)
    granted: list[GatewayGrant] = []
    room = LONGEST
    for grant in found:
        if grant.decided is None:
            _decide(office, nas, grant)
        room -= len(quote(grant.decided or "", safe="")) + 1
        if grant.decided and room >= 0:
            granted.append(grant)
    return granted


def _decide(office: Office, nas: NasClient, grant: GatewayGrant) -> None:
    place = place_of(nas, client_address())
    decision = decide(office, place, grant.mac, grant.ip, grant.carried)
    line = ""
    if isinstance(decision, Granted):
        seconds, up, down, up_quota, down_quota = limits_of(office, decision)
        # ndsctl takes minutes, and a part of one would be none at all: no limit.
        minutes = -(-seconds // 60)
        line = f"{grant.key} {minutes} {up} {down} {up_quota} {down_quota} {grant.carried}"
    with office.database.write() as session:
        stored = session.get(GatewayGrant, grant.id, with_for_update=True)
        if stored is not None and stored.carried == grant.carried:
            # A router that has waited too long asks again meanwhile, and a token is good once:
            # then the other decision holds.
            stored.decided = line = stored.decided or line
    grant.decided = line
