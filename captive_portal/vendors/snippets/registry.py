"""Which snippet belongs to which make."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from captive_portal.vendors.profile import Tested
from captive_portal.vendors.registry import vendor_called
from captive_portal.vendors.snippets import cisco, controllers, gateways, opennds, own
from captive_portal.vendors.snippets.facts import Facts, Snippet

_SNIPPETS: Mapping[str, Callable[[Facts], Snippet]] = {
    "aruba": controllers.aruba,
    "cambium": controllers.cambium,
    "chillispot": gateways.coova,
    "cisco": cisco.cisco,
    "coova": gateways.coova,
    "fortinet": gateways.fortinet,
    "meraki": controllers.meraki,
    "mikrotik": gateways.mikrotik,
    "mist": controllers.mist,
    "omada": controllers.omada,
    "opennds": opennds.opennds,
    "opnsense": gateways.opnsense,
    "pfsense": gateways.pfsense,
    "ruckus": controllers.ruckus,
    "unifi": controllers.unifi,
    "yuenyan": own.yuenyan,
}

MARKS: Mapping[Tested, str] = {
    Tested.FIXTURE: "tested with fixtures of the maker's requests; untested on hardware",
    Tested.PROGRAM: "tested with the real program",
    Tested.UNTESTED: "written from documents; untested on hardware",
}


def snippet_for(facts: Facts) -> Snippet:
    """The configuration of a network device; of a make without one, what every make asks for."""
    return _SNIPPETS.get(facts.vendor, controllers.generic)(facts)


def mark_of(vendor: str) -> str:
    """How far a make is proven, for the officer. Fixtures prove the hand-over, not the snippet."""
    return MARKS[vendor_called(vendor).tested]
