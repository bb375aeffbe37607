"""The makes of equipment that are told apart, by the name of their profile."""

from __future__ import annotations

from common.errors import UsageError

VENDORS = (
    "generic",
    "hostapd",
    "mikrotik",
    "unifi",
    "omada",
    "aruba",
    "cisco",
    "meraki",
    "ruckus",
    "fortinet",
    "coova",
    "chillispot",
    "opennds",
    "opnsense",
    "pfsense",
    "huawei",
    "h3c",
    "yuenyan",
    "cambium",
    "mist",
)
"""`generic` is whatever keeps to the RFCs, such as most switches."""


GATEWAYS = frozenset({"chillispot", "coova", "opennds", "opnsense", "pfsense", "yuenyan"})
"""Makes that are here for their captive portal alone. Others may be that, or access points."""


def parse_vendor(text: str) -> str:
    """The profile called `text`.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    vendor = text.strip().casefold()
    if vendor not in VENDORS:
        raise UsageError(f"there is no vendor profile {text!r}; known: {', '.join(VENDORS)}")
    return vendor
