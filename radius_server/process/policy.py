"""What an accepted login gets: a role's access profile as reply attributes.

Standard attributes for everybody, and the rate attribute of the NAS's vendor profile
(units differ: WISPr counts bits a second, MikroTik takes text).
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from identity.domain.access import Granted, RoleProfile
from identity.domain.sessions import INTERIM_SECONDS
from radius_server.packet.authenticator import encode, encode_vendor
from radius_server.packet.codes import Attribute

_USER_NAME, _CLASS = int(Attribute.USER_NAME), int(Attribute.CLASS)
_LARGEST = 2**32 - 1
"""An integer attribute, RFC 2865 section 5."""

_VLAN = 13  # Tunnel-Type, RFC 3580 section 3.31
_IEEE_802 = 6  # Tunnel-Medium-Type
_WISPR = 14122
_WISPR_UP, _WISPR_DOWN = 7, 8
_MIKROTIK = 14988
_MIKROTIK_RATE_LIMIT = 8


def reply_attributes(granted: Granted, now: datetime, vendor: str, class_value: bytes) -> bytes:
    """The attributes of an Access-Accept, encoded.

    User-Name carries the account's own name back, so that accounting shows it
    (RFC 2865 section 5.1).
    """
    role = granted.account.role
    seconds = role.session_seconds
    if granted.expires_at is not None:
        left = int((granted.expires_at - now).total_seconds())
        # An account that "never" ends, in the year 9999, has more than 32 bits of seconds.
        left = min(max(1, left), _LARGEST)
        seconds = left if seconds is None else min(seconds, left)
    attributes = (
        encode(_USER_NAME, granted.account.username.encode())
        + encode(_CLASS, class_value)
        + _profile(role, vendor)
    )
    return attributes if seconds is None else attributes + _session_timeout(seconds)


@lru_cache(maxsize=1024)
def _session_timeout(seconds: int) -> bytes:
    return _number(Attribute.SESSION_TIMEOUT, seconds)


@lru_cache(maxsize=1024)
def _profile(role: RoleProfile, vendor: str) -> bytes:
    attributes = _number(Attribute.ACCT_INTERIM_INTERVAL, INTERIM_SECONDS)
    if role.idle_seconds is not None:
        attributes += _number(Attribute.IDLE_TIMEOUT, role.idle_seconds)
    if role.vlan is not None:
        # RFC 2868 section 3.1: the first octet is a tag, 0 when unused.
        attributes += _number(Attribute.TUNNEL_TYPE, _VLAN)
        attributes += _number(Attribute.TUNNEL_MEDIUM_TYPE, _IEEE_802)
        attributes += encode(Attribute.TUNNEL_PRIVATE_GROUP_ID, str(role.vlan).encode())
    return attributes + _rates(role, vendor)


def _rates(role: RoleProfile, vendor: str) -> bytes:
    if vendor == "mikrotik":
        if role.up_kbps is None and role.down_kbps is None:
            return b""
        # rx/tx as the router sees it: what it receives is the user's upload; 0 is unlimited.
        text = f"{role.up_kbps or 0}k/{role.down_kbps or 0}k"
        return encode_vendor(_MIKROTIK, _MIKROTIK_RATE_LIMIT, text.encode())
    attributes = b""
    for kind, kbps in ((_WISPR_UP, role.up_kbps), (_WISPR_DOWN, role.down_kbps)):
        if kbps is not None:
            attributes += encode_vendor(_WISPR, kind, min(kbps * 1000, _LARGEST).to_bytes(4, "big"))
    return attributes


def _number(attribute: Attribute, value: int) -> bytes:
    return encode(attribute, value.to_bytes(4, "big"))
