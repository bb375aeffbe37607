"""`/p/<nas>/`: where a gateway sends a phone. Vendors' names for the same things meet here.

The NAS is the one registered under the name in the path. Nothing in the query is believed
beyond the person it concerns: no login address is ever taken from it.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, abort, g, redirect, request, url_for
from sqlalchemy import select
from werkzeug.wrappers import Response

from captive_portal.public.open_visits import code_of_detour, remember_open_visit
from captive_portal.public.site import (
    StaleVisit,
    client_address,
    page,
    portal,
    public_root,
    safe_return_url,
    set_visit,
    visit,
)
from captive_portal.vendors.profile import (
    NOBODY,
    Arrival,
    Forged,
    Gateway,
    Outcome,
    names_device,
)
from captive_portal.vendors.registered import gateway_from
from captive_portal.vendors.registry import vendor_called
from captive_portal.web.tokens import Visit
from common.net import find_mac
from db.models import NasClient
from identity.services.nas_portal import portal_settings

pages = Blueprint("visits", __name__)

_UNIFI, _ONLY_SITE = "unifi", "default"


def find_nas(name: str) -> NasClient | None:
    """The enabled NAS registered under `name`, or None."""
    with portal().office.database.read() as session:
        return session.scalar(
            select(NasClient).where(NasClient.name == name, NasClient.enabled.is_(True))
        )


def nas_of_visit() -> NasClient | None:
    """The NAS this visitor came from, or None when the portal was opened by hand."""
    name = visit().nas
    known: tuple[str, NasClient | None] | None = g.get("nas_of_visit")
    if known is None or known[0] != name:
        known = g.nas_of_visit = (name, find_nas(name) if name else None)
    return known[1]


def gateway_of(nas: NasClient) -> Gateway:
    """`nas` as its make's profile sees it."""
    address = public_root() + url_for("visits.arrive", nas=nas.name)
    return gateway_from(portal().office, nas, address)


def can_hand_over(nas: NasClient | None) -> bool:
    """Whether `nas` is known, with all that handing a visitor over to it needs."""
    return nas is not None and vendor_called(nas.vendor).can_hand_over(gateway_of(nas))


def arrival_of_visit() -> Arrival:
    """What the redirect of this visit told, as far as it was kept."""
    return _arrival_of(visit())


def lets_in_by_name(kept: Visit) -> bool:
    """Whether handing this visit over lets in the device it names, whoever does it."""
    nas = find_nas(kept.nas)
    if nas is None or not can_hand_over(nas):
        return False
    try:
        step = vendor_called(nas.vendor).step(_arrival_of(kept), gateway_of(nas), NOBODY)
    except Forged:
        return True
    return names_device(step)


def _arrival_of(kept: Visit) -> Arrival:
    return Arrival(
        mac=kept.mac, ip=kept.ip, ap_mac=kept.ap_mac, ssid=kept.ssid, carried=kept.carried
    )


@pages.get("/p/<nas>/")
def arrive(nas: str) -> Response:
    """Read the gateway's redirect into a visit and go on to the page it calls for."""
    found = find_nas(nas)
    if found is None:
        abort(404)
    return arrive_from(found)


@pages.get("/guest/s/<site>/")
def arrive_at_site(site: str) -> Response:
    """Where UniFi sends a phone: it knows our host only, and puts its own path after it."""
    found = _unifi_of(site, find_mac(request.args.get("ap", "")) or "")
    if found is None:
        abort(404)
    return arrive_from(found)


def arrive_from(nas: NasClient) -> Response:
    """Read the redirect of a registered gateway and go on."""
    try:
        arrival = vendor_called(nas.vendor).read(
            _query(), request.query_string.decode("latin-1"), gateway_of(nas)
        )
    except Forged as error:
        raise StaleVisit from error
    here = client_address()
    if arrival.from_ip and arrival.ip not in ("", here):
        raise StaleVisit
    ip = arrival.ip or here if arrival.from_ip else arrival.ip
    if arrival.ip_if_own and ip != here:
        ip = ""
    set_visit(
        Visit(
            nas=nas.name,
            mac=arrival.mac,
            ip=ip,
            ap_mac=arrival.ap_mac,
            ssid=arrival.ssid,
            url=safe_return_url(arrival.url),
            language=arrival.language,
            carried=dict(arrival.carried),
            seen_from=here,
        )
    )
    remember_open_visit()
    if code := code_of_detour(arrival.url):
        return redirect(page("voucher.form", c=code), 302)
    if arrival.outcome is Outcome.ALREADY:
        return redirect(page("status.show"), 302)
    told = {Outcome.LEFT: {"signed_out": "1"}}.get(arrival.outcome, {})
    if arrival.outcome in (Outcome.REFUSED, Outcome.SILENT):
        told = {"refused": arrival.outcome}
    return redirect(page("login.form", **told), 302)


def _unifi_of(site: str, ap_mac: str) -> NasClient | None:
    """The one console that has this access point registered, else the one that has this site.

    Sites are mostly called `default`: of several consoles only the access point tells which.
    """
    by_site = []
    with portal().office.database.read() as session:
        rows = session.scalars(
            select(NasClient).where(NasClient.vendor == _UNIFI, NasClient.enabled.is_(True))
        ).all()
    for row in rows:
        settings = portal_settings(portal().office, row)
        if ap_mac and ap_mac in settings.get("ap_macs", "").split(","):
            return row
        if settings.get("site", _ONLY_SITE) == site:
            by_site.append(row)
    return by_site[0] if len(by_site) == 1 else None


def _query() -> Mapping[str, str]:
    return dict(request.args.items())
