"""Cisco Meraki: sign-on (RADIUS from Meraki's cloud) and click-through (a grant by the browser).

The address differs with each visitor and comes in the redirect, so it is rebuilt: its host is
the registered one, or one of Meraki's own shards, its path one of Meraki's, and only the nonce
is taken over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

from captive_portal.vendors.forms import form
from captive_portal.vendors.profile import (
    Arrival,
    BrowserStep,
    Entry,
    Forged,
    Gateway,
    Setting,
    Tested,
)
from captive_portal.vendors.reading import (
    bounded_seconds,
    find_address,
    first,
    kept,
    language_of,
    mac_of,
    outcome_of,
    plain_text,
)
from captive_portal.vendors.settings import MODE, setting_of

_SHARD = re.compile(r"n[0-9]{1,6}\.network-auth\.com")
_NONCE = re.compile(r"[A-Za-z0-9_.~-]{1,600}")
_SIGN_ON, _CLICK = "sign-on", "click-through"
_PATHS = {
    _SIGN_ON: re.compile(r"/splash/(?:[A-Za-z0-9_-]{1,64}/){0,3}login"),
    _CLICK: re.compile(r"/splash/(?:[A-Za-z0-9_.-]{1,64}/){0,3}grant"),
}


class Meraki:
    """MR access points with a custom splash address."""

    name = "meraki"
    tested = Tested.FIXTURE
    settings: Sequence[Setting] = (
        Setting(
            name=MODE,
            choices=(_SIGN_ON, _CLICK),
            default=_SIGN_ON,
            help="click-through lets in whoever knows Meraki's address; prefer sign-on.",
        ),
    )

    def read(self, query: Mapping[str, str], raw_query: str, gateway: Gateway) -> Arrival:
        """Both ways' names; the place to go back to is checked and taken apart."""
        failure = query.get("error_message", "")
        return Arrival(
            mac=mac_of(query.get("client_mac", "")),
            ip=find_address(query.get("client_ip", "")),
            ap_mac=mac_of(first(query, ("ap_mac", "node_mac"))),
            url=first(query, ("continue_url", "user_continue_url")),
            language=language_of(query),
            outcome=outcome_of(failure),
            reason=plain_text(failure),
            carried=self._place(query, gateway),
        )

    def _place(self, query: Mapping[str, str], gateway: Gateway) -> Mapping[str, str]:
        mode = setting_of(self.settings, gateway, MODE)
        text = query.get("login_url" if mode == _SIGN_ON else "base_grant_url", "")
        try:
            parts = urlsplit(text)
            plain = parts.hostname == parts.netloc and text.isascii() and text.isprintable()
        except ValueError as error:
            raise Forged("no address to go back to") from error
        host = parts.netloc
        registered = urlsplit(gateway.login_url).netloc
        allowed = host == registered if registered else bool(_SHARD.fullmatch(host))
        if parts.scheme != "https" or not plain or not allowed:
            raise Forged("an address that is not Meraki's")
        if not _PATHS[mode].fullmatch(parts.path):
            raise Forged("a page that is not Meraki's")
        carried = {"host": host, "path": parts.path}
        mauth = parse_qs(parts.query).get("mauth", [""])[0]
        if mode == _SIGN_ON:
            if not _NONCE.fullmatch(mauth):
                raise Forged("mauth is missing or cannot be")
            carried["mauth"] = mauth
        return carried

    def can_hand_over(self, gateway: Gateway) -> bool:
        """Always: Meraki's shards are known."""
        return True

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> BrowserStep:
        """The form of the splash page, or the grant."""
        place = arrival.carried
        url = f"https://{kept(arrival, 'host')}{kept(arrival, 'path')}"
        if "mauth" in place:
            return form(
                f"{url}?mauth={place['mauth']}",
                ("username", entry.username),
                ("password", entry.token),
                ("success_url", entry.destination),
            )
        grant = (
            ("continue_url", entry.destination),
            ("duration", str(bounded_seconds(entry))),
        )
        return BrowserStep(method="get", url=url, fields=grant, granted_to=arrival.mac)
