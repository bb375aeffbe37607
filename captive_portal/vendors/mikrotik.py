"""MikroTik's hotspot: a page of ours on the router sends the browser here with its variables.

Redirects are not signed. With http-chap the password travels as MD5 over two nonces, which
RouterOS writes as octal escapes such as `\\371`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote_to_bytes

from captive_portal.vendors.forms import ByForm, form
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
from captive_portal.vendors.reading import (
    find_address,
    first,
    language_of,
    mac_of,
    plain_text,
    target_of,
)
from captive_portal.vendors.settings import setting_of

_ESCAPED = re.compile(rb"(?:\\[0-3][0-7]{2})+")
_SILENT = "not responding"
"""Of the text `radius-timeout` in RouterOS's errors.txt."""
_ID_OCTETS, _CHALLENGE_OCTETS = 1, 16


class Mikrotik(ByForm):
    """RouterOS hotspot with http-chap or http-pap."""

    name = "mikrotik"
    tested = Tested.FIXTURE
    settings: Sequence[Setting] = (
        Setting(
            name="login",
            choices=("auto", "http-chap", "http-pap"),
            default="auto",
            help="As login-by of the hotspot profile; auto goes by what the router sends.",
        ),
    )

    def read(self, query: Mapping[str, str], raw_query: str, gateway: Gateway) -> Arrival:
        """By the names of RouterOS's own variables."""
        error = query.get("error", "")
        outcome = Outcome.REFUSED if error else Outcome.NEW
        if _SILENT in error:
            outcome = Outcome.SILENT
        return Arrival(
            mac=mac_of(query.get("mac", "")),
            ip=find_address(query.get("ip", "")),
            url=first(query, ("link-orig", "dst")),
            language=language_of(query),
            outcome=outcome,
            reason=plain_text(error),
            carried=self._nonces(raw_query, gateway),
        )

    def _nonces(self, raw_query: str, gateway: Gateway) -> Mapping[str, str]:
        how = setting_of(self.settings, gateway, "login")
        if how == "http-pap":
            return {}
        identifier, challenge = (_octets(raw_query, name) for name in ("chap-id", "chap-challenge"))
        if not identifier and not challenge and how == "auto":
            return {}
        if len(identifier) != _ID_OCTETS or len(challenge) != _CHALLENGE_OCTETS:
            raise Forged("chap-id or chap-challenge cannot be")
        return {"id": identifier.hex(), "challenge": challenge.hex()}

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> BrowserStep:
        """The form of the hotspot's own login page."""
        password = entry.token
        if "challenge" in arrival.carried:
            octets = (
                bytes.fromhex(arrival.carried["id"])
                + entry.token.encode()
                + bytes.fromhex(arrival.carried["challenge"])
            )
            password = hashlib.md5(octets, usedforsecurity=False).hexdigest()
        return form(
            target_of(gateway.login_url, "/login"),
            ("username", entry.username),
            ("password", password),
            ("dst", entry.destination),
            ("popup", "false"),
        )


def _octets(raw_query: str, name: str) -> bytes:
    """The octets of a parameter, which are no text, so that no decoding may touch them."""
    for pair in raw_query.split("&"):
        key, _, value = pair.partition("=")
        if key == name:
            octets = unquote_to_bytes(value.encode("latin-1"))
            if _ESCAPED.fullmatch(octets):
                return bytes(int(one, 8) for one in octets.decode().split("\\")[1:])
            return octets
    return b""
