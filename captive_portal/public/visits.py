"""`/p/<nas>/`: where a gateway sends a phone. Vendors' names for the same things meet here.

The NAS is the one registered under the name in the path. Nothing in the query is believed
beyond the person it concerns: no login address is ever taken from it.
"""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, abort, redirect, request
from sqlalchemy import select
from werkzeug.wrappers import Response

from captive_portal.public.site import page, portal, safe_return_url, set_visit, visit
from captive_portal.web.tokens import Visit
from common.errors import UsageError
from common.net import find_mac, parse_address
from db.models import NasClient

pages = Blueprint("visits", __name__)

# MikroTik, CoovaChilli, UniFi and the generic spelling, in this order.
_MAC = ("mac", "client_mac", "clientMac", "client-mac", "id")
_IP = ("ip", "client_ip", "clientIp", "client-ip", "uip")
_URL = ("link-orig", "userurl", "url", "orig_url", "redirect", "dst")
_ALREADY_IN = {"success", "already"}
_REFUSED = {"failed", "reject"}


def find_nas(name: str) -> NasClient | None:
    """The enabled NAS registered under `name`, or None."""
    with portal().office.database.read() as session:
        return session.scalar(
            select(NasClient).where(NasClient.name == name, NasClient.enabled.is_(True))
        )


def nas_of_visit() -> NasClient | None:
    """The NAS this visitor came from, or None when the portal was opened by hand."""
    name = visit().nas
    return find_nas(name) if name else None


@pages.get("/p/<nas>/")
def arrive(nas: str) -> Response:
    """Read the gateway's redirect into a visit and go on to the page it calls for."""
    if find_nas(nas) is None:
        abort(404)
    set_visit(
        Visit(
            nas=nas,
            mac=find_mac(_first(_MAC)) or "",
            ip=_address(_first(_IP)),
            url=safe_return_url(_first(_URL)),
            language=request.args.get("lang", "")[:2],
        )
    )
    outcome = request.args.get("res", "")
    if outcome in _ALREADY_IN:
        return redirect(page("status.show"), 302)
    if outcome in _REFUSED or request.args.get("error"):
        return redirect(page("login.form", refused="1"), 302)
    return redirect(page("login.form"), 302)


def _first(names: Sequence[str]) -> str:
    return next((request.args[name] for name in names if request.args.get(name)), "")


def _address(text: str) -> str:
    try:
        return str(parse_address(text))
    except UsageError:
        return ""
