"""`/opennds/<nas>/report`: where an openNDS router asks who may come in and tells who is.

It speaks no RADIUS, so this is its access request, its accounting and its way to be told whom
to put out. Every request is signed with the router's faskey and taken once; without a right
signature nothing is read, and the answer says nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from flask import Blueprint, Flask, abort, make_response, request
from werkzeug.wrappers import Response

from captive_portal.public.site import client_address, portal
from captive_portal.public.visits import find_nas, gateway_of
from captive_portal.vendors import opennds_report
from captive_portal.vendors.opennds import KEY_SETTING, Custom, Opennds
from captive_portal.vendors.opennds_report import Ask, Client, Done, Report, answer, read_report
from captive_portal.vendors.profile import Forged
from captive_portal.web.limits import Limit, site_of
from common.errors import BackendUnavailable
from common.logging import get_logger
from common.net import format_mac
from db.models import NasClient
from identity.domain.access import Decision, Denied, Granted, Method, Reason, Unavailable
from identity.domain.dynamic import Kind, State
from identity.office import Office
from identity.services import gateway_requests, outbox
from identity.services.entering import Entrance, present
from identity.services.reported_sessions import (
    Place,
    Reported,
    place_of,
    store_entrance,
    store_reports,
    without_unproven_names,
)

pages = Blueprint("opennds", __name__)

_FORGED = Limit.of("opennds-forged", "60 per 1 minute")
LONGEST_SECONDS = 8 * 3600
"""Of a session whose role has no limit: a router whose agent has died cannot be told to end it."""

_ORDERS_AT_ONCE = 20
_NOT_FOUND = 503
"""Error-Cause Session-Context-Not-Found, RFC 5176 section 3.5."""


def init_reports(app: Flask) -> None:
    """Keep the octets of a report, whatever type its sender gives them; call it first of all."""

    def keep() -> None:
        if request.endpoint == "opennds.report":
            # Some of the programs that routers have call every body a form, and reading a form
            # leaves nothing of what was signed.
            request.max_content_length = opennds_report.MAXIMUM_OCTETS
            request.get_data(cache=True, parse_form_data=False)

    app.before_request(keep)


@pages.post("/opennds/<nas>/report")
def report(nas: str) -> Response:
    """Take a report; answer what was asked, and which clients are to be put out."""
    found = find_nas(nas)
    known = found is not None and found.vendor == Opennds.name
    key = gateway_of(found).settings.get(KEY_SETTING, "") if found and known else ""
    try:
        told = read_report(
            key, request.args.get("n", ""), request.args.get("s", ""), request.get_data()
        )
    except Forged as error:
        # Only what is forged is counted: phones behind the router may have its address.
        check = (_FORGED, site_of(client_address()))
        if portal().limits.wait_seconds(check):
            abort(429)
        portal().limits.count(check)
        get_logger(__name__).warning("report_refused", nas=nas, why=str(error))
        abort(403)
    assert found is not None
    lines: Iterable[str]
    try:
        lines = _taken(portal().office, found, told)
    except BackendUnavailable:
        abort(503)
    return make_response(
        answer(key, told.nonce, portal().office.clock(), lines),
        200,
        {"Content-Type": "text/plain; charset=utf-8"},
    )


def _taken(office: Office, nas: NasClient, told: Report) -> Sequence[str]:
    now = office.clock()
    if not told.is_fresh(now):
        return ["stale"]  # it sets its clock by this answer and asks again
    with office.database.write() as session:
        if not gateway_requests.take(session, nas.id, told.nonce, now):
            return ["again"]
    place = place_of(nas, client_address())
    lines = [admit(office, place, ask) for ask in told.asks]
    if told.clients or told.is_whole:
        reported: Sequence[Reported] = [
            _reported(client, told.router_seconds) for client in told.clients
        ]
        reported = without_unproven_names(office, place, reported)
        store_reports(office, place, reported, told.is_whole)
        left_out = sum(client.left_out for client in told.clients)
        if left_out:
            get_logger(__name__).warning("addresses_left_out", nas=nas.name, addresses=left_out)
    _finish(office, nas, told.results)
    return lines if told.asks else [*lines, *_orders(office, nas)]


def admit(office: Office, place: Place, ask: Ask) -> str:
    """The line that says whether one client may come in; raises as `decide`."""
    decision = decide(office, place, ask.mac, ask.ip, ask.custom)
    mac = format_mac(ask.mac)
    if isinstance(decision, Denied):
        return f"refuse {mac} {decision.reason}"
    return f"allow {mac} {' '.join(map(str, limits_of(office, decision)))}"


def decide(office: Office, place: Place, mac: str, ip: str, carried: str) -> Granted | Denied:
    """Decide on one client by the token that is carried for it, and write it down.

    Raises:
        BackendUnavailable: nobody knows, so nobody is let in.
    """
    custom = Custom.decode(carried)
    decision: Decision = Denied(Reason.BAD_REQUEST, Method.TOKEN)
    if custom is not None:
        entrance = Entrance(
            nas_client_id=place.nas_client_id, mac=mac, has_room=not portal().gate.is_closed()
        )
        decision = present(office, custom.token, custom.username, entrance)
    if isinstance(decision, Unavailable):
        raise BackendUnavailable(decision.backend, "no decision")
    name = custom.username if custom else ""
    entering = Reported(
        acct_session_id=session_id(custom) if custom else "",
        user_name=name,
        mac=mac,
        ip=ip,
        octets=f"ask {mac} {ip} {name}".encode(),
    )
    store_entrance(office, place, decision, entering, entering.acct_session_id)
    return decision


def limits_of(office: Office, granted: Granted) -> tuple[int, int, int, int, int]:
    """Seconds, upload and download kbit/s, upload and download kB; 0 is no limit.

    openNDS counts the directions apart: each may take what the quota leaves for both, and
    the housekeeping of quotas here ends the session when the sum is used up.
    """
    role = granted.account.role
    seconds = role.session_seconds or LONGEST_SECONDS
    if granted.expires_at is not None:
        left = max(1, int((granted.expires_at - office.clock()).total_seconds()))
        seconds = min(seconds, left)
    kilobytes = 0 if granted.octets_left is None else max(1, granted.octets_left // 1024)
    return seconds, role.up_kbps or 0, role.down_kbps or 0, kilobytes, kilobytes


def session_id(custom: Custom) -> str:
    """Names the session that a token has begun; the token itself is not kept."""
    return hashlib.sha256(custom.token.encode()).hexdigest()[:16]


def _reported(client: Client, router_seconds: int) -> Reported:
    custom = Custom.decode(client.custom)
    last = router_seconds if client.ended is None else client.ended
    return Reported(
        # Who was let in by hand on the router has no token, and nobody to answer for it.
        acct_session_id=session_id(custom) if custom else f"{client.token}-{client.started}",
        user_name=custom.username if custom else "",
        mac=client.mac,
        ip=client.ip,
        more_addresses=client.more_addresses,
        seconds=max(0, last - client.started),
        ended_seconds_ago=None if client.ended is None else max(0, router_seconds - client.ended),
        cause=client.cause,
        sent_octets=client.up_octets,
        received_octets=client.down_octets,
        octets=_without_token(client.line, client.custom),
    )


def _without_token(line: bytes, custom: str) -> bytes:
    """What is kept as evidence says who it was, and not by which token."""
    named = Custom.decode(custom)
    if named is None:
        return line
    return line.removesuffix(custom.encode()) + f"{session_id(named)}/{named.username}".encode()


def _node(nas: NasClient) -> str:
    return f"opennds/{nas.id}"


def _orders(office: Office, nas: NasClient) -> Sequence[str]:
    """Whom to put out, as far as officers and rules have asked for it."""
    present_here = {nas.id}
    with office.database.read() as session:
        if not outbox.is_due(session, office.clock(), present_here):
            return ()
    lines = []
    with office.database.write() as session:
        claimed = outbox.claim(session, office, _node(nas), _ORDERS_AT_ONCE, present_here)
        for order in claimed:
            if order.kind is Kind.DISCONNECT and order.calling_station_id:
                lines.append(f"put-out {order.request_id} {format_mac(order.calling_station_id)}")
            else:
                outbox.finish(
                    session, office.clock(), _node(nas), order.request_id, State.UNSUPPORTED
                )
    return lines


def _finish(office: Office, nas: NasClient, results: Sequence[Done]) -> None:
    if not results:
        return
    with office.database.write() as session:
        for one in results:
            done = one.outcome == "done"
            outbox.finish(
                session,
                office.clock(),
                _node(nas),
                one.order,
                State.ACKED if done else State.NAKKED,
                None if done else _NOT_FOUND,
            )
