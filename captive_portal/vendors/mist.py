"""Juniper Mist: a link to Mist's cloud that names the device, signed with the WLAN's secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from captive_portal.vendors.controller import refused, server_step
from captive_portal.vendors.profile import (
    Arrival,
    BrowserStep,
    Entry,
    Gateway,
    ServerStep,
    Setting,
    Tested,
)
from captive_portal.vendors.reading import (
    at_path,
    bounded_seconds,
    language_of,
    mac_of,
    minutes_of,
    plain_text,
)
from captive_portal.vendors.settings import missing
from common.clock import unix_milliseconds

CLOUD = "https://portal.mist.com"
_GOOD_SECONDS = 120


class Mist:
    """No RADIUS: Mist's cloud opens the network to who brings the link."""

    name = "mist"
    tested = Tested.UNTESTED
    settings: Sequence[Setting] = (
        Setting(name="wlan_id", required=True, help="Identifier of the WLAN."),
        Setting(name="secret", is_secret=True, required=True, help="Of the WLAN's guest portal."),
    )

    def read(self, query: Mapping[str, str], raw_query: str, gateway: Gateway) -> Arrival:
        """Device, access point, page."""
        return Arrival(
            mac=mac_of(query.get("client_mac", "")),
            ap_mac=mac_of(query.get("ap_mac", "")),
            ssid=plain_text(query.get("ssid", "")),
            url=query.get("url", ""),
            language=language_of(query),
        )

    def can_hand_over(self, gateway: Gateway) -> bool:
        """With the secret; where no address is registered it is Mist's first cloud."""
        return not missing(self.settings, gateway)

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> BrowserStep | ServerStep:
        """A link that is good for two minutes."""
        if not arrival.mac or not arrival.ap_mac:
            why = "the redirect named no device or no access point"
            return server_step(gateway, lambda: refused(gateway, why))
        minutes = minutes_of(bounded_seconds(entry))
        about = (
            gateway.settings["wlan_id"],
            arrival.ap_mac,
            arrival.mac,
            str(minutes),
            "0",
            "0",
            "0",
        )
        token = base64.b64encode("/".join(about).encode()).decode()
        expires = str(unix_milliseconds() // 1000 + _GOOD_SECONDS)
        signed = urlencode((("expires", expires), ("token", token)))
        digest = hmac.new(gateway.settings["secret"].encode(), signed.encode(), hashlib.sha1)
        return BrowserStep(
            method="get",
            url=at_path(gateway.login_url or CLOUD, "/authorize"),
            fields=(
                ("signature", base64.b64encode(digest.digest()).decode()),
                ("token", token),
                ("expires", expires),
                ("forward", entry.destination),
            ),
            names_device=True,
            granted_to=arrival.mac,
        )
