"""pfSense: its zone's page sends the browser here; a form goes back to the zone's own address."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from captive_portal.vendors.forms import ByForm, form
from captive_portal.vendors.profile import (
    Arrival,
    BrowserStep,
    Entry,
    Gateway,
    Tested,
)
from captive_portal.vendors.reading import (
    find_address,
    first,
    language_of,
    mac_of,
    outcome_of,
    plain_text,
)


class Pfsense(ByForm):
    """The zone's address is registered; `$PORTAL_ACTION$` of the redirect is not followed."""

    name = "pfsense"
    tested = Tested.FIXTURE

    def read(self, query: Mapping[str, str], raw_query: str, gateway: Gateway) -> Arrival:
        """What our page puts into the address of the macros that pfSense fills in."""
        message = query.get("message", "")
        return Arrival(
            mac=mac_of(query.get("mac", "")),
            ip=find_address(query.get("ip", "")),
            url=first(query, ("redirurl", "url")),
            language=language_of(query),
            outcome=outcome_of(message),
            reason=plain_text(message),
        )

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> BrowserStep:
        """The form of the zone's own page."""
        zone = parse_qs(urlsplit(gateway.login_url).query).get("zone", [""])[0]
        return form(
            gateway.login_url,
            ("auth_user", entry.username),
            ("auth_pass", entry.token),
            ("redirurl", entry.destination),
            ("zone", zone),
            ("accept", "Continue"),
        )
