"""Cisco wireless controllers: local web authentication of AireOS and Catalyst 9800, and central.

Local: redirects are not signed; `switch_url` is not followed. Without `buttonClicked=4` the
controller sends the browser back to us at once. Central: the redirect is our RADIUS server's own
and sealed, and the controller is told to ask again; nothing passes through the browser.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from captive_portal.vendors.forms import form
from captive_portal.vendors.profile import (
    Arrival,
    AskAgainStep,
    BrowserStep,
    Entry,
    Forged,
    Gateway,
    Kind,
    Outcome,
    Setting,
    Tested,
)
from captive_portal.vendors.reading import (
    first,
    kept,
    language_of,
    mac_of,
    plain_text,
    target_of,
)
from captive_portal.vendors.settings import MODE, missing, setting_of
from identity.domain.central import ACL, CENTRAL, PARAMETER, SSIDS

_OUTCOMES = {"1": Outcome.ALREADY, **dict.fromkeys("2345", Outcome.REFUSED)}
"""Of statusCode: 1 is in already, 2 not set up for it, 3 name in use, 4 excluded, 5 wrong."""


AFTER_LOGIN = "after_login"
REAUTHENTICATE, DISCONNECT = "reauthenticate", "disconnect"
_SEALED = "sealed"


class Cisco:
    """The virtual address of the controller takes the form; or RADIUS alone lets in."""

    name = "cisco"
    tested = Tested.FIXTURE
    settings: Sequence[Setting] = (
        Setting(
            name=MODE,
            choices=("aireos", "9800", CENTRAL),
            default="aireos",
            help=(
                "9800 spells one field of the form otherwise; cwa: central web authentication of"
                " both, without a form."
            ),
        ),
        Setting(
            name=ACL,
            required=True,
            modes=(CENTRAL,),
            help="Name of the redirect list on the controller (url-redirect-acl).",
        ),
        Setting(
            name=SSIDS,
            kind=Kind.SSIDS,
            required=True,
            modes=(CENTRAL,),
            help=(
                "Wi-Fi networks that are redirected, with commas between; all others stay closed."
                ' A name with a comma in it stands in double quotes: "Hall, upper".'
            ),
        ),
        Setting(
            name=AFTER_LOGIN,
            choices=(REAUTHENTICATE, DISCONNECT),
            default=REAUTHENTICATE,
            modes=(CENTRAL,),
            help="How it is made to ask again: by CoA, or by ending the connection.",
        ),
    )

    def read(self, query: Mapping[str, str], raw_query: str, gateway: Gateway) -> Arrival:
        """AireOS's own names, which a 9800 is told to use; or what RADIUS has sealed."""
        if setting_of(self.settings, gateway, MODE) == CENTRAL:
            return _read_sealed(query, gateway)
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
        """With its virtual address, such as https://192.0.2.1/login.html; or its redirect list."""
        if setting_of(self.settings, gateway, MODE) == CENTRAL:
            return not missing(self.settings, gateway)
        return bool(gateway.login_url)

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> BrowserStep | AskAgainStep:
        """The form of the controller's own page; or the word to ask RADIUS again."""
        mode = setting_of(self.settings, gateway, MODE)
        if mode == CENTRAL:
            caught = gateway.unseal(kept(arrival, _SEALED))
            if caught is None or caught.station != arrival.mac:
                raise Forged("the redirect is of another device, or too old")
            how = setting_of(self.settings, gateway, AFTER_LOGIN)
            return AskAgainStep(caught=caught, ends=how == DISCONNECT)
        back = [("redirect_url", entry.destination)]
        if mode == "9800":
            back.append(("redirectUrl", entry.destination))
        return form(
            target_of(gateway.login_url, "/login.html"),
            ("username", entry.username),
            ("password", entry.token),
            ("buttonClicked", "4"),
            ("err_flag", "0"),
            *back,
        )


def _read_sealed(query: Mapping[str, str], gateway: Gateway) -> Arrival:
    """Of central web authentication; the controller adds the page first asked for."""
    sealed = query.get(PARAMETER, "")
    caught = gateway.unseal(sealed)
    if caught is None:
        raise Forged("not sealed by this server for this network device, or too old")
    return Arrival(
        mac=caught.station,
        url=query.get("redirect", ""),
        language=language_of(query),
        carried={_SEALED: sealed},
    )
