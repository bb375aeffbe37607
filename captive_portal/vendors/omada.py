"""TP-Link Omada: two contracts that are not alike, chosen for each network device, never guessed.

`portal`: an operator of the hotspot lets the device in by the controller's API. `radius`: the
controller asks RADIUS with what our server posts; the browser cannot, because the certificate
of port 8843 is the controller's own. Redirects are not signed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from captive_portal.vendors import controller
from captive_portal.vendors.controller import (
    Controller,
    Declined,
    controller_of,
    controller_settings,
    form_call,
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
from captive_portal.vendors.reading import (
    bounded_seconds,
    find_address,
    first,
    language_of,
    mac_of,
    plain_text,
)
from captive_portal.vendors.settings import MODE, missing, setting_of

PORTAL, RADIUS = "portal", "radius"
_A_SECOND = {"seconds": 1, "milliseconds": 1_000, "microseconds": 1_000_000}
_NUMBER = re.compile(r"[0-9]{1,4}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,512}")
_RADIUS_SILENT = -41530


class Omada:
    """Controller 5.0.15 and newer for `portal`, 5.3.1 and newer for `radius`."""

    name = "omada"
    tested = Tested.FIXTURE
    settings: Sequence[Setting] = (
        Setting(
            name=MODE,
            choices=(PORTAL, RADIUS),
            default=PORTAL,
            help="portal: External Portal Server; radius: External RADIUS with external web page.",
        ),
        *controller_settings(PORTAL, RADIUS),
        Setting(
            name="omadac_id",
            required=True,
            modes=(PORTAL,),
            help="The long identifier in the controller's own address.",
        ),
        Setting(
            name="site",
            required=True,
            modes=(PORTAL,),
            help="Identifier of the site, as the redirect has it.",
        ),
        Setting(
            name="operator", required=True, modes=(PORTAL,), help="Operator of the hotspot manager."
        ),
        Setting(name="operator_password", is_secret=True, required=True, modes=(PORTAL,)),
        Setting(
            name="time_unit",
            choices=tuple(_A_SECOND),
            required=True,
            modes=(PORTAL,),
            help=(
                "How this controller reads `time`: TP-Link writes microseconds, some were seen to"
                " read milliseconds. Compare the end it shows after the first sign-in."
            ),
        ),
    )

    def read(self, query: Mapping[str, str], raw_query: str, gateway: Gateway) -> Arrival:
        """Device, and the access point and radio or the wired gateway and VLAN it is at."""
        ap_mac = mac_of(first(query, ("apMac", "ap")))
        gateway_mac = mac_of(query.get("gatewayMac", ""))
        carried = {}
        if gateway_mac and not ap_mac:
            carried = {"gateway": gateway_mac, "vid": _number(query, "vid")}
        elif ap_mac:
            carried = {"radio": _number(query, "radioId")}
        else:
            raise Forged("neither an access point nor a gateway")
        return Arrival(
            mac=mac_of(query.get("clientMac", "")),
            ip=find_address(first(query, ("clientIp", "clientIP"))),
            ssid=plain_text(first(query, ("ssidName", "ssid"))),
            ap_mac=ap_mac,
            url=first(query, ("redirectUrl", "originUrl")),
            language=language_of(query),
            carried=carried,
        )

    def can_hand_over(self, gateway: Gateway) -> bool:
        """With what the chosen mode needs."""
        return not missing(self.settings, gateway)

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> ServerStep:
        """A call in both modes."""
        where = controller_of(self.settings, gateway)
        if not arrival.mac:
            return server_step(gateway, lambda: refused(gateway, "the redirect named no device"))
        if setting_of(self.settings, gateway, MODE) == RADIUS:
            return server_step(gateway, lambda: _by_radius(where, arrival, gateway, entry))
        unit = _A_SECOND[setting_of(self.settings, gateway, "time_unit")]
        return server_step(
            gateway,
            lambda: _by_operator(where, arrival, gateway, entry, unit),
            granted_to=arrival.mac,
        )


def _by_operator(
    where: Controller, arrival: Arrival, gateway: Gateway, entry: Entry, unit: int
) -> Completion:
    base = hotspot_path(gateway)
    headers = sign_in(where, gateway)
    order: dict[str, object] = {
        "clientMac": _dashed(arrival.mac),
        **_place(arrival),
        "site": gateway.settings["site"],
        "time": bounded_seconds(entry) * unit,
        "authType": 4,
    }
    if entry.quota_octets is not None:
        order["totalTrafficLimitBytes"] = entry.quota_octets
    if entry.down_kbps is not None:
        order["downloadRateLimitKbps"] = entry.down_kbps
    if entry.up_kbps is not None:
        order["uploadRateLimitKbps"] = entry.up_kbps
    done = controller.exchange(where, json_call("POST", f"{base}/extPortal/auth", order, **headers))
    if error_of(done) != 0:
        return refused(gateway, f"the order came back with error {error_of(done)}")
    return Completion.GRANTED


def hotspot_path(gateway: Gateway) -> str:
    """Of the hotspot, in the controller's API."""
    return f"/{quote(gateway.settings['omadac_id'], safe='')}/api/v2/hotspot"


def sign_in(where: Controller, gateway: Gateway) -> Mapping[str, str]:
    """The headers that the operator goes on with.

    Raises:
        Declined: the controller does not take the name and password.
    """
    told = {
        "name": gateway.settings["operator"],
        "password": gateway.settings["operator_password"],
    }
    login = controller.exchange(where, json_call("POST", f"{hotspot_path(gateway)}/login", told))
    result = login.json().get("result")
    token = str(result.get("token", "")) if isinstance(result, dict) else ""
    if error_of(login) != 0 or not _TOKEN.fullmatch(token):
        raise Declined(f"the operator's sign-in came back with error {error_of(login)}")
    headers = {"Csrf_Token": token}
    session = login.cookies.get("TPOMADA_SESSIONID") or login.cookies.get("TPEAP_SESSIONID")
    if session:
        headers["Cookie"] = f"TPOMADA_SESSIONID={session}"
    return headers


def _by_radius(where: Controller, arrival: Arrival, gateway: Gateway, entry: Entry) -> Completion:
    """The form of the browser's way; a redirect is the answer to a good token."""
    fields = [
        ("clientMac", _dashed(arrival.mac)),
        ("clientIp", arrival.ip),
        *((name, str(value)) for name, value in _place(arrival).items()),
        ("authType", "2"),
        ("originUrl", entry.destination),
        ("username", entry.username),
        ("password", entry.token),
    ]
    answer = controller.exchange(where, form_call("/portal/radius/browserauth", fields))
    if answer.status == 302:
        return Completion.GRANTED
    if answer.status != 200:
        return refused(gateway, f"the form came back with status {answer.status}")
    if error_of(answer) == _RADIUS_SILENT:
        refused(gateway, "the controller did not reach RADIUS")
        return Completion.UNREACHABLE
    return refused(gateway, f"the form came back with error {error_of(answer)}")


def _place(arrival: Arrival) -> Mapping[str, object]:
    if "gateway" in arrival.carried:
        return {"gatewayMac": _dashed(arrival.carried["gateway"]), "vid": arrival.carried["vid"]}
    return {
        "apMac": _dashed(arrival.ap_mac),
        "ssidName": arrival.ssid,
        "radioId": arrival.carried.get("radio", "0"),
    }


def error_of(answer: controller.Answer) -> int:
    """The number in an answer; 0 is a yes."""
    found = answer.json().get("errorCode")
    return found if isinstance(found, int) else -1


def _number(query: Mapping[str, str], name: str) -> str:
    value = query.get(name, "")
    return value if _NUMBER.fullmatch(value) else "0"


def _dashed(mac: str) -> str:
    return "-".join(mac[at : at + 2] for at in range(0, 12, 2)).upper()
