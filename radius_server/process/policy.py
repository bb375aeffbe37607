"""What an accepted login gets: a role's access profile as reply attributes.

Standard attributes for everybody, and those of the NAS's vendor profile (`vendor_replies`).
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from identity.domain.access import Granted, RoleProfile
from identity.domain.egress import parse_egress
from identity.domain.sessions import INTERIM_SECONDS
from radius_server.packet.authenticator import encode
from radius_server.packet.codes import Attribute
from radius_server.process.vendor_replies import (
    LARGEST,
    profile_of,
    rate_attributes,
    role_attributes,
    total_attributes,
    vlan_attributes,
)

_USER_NAME, _CLASS = int(Attribute.USER_NAME), int(Attribute.CLASS)
_VLAN = 13  # Tunnel-Type, RFC 3580 section 3.31
_IEEE_802 = 6  # Tunnel-Medium-Type
_EGRESS_VLANID = 56  # RFC 4675 section 2.1
_TAGGED, _UNTAGGED = 0x31, 0x32


def reply_attributes(granted: Granted, now: datetime, vendor: str, class_value: bytes) -> bytes:
    """The attributes of an Access-Accept, encoded.

    User-Name carries the account's own name back, so that accounting shows it
    (RFC 2865 section 5.1).
    """
    role = granted.account.role
    seconds = role.session_seconds
    if seconds is None:
        seconds = profile_of(vendor).longest_seconds
    if granted.expires_at is not None:
        left = int((granted.expires_at - now).total_seconds())
        # An account that "never" ends, in the year 9999, has more than 32 bits of seconds.
        left = min(max(1, left), LARGEST)
        seconds = left if seconds is None else min(seconds, left)
    attributes = (
        encode(_USER_NAME, granted.account.username.encode())
        + encode(_CLASS, class_value)
        + _profile(role, vendor)
    )
    if granted.octets_left is not None:
        attributes += total_attributes(vendor, granted.octets_left)
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
        # RFC 2868 section 3.1: the first octet is a tag, 0 when unused. The text has none:
        # its first octet would be one (section 3.6), and digits are greater than any tag.
        attributes += _number(Attribute.TUNNEL_TYPE, _VLAN)
        attributes += _number(Attribute.TUNNEL_MEDIUM_TYPE, _IEEE_802)
        attributes += encode(Attribute.TUNNEL_PRIVATE_GROUP_ID, str(role.vlan).encode())
        attributes += vlan_attributes(vendor, role.vlan)
    if role.egress_vlans is not None:
        for egress in parse_egress(role.egress_vlans):
            octet = _TAGGED if egress.tagged else _UNTAGGED
            attributes += encode(_EGRESS_VLANID, (octet << 24 | egress.vlan).to_bytes(4, "big"))
    attributes += role_attributes(vendor, role.filter_id, role.vendor_role)
    return attributes + rate_attributes(vendor, role.up_kbps, role.down_kbps)


def _number(attribute: Attribute, value: int) -> bytes:
    return encode(attribute, value.to_bytes(4, "big"))
