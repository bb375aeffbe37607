"""Our own gateway, `yuenyan gateway`: a form like the generic one, and a signed redirect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from captive_portal.gateway.redirects import read_redirect
from captive_portal.vendors.forms import form
from captive_portal.vendors.profile import (
    Arrival,
    BrowserStep,
    Entry,
    Forged,
    Gateway,
    Outcome,
    Setting,
    Tested,
)
from captive_portal.vendors.reading import find_address
from common.errors import NotAuthentic
from common.net import find_mac

_KEY = "key"
_UNDECIDED = frozenset({"timeout", "busy", "gateway"})
"""Reasons of a failure that is nobody's refusal."""

_OUTCOMES = {
    "notyet": Outcome.NEW,
    "already": Outcome.ALREADY,
    "failed": Outcome.REFUSED,
    "logoff": Outcome.LEFT,
}


class Yuenyan:
    """A redirect that this gateway's key has not signed is refused."""

    name = "yuenyan"
    tested = Tested.PROGRAM
    settings: Sequence[Setting] = (
        Setting(
            name=_KEY,
            is_secret=True,
            required=True,
            help="The text in the gateway's key_file, which signs what it says of a device.",
        ),
    )

    def read(self, query: Mapping[str, str], raw_query: str, gateway: Gateway) -> Arrival:
        """What the gateway saw; its device is the one at that address of its network.

        Raises:
            Forged: not signed with the key of this gateway, or no device is named.
        """
        try:
            caught = read_redirect(raw_query, gateway.settings.get(_KEY, "").strip().encode())
        except NotAuthentic as error:
            raise Forged(str(error)) from error
        mac = find_mac(caught.mac)
        if mac is None or caught.result not in _OUTCOMES:
            raise Forged("redirect_values")
        outcome = _OUTCOMES[caught.result]
        if outcome is Outcome.REFUSED and caught.reason in _UNDECIDED:
            outcome = Outcome.SILENT
        return Arrival(
            mac=mac,
            ip=find_address(caught.ip),
            url=caught.url,
            outcome=outcome,
            reason=caught.reason,
        )

    def can_hand_over(self, gateway: Gateway) -> bool:
        """With the registered login address and the key."""
        return bool(gateway.login_url and gateway.settings.get(_KEY))

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> BrowserStep:
        """The token goes to the registered address; the gateway sends the browser back."""
        return form(
            gateway.login_url,
            ("username", entry.username),
            ("password", entry.token),
            ("dst", entry.destination),
        )
