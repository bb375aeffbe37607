"""FortiGate and its access points: a form with a nonce (`magic`), of at most 125 octets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from captive_portal.vendors.controller import refused, server_step
from captive_portal.vendors.forms import ByForm, form
from captive_portal.vendors.profile import (
    Arrival,
    BrowserStep,
    Entry,
    Gateway,
    ServerStep,
    Tested,
)
from captive_portal.vendors.reading import (
    find_address,
    kept,
    language_of,
    mac_of,
    nonce,
    plain_text,
    target_of,
)

MAXIMUM_FORM_OCTETS = 125
"""What a FortiGate reads of a form."""
_MAGIC = re.compile(r"[0-9A-Za-z]{1,40}")


class Fortinet(ByForm):
    """The registered address takes the form; the redirect's `post` is not followed."""

    name = "fortinet"
    tested = Tested.FIXTURE

    def read(self, query: Mapping[str, str], raw_query: str, gateway: Gateway) -> Arrival:
        """Of a FortiAP; the firewall's own captive portal tells less, but the nonce too."""
        return Arrival(
            mac=mac_of(query.get("usermac", "")),
            ip=find_address(query.get("userip", "")),
            ssid=plain_text(query.get("ssid", "")),
            ap_mac=mac_of(query.get("apmac", "")),
            language=language_of(query),
            carried={"magic": nonce(query, "magic", _MAGIC)},
        )

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> BrowserStep | ServerStep:
        """The form; what is too long for it is refused here, where the log can say why."""
        fields = (
            ("magic", kept(arrival, "magic")),
            ("username", entry.username),
            ("password", entry.token),
        )
        if len(urlencode(fields)) > MAXIMUM_FORM_OCTETS:
            why = "the user name is too long for a FortiGate's form"
            return server_step(gateway, lambda: refused(gateway, why))
        return form(target_of(gateway.login_url, "/fgtauth"), *fields)
