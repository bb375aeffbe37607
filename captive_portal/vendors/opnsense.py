"""OPNsense: its zone's page sends the browser here, and a call connects the address.

It is an address that is let in, and nobody signs the redirect: so it is the address that the
browser comes from, unless an officer says that there is translation between it and this portal.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from captive_portal.vendors import controller
from captive_portal.vendors.controller import (
    Controller,
    controller_of,
    controller_settings,
    json_call,
    refused,
    server_step,
)
from captive_portal.vendors.profile import (
    Arrival,
    Completion,
    Entry,
    Forged,
    Gateway,
    ServerStep,
    Setting,
    Tested,
)
from captive_portal.vendors.reading import find_address, first, language_of, mac_of
from captive_portal.vendors.settings import NO, YES, missing, setting_of


class Opnsense:
    """The API of the captive portal."""

    name = "opnsense"
    tested = Tested.FIXTURE
    settings: Sequence[Setting] = (
        *controller_settings(),
        Setting(name="zone", default="0", help="Number of the zone."),
        Setting(
            name="api_key",
            is_secret=True,
            required=True,
            help="Key of a user that may use the captive portal and nothing else.",
        ),
        Setting(name="api_secret", is_secret=True, required=True),
        Setting(
            name="check_address",
            choices=(YES, NO),
            default=YES,
            help="no: visitors reach this portal from other addresses than OPNsense knows them by.",
        ),
    )

    def read(self, query: Mapping[str, str], raw_query: str, gateway: Gateway) -> Arrival:
        """What the zone's page puts into the address."""
        ip = find_address(first(query, ("ip", "clientip", "client_ip")))
        checked = setting_of(self.settings, gateway, "check_address") == YES
        if not ip and not checked:
            raise Forged("no address")
        url = first(query, ("redirurl", "url"))
        return Arrival(
            mac=mac_of(query.get("mac", "")),
            ip=ip,
            from_ip=checked,
            # The zone writes host and path without a scheme.
            url=url if "://" in url or not url else f"http://{url}",
            language=language_of(query),
        )

    def can_hand_over(self, gateway: Gateway) -> bool:
        """With the controller's address and its key."""
        return not missing(self.settings, gateway)

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> ServerStep:
        """Connect the address."""
        where = controller_of(self.settings, gateway)
        return server_step(
            gateway, lambda: _connect(where, arrival, gateway, entry), granted_to=arrival.ip
        )


def zone_of(gateway: Gateway) -> str:
    """The number of the zone, for a path."""
    return quote(setting_of(Opnsense.settings, gateway, "zone"), safe="")


def authorization(gateway: Gateway) -> str:
    """What a call shows for its key."""
    pair = f"{gateway.settings['api_key']}:{gateway.settings['api_secret']}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _connect(where: Controller, arrival: Arrival, gateway: Gateway, entry: Entry) -> Completion:
    if not arrival.ip:
        return refused(gateway, "there is no address to connect")
    call = json_call(
        "POST",
        f"/api/captiveportal/session/connect/{zone_of(gateway)}",
        {"user": entry.username, "ip": arrival.ip},
        Authorization=authorization(gateway),
    )
    answer = controller.exchange(where, call)
    if answer.status != 200:
        return refused(gateway, f"the order came back with status {answer.status}")
    found = answer.json()
    if found.get("clientState") == "AUTHORIZED" or found.get("sessionId"):
        return Completion.GRANTED
    return refused(gateway, "the address was not connected")
