"""Whether somebody else is in on the device that a redirect names, which nobody else may take.

Where the controller lists the device under the address of this browser it is this device: then
people who share one may come one after the other.
"""

from __future__ import annotations

from captive_portal.public.site import client_address, portal
from captive_portal.public.visits import gateway_of
from captive_portal.vendors.controller import Declined, Unreachable
from captive_portal.vendors.registry import control_of
from common.logging import get_logger
from db.models import Account, NasClient
from identity.domain.access import Denied, Method, Reason
from identity.services import granted_devices


def proven_here(nas: NasClient, account: Account, device: str) -> bool | Denied:
    """True where somebody else is in on this very device, False where nobody is; else why not."""
    office, here = portal().office, client_address()
    with office.database.read() as session:
        known = granted_devices.others_on(session, nas.id, device, account.id, office.clock())
    if not known:
        return False
    if device == here or known == {here} or _listed_address(nas, device) == here:
        return True
    return Denied(Reason.DEVICE_TAKEN, Method.PORTAL, account.id)


def _listed_address(nas: NasClient, device: str) -> str:
    """Where the controller has the device now; empty when it does not say."""
    control, gateway = control_of(nas.vendor), gateway_of(nas)
    if control is None or control.most(gateway) == 0:
        return ""
    try:
        found = control.look(gateway, [device]).get(device)
    except (Declined, Unreachable) as error:
        get_logger(__name__).warning("controller_not_asked", nas=nas.name, reason=str(error))
        return ""
    return found.ip if found is not None else ""
