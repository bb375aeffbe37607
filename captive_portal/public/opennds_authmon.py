"""`/p/<nas>/` with `auth_get`: authmon of openNDS at levels 3 and 4 asks whom to let in.

Facts: openNDS documentation "fas", and authmon.sh of version 9.10. It proves nothing but that it
knows the hash of its own name, so only the registered addresses of the router are answered. What
it is told lets in clients of that router alone, and each only with a token that is good there.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import quote

from flask import Blueprint, abort, make_response, request
from werkzeug.wrappers import Response

from captive_portal.public.opennds import decide, limits_of
from captive_portal.public.site import client_address, portal
from captive_portal.public.visits import find_nas, gateway_of
from captive_portal.vendors.opennds import HASH_SETTING, Opennds
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
_HASH = re.compile(r"[0-9a-f]{64}")


@pages.before_app_request
def divert() -> Response | None:
    """Level 4 asks by GET, at the address where browsers arrive."""
    if request.endpoint == "visits.arrive" and "auth_get" in request.args:
        return _answer((request.view_args or {}).get("nas", ""))
    return None


@pages.post("/p/<nas>/")
def ask(nas: str) -> Response:
    """Level 3 asks by POST."""
    return _answer(nas)


def _answer(name: str) -> Response:
    check = (_STRANGER, site_of(client_address()))
    if portal().limits.wait_seconds(check):
        abort(429)
    nas = find_nas(name)
    if nas is None or not _is_the_router(nas):
        portal().limits.count(check)
        get_logger(__name__).warning("authmon_refused", nas=name, address=client_address())
        abort(403)
    try:
        text = _told(portal().office, nas, request.values.get("auth_get", ""), _payload())
    except BackendUnavailable:
        abort(503)
    return make_response(text, 200, {"Content-Type": "text/plain; charset=utf-8"})


def _is_the_router(nas: NasClient) -> bool:
    network, told = nas.network, request.values.get("gatewayhash", "")
    if nas.vendor != Opennds.name or network is None or not _HASH.fullmatch(told):
        return False
    registered = gateway_of(nas).settings.get(HASH_SETTING, "")
    here = client_address()
    return bool(here) and ip_address(here) in network and registered in ("", told)


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
        stored = session.get(GatewayGrant, grant.id)
        if stored is not None:
            stored.decided = line
    grant.decided = line
