"""The Class attribute: an opaque reference that accounting brings back.

`Y1`, account id (8 octets), random reference (8), keyed check (8). The check keeps a NAS,
or somebody who copied a Class, from tying a session to a stranger.
`Y2`, random reference (8), keyed check (8), realm: a login that a foreign home server granted.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

_MAGIC = b"Y1"
_FOREIGN_MAGIC = b"Y2"
_FOREIGN_HEAD = 18
_VALUE_OCTETS = 253
_CHECK_OCTETS = 8


@dataclass(frozen=True, slots=True)
class SessionReference:
    """What a valid Class says: whose session, and which decision granted it."""

    account_id: int
    reference: str


@dataclass(frozen=True, slots=True)
class ForeignReference:
    """What a valid Class says of a person whom another institution answers for."""

    realm: str
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


def seal_foreign(key: bytes, realm: str, reference: bytes) -> bytes:
    """A Class for a login of a foreign realm, with an 8-octet reference.

    Args:
        realm: at most 253 octets; what does not fit in the attribute is cut off.
    """
    shown = realm.encode("ascii", "replace")[: _VALUE_OCTETS - _FOREIGN_HEAD]
    return _FOREIGN_MAGIC + reference + _check(key, _FOREIGN_MAGIC + reference + shown) + shown


def open_foreign(key: bytes, value: bytes) -> ForeignReference | None:
    """What a Class value says of a foreign login, or None when we did not make it so."""
    if not value.startswith(_FOREIGN_MAGIC) or len(value) < _FOREIGN_HEAD:
        return None
    body, check, realm = value[:10], value[10:_FOREIGN_HEAD], value[_FOREIGN_HEAD:]
    if not hmac.compare_digest(_check(key, body + realm), check):
        return None
    return ForeignReference(realm.decode("ascii", "replace"), body[2:].hex())


def is_ours(key: bytes, value: bytes) -> bool:
    """Whether we have made this Class value, of either kind."""
    return open_class(key, value) is not None or open_foreign(key, value) is not None


def _check(key: bytes, body: bytes) -> bytes:
    return hashlib.blake2b(body, key=key, digest_size=_CHECK_OCTETS).digest()
