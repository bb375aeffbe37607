"""Whatever posts a form with `username` and `password` to one fixed address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from captive_portal.vendors.profile import (
    Arrival,
    BrowserStep,
    Entry,
    Gateway,
    Outcome,
    Setting,
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


class Generic:
    """The make that is assumed of a network device of which nothing else is known."""

    name = "generic"
    tested = Tested.PROGRAM
    settings: Sequence[Setting] = ()

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

    def can_hand_over(self, gateway: Gateway) -> bool:
        """With the registered login address."""
        return bool(gateway.login_url)

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> BrowserStep:
        """One form. `dst` is our status page: what was first asked for is mostly a probe."""
        return BrowserStep(
            method="post",
            url=gateway.login_url,
            fields=(
                ("username", entry.username),
                ("password", entry.token),
                ("dst", entry.destination),
                ("popup", "false"),
            ),
        )
