"""CoovaChilli and what descends from it (UAM): signed redirects, CHAP over a challenge.

The URL is signed with MD5 and the shared `uamsecret`, up to its parameter `md`. After a login
the gateway sends the browser to us once more, with `res=success` or `res=failed`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from itertools import cycle

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
    at_path,
    find_address,
    first,
    language_of,
    mac_of,
    nonce,
    plain_text,
)
from captive_portal.vendors.settings import setting_of

_CHALLENGE = re.compile(r"[0-9a-fA-F]{32}")
_IDENT = b"\0"
"""The CHAP identifier that is assumed when the browser names none."""
_OUTCOMES = {
    "success": Outcome.ALREADY,
    "already": Outcome.ALREADY,
    "failed": Outcome.REFUSED,
    "logoff": Outcome.LEFT,
}


class Coova:
    """`name` is that of identity.domain.vendors: ChilliSpot speaks the same."""

    tested = Tested.FIXTURE
    settings: Sequence[Setting] = (
        Setting(
            name="uamsecret",
            is_secret=True,
            help="uamsecret of chilli.conf. Without it anybody can make up a redirect.",
        ),
        Setting(
            name="uamserver",
            help="uamserver as chilli.conf has it, where it is not this portal's own address.",
        ),
        Setting(
            name="login",
            choices=("chap", "pap", "plain"),
            default="chap",
            help="How the password travels; plain belongs to nochallenge.",
        ),
    )

    def __init__(self, name: str = "coova") -> None:
        self.name = name

    def read(self, query: Mapping[str, str], raw_query: str, gateway: Gateway) -> Arrival:
        """The redirect, its signature checked where the secret is known."""
        secret = gateway.settings.get("uamsecret", "")
        if secret and not self._is_signed(raw_query, gateway, secret):
            raise Forged("md is missing or wrong")
        outcome = _OUTCOMES.get(query.get("res", ""), Outcome.NEW)
        if outcome is Outcome.REFUSED and query.get("reason") == "timeout":
            outcome = Outcome.SILENT
        carried = {}
        if query.get("challenge"):
            carried["challenge"] = nonce(query, "challenge", _CHALLENGE).lower()
        return Arrival(
            mac=mac_of(query.get("mac", "")),
            ip=find_address(query.get("ip", "")),
            ssid=plain_text(query.get("ssid", "")),
            ap_mac=mac_of(query.get("called", "")),
            url=first(query, ("userurl", "redirurl")),
            language=language_of(query),
            outcome=outcome,
            reason=plain_text(first(query, ("reply", "reason"))),
            carried=carried,
        )

    def _is_signed(self, raw_query: str, gateway: Gateway, secret: str) -> bool:
        """The octets before `&md=`, as they came, after the address that chilli.conf has."""
        signed, found, md = raw_query.rpartition("&md=")
        server = setting_of(self.settings, gateway, "uamserver") or gateway.portal_url
        if not found or not server:
            return False
        octets = server.encode() + (b"&" if "?" in server else b"?") + signed.encode("latin-1")
        wanted = _md5(octets + secret.encode()).hex().upper()
        return hmac.compare_digest(md.encode("latin-1"), wanted.encode())

    def can_hand_over(self, gateway: Gateway) -> bool:
        """With its own address, such as http://10.1.0.1:3990."""
        return bool(gateway.login_url)

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> BrowserStep:
        """Its `/logon`; without a challenge first `/prelogin`, which brings a fresh one."""
        how = setting_of(self.settings, gateway, "login")
        challenge = bytes.fromhex(arrival.carried.get("challenge", ""))
        if how != "plain" and not challenge:
            return BrowserStep(method="get", url=at_path(gateway.login_url, "/prelogin"))
        key = challenge
        if gateway.settings.get("uamsecret"):
            key = _md5(challenge + gateway.settings["uamsecret"].encode())
        proof = ("password", entry.token)
        if how == "chap":
            proof = ("response", _md5(_IDENT + entry.token.encode() + key).hex())
        elif how == "pap":
            proof = ("password", _mixed(entry.token.encode(), key).hex())
        return BrowserStep(
            method="get",
            url=at_path(gateway.login_url, "/logon"),
            fields=(("username", entry.username), proof, ("userurl", entry.destination)),
        )


def _mixed(password: bytes, key: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(password, cycle(key), strict=False))


def _md5(octets: bytes) -> bytes:
    return hashlib.md5(octets, usedforsecurity=False).digest()  # RFC 1994; UAM knows no other
