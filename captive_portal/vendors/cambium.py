"""Cambium cnPilot and cnMaestro guest access: a form to the access point itself."""

from __future__ import annotations

import re
from collections.abc import Mapping

from captive_portal.vendors.forms import ByForm, form
from captive_portal.vendors.profile import (
    Arrival,
    BrowserStep,
    Entry,
    Gateway,
    Tested,
)
from captive_portal.vendors.reading import (
    kept,
    language_of,
    mac_of,
    nonce,
    outcome_of,
    plain_text,
    target_of,
)

_QV = re.compile(r"[A-Za-z0-9_.~=+-]{1,600}")


class Cambium(ByForm):
    """`ga_Qv` is the nonce; `ga_srvr` is not followed."""

    name = "cambium"
    tested = Tested.UNTESTED

    def read(self, query: Mapping[str, str], raw_query: str, gateway: Gateway) -> Arrival:
        """All names begin with `ga_`."""
        code = query.get("ga_error_code", "")
        error = "" if code == "0" else code
        return Arrival(
            mac=mac_of(query.get("ga_cmac", "")),
            ssid=plain_text(query.get("ga_ssid", "")),
            ap_mac=mac_of(query.get("ga_ap_mac", "")),
            url=query.get("ga_orig_url", ""),
            language=language_of(query),
            outcome=outcome_of(error),
            reason=plain_text(error),
            carried={"qv": nonce(query, "ga_Qv", _QV)},
        )

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> BrowserStep:
        """The form of its own page."""
        return form(
            target_of(gateway.login_url, "/cgi-bin/hotspot_login.cgi"),
            ("ga_user", entry.username),
            ("ga_pass", entry.token),
            ("ga_Qv", kept(arrival, "qv")),
        )
