"""The Class attribute: an opaque reference that accounting brings back.

`Y1`, account id (8 octets), random reference (8), keyed check (8). The check keeps a NAS,
or somebody who copied a Class, from tying a session to a stranger.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

_MAGIC = b"Y1"
_CHECK_OCTETS = 8


@dataclass(frozen=True, slots=True)
class SessionReference:
    """What a valid Class says: whose session, and which decision granted it."""

    account_id: int
    reference: str


def seal(key: bytes, account_id: int, reference: bytes) -> bytes:
    """The 26 octets of Class for this account and 8-octet reference."""
    body = _MAGIC + account_id.to_bytes(8, "big") + reference
    return body + _check(key, body)


def open_class(key: bytes, value: bytes) -> SessionReference | None:
    """What a Class value says, or None when we did not make it."""
    body, check = value[:-_CHECK_OCTETS], value[-_CHECK_OCTETS:]
    if len(value) != 26 or not value.startswith(_MAGIC):
        return None
    if not hmac.compare_digest(_check(key, body), check):
        return None
    return SessionReference(int.from_bytes(body[2:10], "big"), body[10:].hex())


def _check(key: bytes, body: bytes) -> bytes:
    return hashlib.blake2b(body, key=key, digest_size=_CHECK_OCTETS).digest()
