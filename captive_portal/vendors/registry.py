"""Which make answers for which name of identity.domain.vendors."""

from __future__ import annotations

from collections.abc import Mapping

from captive_portal.vendors.aruba import Aruba
from captive_portal.vendors.cambium import Cambium
from captive_portal.vendors.cisco import Cisco
from captive_portal.vendors.control import Control
from captive_portal.vendors.coova import Coova
from captive_portal.vendors.fortinet import Fortinet
from captive_portal.vendors.generic import Generic
from captive_portal.vendors.meraki import Meraki
from captive_portal.vendors.mikrotik import Mikrotik
from captive_portal.vendors.mist import Mist
from captive_portal.vendors.omada import Omada
from captive_portal.vendors.omada_control import OmadaControl
from captive_portal.vendors.opennds import Opennds
from captive_portal.vendors.opnsense import Opnsense
from captive_portal.vendors.opnsense_control import OpnsenseControl
from captive_portal.vendors.pfsense import Pfsense
from captive_portal.vendors.profile import Vendor
from captive_portal.vendors.ruckus import Ruckus
from captive_portal.vendors.unifi import Unifi
from captive_portal.vendors.unifi_control import UnifiControl
from captive_portal.vendors.yuenyan import Yuenyan

_GENERIC = Generic()
_MAKES: tuple[Vendor, ...] = (
    _GENERIC,
    Aruba(),
    Cambium(),
    Cisco(),
    Coova(),
    Coova("chillispot"),
    Fortinet(),
    Meraki(),
    Mikrotik(),
    Mist(),
    Omada(),
    Opennds(),
    Opnsense(),
    Pfsense(),
    Ruckus(),
    Unifi(),
    Yuenyan(),
)
_CONTROLS: Mapping[str, Control] = {
    "omada": OmadaControl(),
    "opnsense": OpnsenseControl(),
    "unifi": UnifiControl(),
}
_VENDORS: Mapping[str, Vendor] = {vendor.name: vendor for vendor in _MAKES}


def vendor_called(name: str) -> Vendor:
    """The make called `name`; one without a module of its own is taken for generic."""
    return _VENDORS.get(name, _GENERIC)


def control_of(name: str) -> Control | None:
    """Who calls the controllers of a make again; None where it has no such calls."""
    return _CONTROLS.get(name)


def every_vendor() -> tuple[Vendor, ...]:
    """The makes that have a profile of their own."""
    return tuple(_VENDORS.values())
