"""Whatever posts a form with `username` and `password` to one fixed address."""

from __future__ import annotations

from collections.abc import Mapping

from captive_portal.vendors.forms import ByForm, form
from captive_portal.vendors.profile import (
    Arrival,
    BrowserStep,
    Entry,
    Gateway,
    Outcome,
    Tested,
)
from captive_portal.vendors.reading import find_address, first
from common.net import find_mac

# MikroTik, CoovaChilli, UniFi and the generic spelling, in this order.
_MAC = ("mac", "client_mac", "clientMac", "client-mac", "id")
_IP = ("ip", "client_ip", "clientIp", "client-ip", "uip")
_URL = ("link-orig", "userurl", "url", "orig_url", "redirect", "dst")
_ALREADY_IN = {"success", "already"}
_REFUSED = {"failed", "reject"}


class Generic(ByForm):
    """The make that is assumed of a network device of which nothing else is known."""

    name = "generic"
    tested = Tested.PROGRAM

    def read(self, query: Mapping[str, str], raw_query: str, gateway: Gateway) -> Arrival:
        """By the names that most makes share."""
        result = query.get("res", "")
        outcome = Outcome.NEW
        if result in _ALREADY_IN:
            outcome = Outcome.ALREADY
        elif result in _REFUSED or query.get("error"):
            outcome = Outcome.REFUSED
        return Arrival(
            mac=find_mac(first(query, _MAC)) or "",
            ip=find_address(first(query, _IP)),
            url=first(query, _URL),
            language=query.get("lang", "")[:2],
            outcome=outcome,
        )

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> BrowserStep:
        """One form. `dst` is our status page: what was first asked for is mostly a probe."""
        return form(
            gateway.login_url,
            ("username", entry.username),
            ("password", entry.token),
            ("dst", entry.destination),
            ("popup", "false"),
        )
