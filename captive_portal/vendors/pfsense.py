"""pfSense: its zone's page sends the browser here; a form goes back to the zone's own address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

from captive_portal.vendors.profile import (
    Arrival,
    BrowserStep,
    Entry,
    Gateway,
    Outcome,
    Setting,
    Tested,
)
from captive_portal.vendors.reading import (
    find_address,
    first,
    language_of,
    mac_of,
    plain_text,
)


class Pfsense:
    """The zone's address is registered; `$PORTAL_ACTION$` of the redirect is not followed."""

    name = "pfsense"
    tested = Tested.FIXTURE
    settings: Sequence[Setting] = ()

    def read(self, query: Mapping[str, str], raw_query: str, gateway: Gateway) -> Arrival:
        """What our page puts into the address of the macros that pfSense fills in."""
        message = query.get("message", "")
        return Arrival(
            mac=mac_of(query.get("mac", "")),
            ip=find_address(query.get("ip", "")),
            url=first(query, ("redirurl", "url")),
            language=language_of(query),
            outcome=Outcome.REFUSED if message else Outcome.NEW,
            reason=plain_text(message),
        )

    def can_hand_over(self, gateway: Gateway) -> bool:
        """With the zone's address, such as http://10.0.0.1:8002/index.php?zone=guests."""
        return bool(gateway.login_url)

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> BrowserStep:
        """The form of the zone's own page."""
        zone = parse_qs(urlsplit(gateway.login_url).query).get("zone", [""])[0]
        return BrowserStep(
            method="post",
            url=gateway.login_url,
            fields=(
                ("auth_user", entry.username),
                ("auth_pass", entry.token),
                ("redirurl", entry.destination),
                ("zone", zone),
                ("accept", "Continue"),
            ),
        )
