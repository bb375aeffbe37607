"""What our own gateway tells the portal of a caught browser, signed so that nobody else can say it.

Pure; the gateway writes it, the portal reads it. It does not say when: a sign-in that was made
from an old one names the same device, and lets in no other.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import parse_qsl, urlencode

from common.errors import NotAuthentic

SHORTEST_KEY = 16
LONGEST_URL = 500
"""Of what the visitor wanted to open; a longer one is not worth going back to."""

_LABEL = b"yuenyan gateway redirect 1\n"
_MARK = "&sig="


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """One browser that the gateway sends to the portal."""

    mac: str
    """Twelve hex digits."""
    ip: str
    nas: str
    """The gateway's NAS-Identifier."""
    url: str = ""
    """What the visitor wanted to open; empty when it was nothing to go back to."""
    result: str = "notyet"
    """notyet, already, failed or logoff."""
    reason: str = ""
    """Of a failure: reject, timeout, token, busy or gateway, or a Reply-Message."""


def write_redirect(caught: Caught, key: bytes) -> str:
    """The query of the portal's address."""
    fields = {
        "res": caught.result,
        "mac": caught.mac,
        "ip": caught.ip,
        "nas": caught.nas,
        "url": caught.url if len(caught.url) <= LONGEST_URL else "",
        "reason": caught.reason[:LONGEST_URL],
    }
    signed = urlencode({name: value for name, value in fields.items() if value})
    return signed + _MARK + _signature(signed, key)


def read_redirect(query: str, key: bytes) -> Caught:
    """What a gateway with `key` said.

    What the portal's own links have put behind the signature, such as a language, is not read.

    Args:
        query: as it came, not decoded: the signature is over these very octets.

    Raises:
        NotAuthentic: it was not signed with `key`, or the key is too short to prove anything.
    """
    signed, mark, rest = query.partition(_MARK)
    signature = rest.partition("&")[0]
    if len(key) < SHORTEST_KEY or not mark:
        raise NotAuthentic("redirect_without_signature")
    expected = _signature(signed, key)
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
        raise NotAuthentic("redirect_signature")
    pairs = parse_qsl(signed, keep_blank_values=True)
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise NotAuthentic("redirect_repeats_itself")
    return Caught(
        mac=fields.get("mac", ""),
        ip=fields.get("ip", ""),
        nas=fields.get("nas", ""),
        url=fields.get("url", ""),
        result=fields.get("res", ""),
        reason=fields.get("reason", ""),
    )


def _signature(signed: str, key: bytes) -> str:
    return hmac.digest(key, _LABEL + signed.encode(), sha256).hex()
