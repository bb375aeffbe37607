"""How each make of equipment is told what a role grants: tables, and their encoding.

Numbers are those of the vendors' dictionaries. What a make has no attribute for it is not
told; its quota is held by this server all the same. A make without a line of its own is told
in standard attributes and WISPr's rates, which is what most others read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from radius_server.packet.authenticator import encode, encode_vendor

FILTER_ID = 11  # RFC 2865 section 5.11
LARGEST = 2**32 - 1
"""An integer attribute, RFC 2865 section 5."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Two integer attributes, from the user's side; `unit` is how many of them make a kbit/s."""

    vendor: int
    up: int
    down: int
    unit: int


@dataclass(frozen=True, slots=True)
class RateText:
    """One text `up/down` as the router sees it: what it receives is the upload; 0 is no limit."""

    vendor: int
    kind: int


@dataclass(frozen=True, slots=True)
class TotalLimit:
    """How many octets of both directions together; without gigawords it holds 32 bits."""

    vendor: int
    low: int
    high: int | None


@dataclass(frozen=True, slots=True)
class Named:
    """A text or number in one attribute of a vendor."""

    vendor: int
    kind: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyProfile:
    """The attributes of one make.

    `role` None: a role by its name on the equipment goes as Filter-Id. `vlan`: attributes
    that carry the VLAN beside the standard ones, and what is constant with them.
    `longest_seconds` bounds a session where the role does not: nobody can end it from here.
    """

    rates: tuple[Rate | RateText, ...] = ()
    total: TotalLimit | None = None
    role: Named | None = None
    vlan: tuple[Named, ...] = ()
    vlan_constant: tuple[tuple[Named, int], ...] = ()
    longest_seconds: int | None = None


_WISPR, _CHILLI, _MIKROTIK, _AIRESPACE = 14122, 14559, 14988, 14179
_ARUBA, _RUCKUS, _FORTINET, _HUAWEI, _H3C, _PFSENSE = 14823, 25053, 12356, 2011, 25506, 13644
_SCHOOL_DAY = 8 * 3600

_WISPR_RATE = Rate(_WISPR, 7, 8, 1000)  # bit/s: WISPr-Bandwidth-Max-Up, -Down
_CHILLI_PROFILE = ReplyProfile(
    # The second, in kbit/s, wins where both are known; derivatives know the first only.
    rates=(_WISPR_RATE, Rate(_CHILLI, 4, 5, 1)),
    total=TotalLimit(_CHILLI, 3, 23),
    vlan=(Named(_CHILLI, 24),),
)

PROFILES: dict[str, ReplyProfile] = {
    "generic": ReplyProfile(rates=(_WISPR_RATE,)),
    "coova": _CHILLI_PROFILE,
    "chillispot": _CHILLI_PROFILE,
    "mikrotik": ReplyProfile(
        rates=(RateText(_MIKROTIK, 8),),
        total=TotalLimit(_MIKROTIK, 17, 18),
        role=Named(_MIKROTIK, 3),  # Mikrotik-Group: a user profile
        vlan=(Named(_MIKROTIK, 26),),  # Wireless-VLANID; wired ports read the standard ones
        vlan_constant=((Named(_MIKROTIK, 27), 0),),  # Wireless-VLANID-Type: 802.1Q
    ),
    "aruba": ReplyProfile(rates=(_WISPR_RATE,), role=Named(_ARUBA, 1)),
    # Data bandwidth contracts in kbit/s, the average and the burst the same.
    "cisco": ReplyProfile(
        rates=(Rate(_AIRESPACE, 13, 7, 1), Rate(_AIRESPACE, 15, 9, 1)),
        role=Named(_AIRESPACE, 6),  # Airespace-ACL-Name
    ),
    "meraki": ReplyProfile(role=Named(_AIRESPACE, 6)),  # read as a group policy
    "ruckus": ReplyProfile(rates=(_WISPR_RATE,), role=Named(_RUCKUS, 1)),
    "fortinet": ReplyProfile(role=Named(_FORTINET, 1)),
    "huawei": ReplyProfile(rates=(Rate(_HUAWEI, 2, 5, 1000), Rate(_HUAWEI, 3, 6, 1000))),
    "h3c": ReplyProfile(rates=(Rate(_H3C, 2, 5, 1000), Rate(_H3C, 1, 4, 1000))),
    "pfsense": ReplyProfile(
        rates=(_WISPR_RATE,), total=TotalLimit(_PFSENSE, 3, None), longest_seconds=_SCHOOL_DAY
    ),
    "opnsense": ReplyProfile(longest_seconds=_SCHOOL_DAY),
    "opennds": ReplyProfile(rates=(_WISPR_RATE,), longest_seconds=_SCHOOL_DAY),
    # Our own gateway reads bits per second, and counts octets as CoovaChilli does.
    "yuenyan": ReplyProfile(rates=(_WISPR_RATE,), total=TotalLimit(_CHILLI, 3, 23)),
    # It knows neither rates nor quotas, and ignores what it does not know.
    "hostapd": ReplyProfile(),
}


def profile_of(vendor: str) -> ReplyProfile:
    """The profile of a vendor; the generic one for those that need no other."""
    return PROFILES.get(vendor, PROFILES["generic"])


@lru_cache(maxsize=1024)
def rate_attributes(vendor: str, up_kbps: int | None, down_kbps: int | None) -> bytes:
    """Upload and download limits as this make reads them; None is no limit."""
    if up_kbps is None and down_kbps is None:
        return b""
    attributes = b""
    for rate in profile_of(vendor).rates:
        if isinstance(rate, RateText):
            text = f"{up_kbps or 0}k/{down_kbps or 0}k"
            attributes += encode_vendor(rate.vendor, rate.kind, text.encode())
            continue
        for kind, kbps in ((rate.up, up_kbps), (rate.down, down_kbps)):
            if kbps is not None:
                attributes += _integer(rate.vendor, kind, min(kbps * rate.unit, LARGEST))
    return attributes


def total_attributes(vendor: str, octets: int) -> bytes:
    """How many octets of both directions this session may still use, where the make counts them.

    More than 32 bits are left out where there are no gigawords: a smaller number would end the
    session too early, and this server counts too.
    """
    total = profile_of(vendor).total
    if total is None:
        return b""
    high, low = divmod(octets, 2**32)
    if total.high is None:
        return b"" if high else _integer(total.vendor, total.low, low)
    attributes = _integer(total.vendor, total.low, low)
    return attributes + _integer(total.vendor, total.high, high) if high else attributes


def role_attributes(vendor: str, filter_id: str | None, vendor_role: str | None) -> bytes:
    """A filter by its name, and a role by its name, on the equipment."""
    named = profile_of(vendor).role
    attributes = b""
    if vendor_role is not None and named is not None:
        attributes = encode_vendor(named.vendor, named.kind, vendor_role.encode())
    elif filter_id is None:
        filter_id = vendor_role
    return attributes if filter_id is None else attributes + encode(FILTER_ID, filter_id.encode())


def vlan_attributes(vendor: str, vlan: int) -> bytes:
    """What this make reads beside the standard attributes of a VLAN."""
    profile = profile_of(vendor)
    return b"".join(
        [_integer(named.vendor, named.kind, vlan) for named in profile.vlan]
        + [_integer(named.vendor, named.kind, value) for named, value in profile.vlan_constant]
    )


def _integer(vendor: int, kind: int, value: int) -> bytes:
    return encode_vendor(vendor, kind, value.to_bytes(4, "big"))
