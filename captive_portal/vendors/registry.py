"""Which make answers for which name of identity.domain.vendors."""

from __future__ import annotations

from collections.abc import Mapping

from captive_portal.vendors.generic import Generic
from captive_portal.vendors.opennds import Opennds
from captive_portal.vendors.profile import Vendor

_GENERIC = Generic()
_VENDORS: Mapping[str, Vendor] = {vendor.name: vendor for vendor in (_GENERIC, Opennds())}


def vendor_called(name: str) -> Vendor:
    """The make called `name`; one without a module of its own is taken for generic."""
    return _VENDORS.get(name, _GENERIC)
