"""How a slip's QR code, opened by a phone's camera, finds the connection of that phone.

The camera's browser has no page of ours, so it knows of no visit. Two ways lead back to the
gateway:

* the gateway has sent this phone here a moment ago: the visit is remembered by the client's
  address (arrivals);
* otherwise the browser is sent to a plain http address that nobody answers (`portal.capture_url`).
  A gateway catches it as it catches a probe, and sends the browser here with a fresh visit and with
  that address, which carries the code.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, quote, urlsplit

from flask import g
from sqlalchemy.orm import Session

from captive_portal.public.site import VISIT_FIELD, client_address, portal, set_visit, visit
from captive_portal.web.tokens import Visit
from identity.domain.admission import find_code

_PATH = "/v"


def remember_open_visit() -> None:
    """Keep the visit that has just begun; its phone may scan a slip next."""
    text = g.get(f"{VISIT_FIELD}_text", "")
    portal().arrivals.remember(portal().office, client_address(), visit().mac, text)


def adopt_open_visit(lets_in: Callable[[Visit], bool]) -> None:
    """Go on with the visit that was begun from this address, when there is one and only one.

    Args:
        lets_in: whether going on with a visit lets in the device that it names, whoever goes on:
            such a visit may be a stranger's behind the same router, and is not taken.
    """
    found = portal().arrivals.recall(portal().office, client_address())
    known = portal().signer.read_visit(found) if found else None
    if known is not None and not lets_in(known):
        set_visit(known)


def close_open_visit(session: Session) -> None:
    """Forget the visit: its phone is being handed over."""
    portal().arrivals.close(session, client_address(), visit().mac)


def detour_address(code: str) -> str:
    """Where a gateway catches the browser and sends it back here with the code; empty: nowhere."""
    base = portal().office.config.portal.capture_url.rstrip("/")
    return f"{base}{_PATH}?c={quote(code)}" if base else ""


def code_of_detour(url: str) -> str:
    """The code in the address that the gateway caught, when that is the one of `detour_address`."""
    base = portal().office.config.portal.capture_url.rstrip("/")
    if not base or len(url) > 300 or not url.startswith(f"{base}{_PATH}?"):
        return ""
    found = parse_qs(urlsplit(url).query).get("c", [""])[0]
    return found if find_code(found) is not None else ""
