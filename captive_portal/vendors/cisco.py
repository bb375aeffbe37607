"""Cisco wireless controllers with local web authentication: AireOS and Catalyst 9800.

Redirects are not signed; `switch_url` is not followed. Without `buttonClicked=4` the controller
sends the browser back to us at once.
"""

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
from captive_portal.vendors.reading import first, language_of, mac_of, plain_text, target_of
from captive_portal.vendors.settings import MODE, setting_of

_OUTCOMES = {"1": Outcome.ALREADY, **dict.fromkeys("2345", Outcome.REFUSED)}
"""Of statusCode: 1 is in already, 2 not set up for it, 3 name in use, 4 excluded, 5 wrong."""


class Cisco:
    """The virtual address of the controller takes the form."""

    name = "cisco"
    tested = Tested.FIXTURE
    settings: Sequence[Setting] = (
        Setting(
            name=MODE,
            choices=("aireos", "9800"),
            default="aireos",
            help="9800 spells one field of the form otherwise.",
        ),
    )

    def read(self, query: Mapping[str, str], raw_query: str, gateway: Gateway) -> Arrival:
        """AireOS's own names, which a 9800 is told to use."""
        status = query.get("statusCode", "")
        return Arrival(
            mac=mac_of(query.get("client_mac", "")),
            ssid=plain_text(first(query, ("wlan", "ssid"))),
            ap_mac=mac_of(query.get("ap_mac", "")),
            url=query.get("redirect", ""),
            language=language_of(query),
            outcome=_OUTCOMES.get(status, Outcome.NEW),
            reason=f"status {status}" if status in _OUTCOMES else "",
        )

    def can_hand_over(self, gateway: Gateway) -> bool:
        """With its virtual address, such as https://192.0.2.1/login.html."""
        return bool(gateway.login_url)

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> BrowserStep:
        """The form of the controller's own page."""
        back = [("redirect_url", entry.destination)]
        if setting_of(self.settings, gateway, MODE) == "9800":
            back.append(("redirectUrl", entry.destination))
        return BrowserStep(
            method="post",
            url=target_of(gateway.login_url, "/login.html"),
            fields=(
                ("username", entry.username),
                ("password", entry.token),
                ("buttonClicked", "4"),
                ("err_flag", "0"),
                *back,
            ),
        )
