"""openNDS, a captive portal for Linux routers: its forwarding authentication service (FAS).

Facts: openNDS documentation "fas", and version 9.10 as Debian has it. Levels 1 to 4 are its
`fas_secure_enabled`. At 1 and 2 the browser goes back to the router; at 3 and 4 the router
fetches whom to let in (captive_portal.public.opennds_authmon). What it then tells of its clients
is read by captive_portal.vendors.opennds_report.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from captive_portal.vendors.profile import (
    Arrival,
    BrowserStep,
    Entry,
    FetchStep,
    Forged,
    Gateway,
    Outcome,
    Setting,
    Tested,
)
from captive_portal.vendors.reading import find_address
from common.net import find_mac

HID = "hid"
KEY_SETTING = "faskey"
LEVEL_SETTING = "level"
HASH_SETTING = "gatewayhash"
LEVELS = ("1", "2", "3", "4")
_ENCRYPTED = ("2", "3")
FETCHED = ("3", "4")
"""The router asks whom to let in."""
_SHORTEST_KEY = 32
"""Characters: the AES of levels 2 and 3 takes so many octets of it."""
_LONGEST = 4000
"""Characters of what a redirect carries; some 600 are usual."""

_HID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Custom:
    """What the portal lets openNDS carry for a client: by which token, and as whom, it came in."""

    token: str
    username: str

    def encode(self) -> str:
        """As openNDS takes it: base64, of which it makes nothing."""
        return base64.b64encode(f"{self.token} {self.username}".encode()).decode()

    @classmethod
    def decode(cls, text: str) -> Custom | None:
        """What `encode` wrote; None when it is something else, such as a router's own.

        Browsers carry it and can change it: what no database keeps is in none of ours.
        """
        try:
            token, _, username = base64.b64decode(text, validate=True).decode().partition(" ")
        except ValueError:
            return None
        return cls(token, username) if token and username and "\0" not in token + username else None


class Opennds:
    """The make `opennds`."""

    name = "opennds"
    tested = Tested.PROGRAM
    settings: Sequence[Setting] = (
        Setting(
            name=KEY_SETTING,
            is_secret=True,
            required=True,
            shortest=_SHORTEST_KEY,
            help="faskey of the router, at least 32 characters",
        ),
        Setting(
            name=LEVEL_SETTING,
            choices=LEVELS,
            default=LEVELS[0],
            help="fas_secure_enabled of the router: 1, 2, 3 or 4; without it 1. Not 3 or 4 where "
            "phones reach the portal with the router's address",
        ),
        Setting(
            name=HASH_SETTING,
            help="levels 3 and 4: SHA-256 of its gateway name, by which the router calls itself "
            "when it asks; without it its address alone says who asks",
        ),
    )

    def read(self, query: Mapping[str, str], raw_query: str, gateway: Gateway) -> Arrival:
        """The visitor in `fas`, at the level that was set for the router and at no other.

        Raises:
            Forged: it is not readable so, or comes from another gateway than the registered.
        """
        if query.get("status") == "authenticated":
            return Arrival(outcome=Outcome.ALREADY)
        # It is base64, whose plus openNDS sends as it is; a form would make a space of it.
        fas, iv = _raw(raw_query, "fas"), _raw(raw_query, "iv")
        if not fas or len(fas) > _LONGEST:
            raise Forged("no fas")
        text = _decrypted(fas, iv, gateway) if level_of(gateway) in _ENCRYPTED else _plain(fas)
        found = dict(pair.split("=", 1) for pair in text.split(", ") if "=" in pair)
        if not _HID.fullmatch(found.get(HID, "")):
            raise Forged("no hid")
        told = found.get("gatewayaddress", "")
        if told != urlsplit(gateway.login_url).netloc:
            raise Forged(f"gatewayaddress {told!r} is not the registered one")
        return Arrival(
            mac=find_mac(found.get("clientmac", "")) or "",
            ip=find_address(found.get("clientip", "")),
            url=unquote(found.get("originurl", "")),
            carried={HID: found[HID]},
        )

    def can_hand_over(self, gateway: Gateway) -> bool:
        """With the address of the router's own web server and its key."""
        return bool(gateway.login_url) and bool(gateway.settings.get(KEY_SETTING))

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> BrowserStep | FetchStep:
        """A link to the router at levels 1 and 2; at 3 and 4 it comes and asks.

        The router's BinAuth program presents the token in `custom`, and is told the limits
        then; nothing that passes through the browser grants anything.
        """
        rhid = return_hash(arrival.carried.get(HID, ""), gateway.settings[KEY_SETTING])
        custom = Custom(entry.token, entry.username).encode()
        if level_of(gateway) in FETCHED:
            return FetchStep(key=rhid, carried=custom)
        # Version 9.10 ends when `redir` is missing: never leave it out.
        fields = (("tok", rhid), ("redir", entry.destination), ("custom", custom))
        return BrowserStep(method="get", url=gateway.login_url, fields=fields)


def level_of(gateway: Gateway) -> str:
    """The `fas_secure_enabled` that was set for a router."""
    level = gateway.settings.get(LEVEL_SETTING, "")
    return level if level in LEVELS else LEVELS[0]


def return_hash(hid: str, faskey: str) -> str:
    """rhid: what proves to the router that who knows its key lets this client in."""
    return hashlib.sha256((hid + faskey).encode()).hexdigest()


def _raw(raw_query: str, name: str) -> str:
    for part in raw_query.split("&"):
        key, _, value = part.partition("=")
        if key == name:
            return unquote(value)
    return ""


def _plain(fas: str) -> str:
    return _base64(fas).decode("utf-8", "replace")


def _decrypted(fas: str, iv: str, gateway: Gateway) -> str:
    """AES-256-CBC of PHP's openssl_encrypt, which makes base64 of it, and base64 of that again."""
    key = gateway.settings.get(KEY_SETTING, "").encode()[:32]
    if len(key) != 32 or len(iv.encode()) != 16:
        raise Forged("no key of 32 octets or no iv of 16")
    octets = _base64(_base64(fas).decode("latin-1"))
    try:
        decryptor = Cipher(algorithms.AES(key), modes.CBC(iv.encode())).decryptor()
        padded = decryptor.update(octets) + decryptor.finalize()
        unpadder = PKCS7(128).unpadder()
        return (unpadder.update(padded) + unpadder.finalize()).decode("utf-8", "replace")
    except ValueError as error:
        raise Forged("not encrypted with the router's key") from error


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Forged("not base64") from error
