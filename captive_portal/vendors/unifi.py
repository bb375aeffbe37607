"""UniFi: a call to the console's API, old or new; or a form, where its hotspot asks RADIUS.

The redirect (`/guest/s/SITE/?id=…&ap=…`) is not signed and names the device; the device that is
let in is the one named, so the browser must stay the one that arrived.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from captive_portal.vendors import controller
from captive_portal.vendors.controller import (
    Answer,
    Controller,
    Declined,
    controller_of,
    controller_settings,
    json_call,
    refused,
    server_step,
)
from captive_portal.vendors.forms import form
from captive_portal.vendors.profile import (
    Arrival,
    BrowserStep,
    Completion,
    Entry,
    Gateway,
    Kind,
    ServerStep,
    Setting,
    Tested,
)
from captive_portal.vendors.reading import (
    bounded_seconds,
    language_of,
    mac_of,
    megabytes_of,
    minutes_of,
    plain_text,
)
from captive_portal.vendors.settings import MODE, missing, setting_of
from common.net import format_mac

API, LEGACY, FORM = "api", "legacy", "radius"
_MOST_MINUTES, _MOST_MEGABYTES = 1_000_000, 1_048_576
_LEAST_KBPS, _MOST_KBPS = 2, 100_000
_SIGNED_OUT = (401, 403)


class Unifi:
    """UniFi Network from 9.1.105 by its API key, older ones by an account of the console."""

    name = "unifi"
    tested = Tested.FIXTURE
    settings: Sequence[Setting] = (
        Setting(
            name=MODE,
            choices=(API, LEGACY, FORM),
            default=API,
            help="api: Network 9.1.105 and newer; legacy: before; radius: its own hotspot page.",
        ),
        Setting(
            name="site",
            default="default",
            help="Short name of the site, as in the redirect /guest/s/SITE/.",
        ),
        Setting(
            name="ap_macs",
            kind=Kind.MACS,
            help="Addresses of its access points, where two consoles call their site the same.",
        ),
        *controller_settings(API, LEGACY),
        Setting(
            name="api_key",
            is_secret=True,
            required=True,
            modes=(API,),
            help="Key of the console's own API (Integrations).",
        ),
        Setting(
            name="site_id",
            required=True,
            modes=(API,),
            help="Identifier of the site, as GET /v1/sites tells it.",
        ),
        Setting(
            name="prefix",
            modes=(API, LEGACY),
            choices=("/proxy/network", "none"),
            default="/proxy/network",
            help="none for a controller that is a program of its own, without UniFi OS.",
        ),
        Setting(name="username", required=True, modes=(LEGACY,), help="A local administrator."),
        Setting(name="password", is_secret=True, required=True, modes=(LEGACY,)),
    )

    def read(self, query: Mapping[str, str], raw_query: str, gateway: Gateway) -> Arrival:
        """Device, access point, page and network."""
        return Arrival(
            mac=mac_of(query.get("id", "")),
            ap_mac=mac_of(query.get("ap", "")),
            ssid=plain_text(query.get("ssid", "")),
            url=query.get("url", ""),
            language=language_of(query),
        )

    def can_hand_over(self, gateway: Gateway) -> bool:
        """With what the chosen mode needs."""
        if setting_of(self.settings, gateway, MODE) == FORM:
            return bool(gateway.login_url)
        return not missing(self.settings, gateway)

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> BrowserStep | ServerStep:
        """A call, or the form of the hotspot."""
        mode = setting_of(self.settings, gateway, MODE)
        if mode == FORM:
            return form(gateway.login_url, ("username", entry.username), ("password", entry.token))
        where = controller_of(self.settings, gateway)
        let_in = self._by_key if mode == API else self._by_account
        return server_step(
            gateway, lambda: let_in(where, arrival, gateway, entry), granted_to=arrival.mac
        )

    def _by_key(
        self, where: Controller, arrival: Arrival, gateway: Gateway, entry: Entry
    ) -> Completion:
        if not arrival.mac:
            return refused(gateway, "the redirect named no device")
        key = gateway.settings["api_key"]
        base = clients_path(self.settings, gateway)
        wanted = quote(f"macAddress.eq('{format_mac(arrival.mac)}')", safe="")
        seen = controller.exchange(
            where, json_call("GET", f"{base}?filter={wanted}", X_API_KEY=key)
        )
        if seen.status != 200:
            return refused(gateway, f"the list of devices came with status {seen.status}")
        client = _client(seen.json().get("data"), arrival.mac)
        if client is None:
            return Completion.NOT_YET
        order: dict[str, object] = {
            "action": "AUTHORIZE_GUEST_ACCESS",
            "timeLimitMinutes": min(minutes_of(bounded_seconds(entry)), _MOST_MINUTES),
        }
        if entry.quota_octets is not None:
            order["dataUsageLimitMBytes"] = min(megabytes_of(entry.quota_octets), _MOST_MEGABYTES)
        if entry.down_kbps is not None:
            order["rxRateLimitKbps"] = _rate(entry.down_kbps)
        if entry.up_kbps is not None:
            order["txRateLimitKbps"] = _rate(entry.up_kbps)
        done = controller.exchange(
            where,
            json_call("POST", f"{base}/{quote(client, safe='')}/actions", order, X_API_KEY=key),
        )
        if done.status == 404:
            return Completion.NOT_YET
        if done.status != 200:
            return refused(gateway, f"the order came back with status {done.status}")
        return Completion.GRANTED

    def _by_account(
        self, where: Controller, arrival: Arrival, gateway: Gateway, entry: Entry
    ) -> Completion:
        if not arrival.mac:
            return refused(gateway, "the redirect named no device")
        headers = sign_in(self.settings, where, gateway)
        order: dict[str, object] = {
            "cmd": "authorize-guest",
            "mac": format_mac(arrival.mac),
            "minutes": minutes_of(bounded_seconds(entry)),
        }
        if arrival.ap_mac:
            order["ap_mac"] = format_mac(arrival.ap_mac)
        if entry.quota_octets is not None:
            order["bytes"] = megabytes_of(entry.quota_octets)
        if entry.down_kbps is not None:
            order["down"] = entry.down_kbps
        if entry.up_kbps is not None:
            order["up"] = entry.up_kbps
        path = f"{site_path(self.settings, gateway)}/cmd/stamgr"
        done = controller.exchange(where, json_call("POST", path, order, **headers))
        if done.status in _SIGNED_OUT:
            return refused(gateway, f"the order came back with status {done.status}")
        if is_ok(done):
            return Completion.GRANTED
        return refused(gateway, f"the order came back with status {done.status}")


def prefix_of(settings: Sequence[Setting], gateway: Gateway) -> str:
    """What stands before every path of a console; nothing before that of a bare controller."""
    prefix = setting_of(settings, gateway, "prefix")
    return "" if prefix == "none" else prefix


def clients_path(settings: Sequence[Setting], gateway: Gateway) -> str:
    """Of the devices of the site, in the console's own API."""
    site = quote(gateway.settings["site_id"], safe="")
    return f"{prefix_of(settings, gateway)}/integration/v1/sites/{site}/clients"


def site_path(settings: Sequence[Setting], gateway: Gateway) -> str:
    """Of the site, in the older API."""
    site = quote(setting_of(settings, gateway, "site"), safe="")
    return f"{prefix_of(settings, gateway)}/api/s/{site}"


def sign_in(settings: Sequence[Setting], where: Controller, gateway: Gateway) -> Mapping[str, str]:
    """The headers that an account of the console goes on with.

    Raises:
        Declined: the console does not take its name and password.
    """
    path = "/api/auth/login" if prefix_of(settings, gateway) else "/api/login"
    told = {name: gateway.settings[name] for name in ("username", "password")}
    login = controller.exchange(where, json_call("POST", path, told))
    if login.status != 200:
        raise Declined(f"the sign-in came back with status {login.status}")
    headers = {"Cookie": "; ".join(f"{name}={text}" for name, text in login.cookies.items())}
    if "x-csrf-token" in login.headers:
        headers["X_CSRF_Token"] = login.headers["x-csrf-token"]
    return headers


def is_ok(answer: Answer) -> bool:
    """Whether the older API says that an order was carried out."""
    meta = answer.json().get("meta")
    return isinstance(meta, dict) and meta.get("rc") == "ok"


def _client(listed: object, mac: str) -> str | None:
    """The identifier of the guest device `mac`; None while the console does not see it."""
    for one in listed if isinstance(listed, list) else ():
        if not isinstance(one, dict) or mac_of(str(one.get("macAddress", ""))) != mac:
            continue
        access = one.get("access")
        if isinstance(access, dict) and access.get("type") == "GUEST":
            return str(one.get("id", "")) or None
    return None


def _rate(kbps: int) -> int:
    return min(max(kbps, _LEAST_KBPS), _MOST_KBPS)
