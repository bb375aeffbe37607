"""Aruba: Instant access points, AOS-8 controllers and Instant On take the same form.

Redirects are not signed. The form goes to the registered address; where none is registered and
the make is Instant, to the name that Instant intercepts by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from captive_portal.vendors.forms import form
from captive_portal.vendors.profile import (
    Arrival,
    BrowserStep,
    Entry,
    Gateway,
    Setting,
    Tested,
)
from captive_portal.vendors.reading import (
    find_address,
    first,
    language_of,
    mac_of,
    outcome_of,
    plain_text,
    target_of,
)
from captive_portal.vendors.settings import MODE, setting_of

INTERCEPTED = "https://securelogin.arubanetworks.com"
_PATH = "/cgi-bin/login"


class Aruba:
    """Instant (also managed by Central), AOS-8, Instant On."""

    name = "aruba"
    tested = Tested.FIXTURE
    settings: Sequence[Setting] = (
        Setting(
            name=MODE,
            choices=("instant", "aos8", "instant-on"),
            default="instant",
            help="instant needs no sign-in address; it answers to securelogin.arubanetworks.com.",
        ),
    )

    def read(self, query: Mapping[str, str], raw_query: str, gateway: Gateway) -> Arrival:
        """The names of all three; `errmsg` comes back after a refusal."""
        failure = query.get("errmsg", "")
        return Arrival(
            mac=mac_of(query.get("mac", "")),
            ip=find_address(query.get("ip", "")),
            ssid=plain_text(first(query, ("essid", "network"))),
            ap_mac=mac_of(query.get("apmac", "")),
            url=query.get("url", ""),
            language=language_of(query),
            outcome=outcome_of(failure),
            reason=plain_text(failure),
        )

    def _login_url(self, gateway: Gateway) -> str:
        if gateway.login_url or setting_of(self.settings, gateway, MODE) != "instant":
            return gateway.login_url
        return INTERCEPTED

    def can_hand_over(self, gateway: Gateway) -> bool:
        """With an address, or the intercepted name."""
        return bool(self._login_url(gateway))

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> BrowserStep:
        """The form of its own page."""
        return form(
            target_of(self._login_url(gateway), _PATH),
            ("user", entry.username),
            ("password", entry.token),
            ("cmd", "authenticate"),
            ("Login", "Log In"),
            ("url", entry.destination),
        )
