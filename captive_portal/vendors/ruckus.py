"""Ruckus: ZoneDirector and Unleashed take a form, SmartZone and Ruckus One a call.

Redirects are not signed. SmartZone encrypts the device's address unless told otherwise; the
call hands it back as it came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

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
    BrowserStep,
    Completion,
    Entry,
    Gateway,
    Outcome,
    ServerStep,
    Setting,
    Tested,
)
from captive_portal.vendors.reading import (
    find_address,
    first,
    language_of,
    mac_of,
    nonce,
    plain_text,
    target_of,
)
from captive_portal.vendors.settings import MODE, missing, setting_of

WISPR, SMARTZONE = "wispr", "smartzone"
_DEVICE = re.compile(r"ENC[0-9a-fA-F]{8,256}|(?:[0-9A-Fa-f]{2}[:-]?){5}[0-9A-Fa-f]{2}")
_ENCRYPTED = re.compile(r"ENC[0-9a-fA-F]{8,256}")
_IN, _PENDING, _UNKNOWN = (101, 201), (202,), (300,)
_NO_AAA = (400, 401)


class Ruckus:
    """The form on port 9997 or 9998, or the northbound interface."""

    name = "ruckus"
    tested = Tested.FIXTURE
    settings: Sequence[Setting] = (
        Setting(
            name=MODE,
            choices=(WISPR, SMARTZONE),
            default=WISPR,
            help="wispr: ZoneDirector, Unleashed; smartzone: SmartZone, Ruckus One (a call).",
        ),
        *controller_settings(SMARTZONE),
        Setting(
            name="nbi_password",
            is_secret=True,
            required=True,
            modes=(SMARTZONE,),
            help="Password of the northbound portal interface.",
        ),
    )

    def read(self, query: Mapping[str, str], raw_query: str, gateway: Gateway) -> Arrival:
        """The names of both; `mac` is the access point's."""
        carried = {}
        is_called = setting_of(self.settings, gateway, MODE) == SMARTZONE
        if is_called:
            address = query.get("uip", "")
            if not _ENCRYPTED.fullmatch(address):
                address = find_address(address)
            carried = {"mac": nonce(query, "client_mac", _DEVICE), "ip": address}
        return Arrival(
            mac=mac_of(query.get("client_mac", "")),
            ip=find_address(query.get("uip", "")),
            ip_if_own=not is_called,
            ssid=plain_text(query.get("ssid", "")),
            ap_mac=mac_of(query.get("mac", "")),
            url=first(query, ("url", "startUrl", "StartURL")),
            language=language_of(query),
            outcome=Outcome.NEW,
            carried=carried,
        )

    def can_hand_over(self, gateway: Gateway) -> bool:
        """With what the chosen mode needs."""
        if setting_of(self.settings, gateway, MODE) == WISPR:
            return bool(gateway.login_url)
        return not missing(self.settings, gateway)

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> BrowserStep | ServerStep:
        """The form, with the device's address where it is what the portal sees, or the call."""
        if setting_of(self.settings, gateway, MODE) == SMARTZONE:
            where = controller_of(self.settings, gateway)
            return server_step(gateway, lambda: _log_in(where, arrival, gateway, entry))
        fields = [("username", entry.username), ("password", entry.token)]
        if arrival.ip:
            fields.append(("ip", arrival.ip))
        return BrowserStep(
            method="post",
            url=target_of(gateway.login_url, "/login"),
            fields=tuple(fields),
            names_device=bool(arrival.ip),
        )


def _log_in(where: Controller, arrival: Arrival, gateway: Gateway, entry: Entry) -> Completion:
    order = {
        "Vendor": "ruckus",
        "APIVersion": "1.0",
        "RequestUserName": "api",
        "RequestPassword": gateway.settings["nbi_password"],
        "RequestCategory": "UserOnlineControl",
        "RequestType": "Login",
        "UE-IP": arrival.carried.get("ip", ""),
        "UE-MAC": arrival.carried.get("mac", ""),
        "UE-Proxy": "0",
        "UE-Username": entry.username,
        "UE-Password": entry.token,
    }
    answer = controller.exchange(where, json_call("POST", "/portalintf", order)).json()
    try:
        code = int(str(answer.get("ResponseCode", "")))
    except ValueError:
        code = 0
    if code in _IN:
        return Completion.GRANTED
    if code in _PENDING or code in _UNKNOWN:
        return Completion.NOT_YET
    if code in _NO_AAA:
        refused(gateway, f"code {code}: the controller did not reach RADIUS")
        return Completion.UNREACHABLE
    return refused(gateway, f"code {code}")
