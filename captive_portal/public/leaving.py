"""Leaving the network with the page: where a session ends when the gateway is told, and soon.

Those are our own gateway and openNDS, and a controller that the portal has called. Only the
session of this very device, as its address says, and only of the account that signs out. While
none of our own gateway or openNDS is reported yet, its own page is linked: it knows its devices.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from captive_portal.public.belongings import belongings
from captive_portal.public.site import client_address, portal, visit
from captive_portal.public.visits import nas_of_visit
from common.errors import NotFound, Refused
from db.models import Account, NasClient, NetworkSession
from identity.services import granted_devices
from identity.services.own_sessions import end_own
from identity.services.presence import Presence, session_of

_OWN_PAGES = {"yuenyan": "/logout", "opennds": "/opennds_deny/"}
"""Where such a gateway takes off the device that opens it, on the server of its login address."""


def leaves_network(presence: Presence | None, account: Account) -> bool:
    """Whether signing out on the page ends this session too."""
    if _gateway() is not None:
        return presence is not None and presence.account_id == account.id
    with portal().office.database.read() as session:
        return _called(session, account) is not None


def _called(session: Session, account: Account) -> NetworkSession | None:
    """The session of this device that a controller was called for."""
    here, nas = client_address(), nas_of_visit()
    if not here or nas is None:
        return None
    return granted_devices.find_called(session, account.id, nas.id, visit().mac, here)


def sign_out_address() -> str:
    """Where this visitor's gateway takes the device off by itself; empty with other makes."""
    nas = _gateway()
    if nas is None or not nas.login_url:
        return ""
    path = _OWN_PAGES[nas.vendor]
    return urlsplit(nas.login_url)._replace(path=path, query="", fragment="").geturl()


def leave_network(account: Account) -> bool:
    """Ask the gateway to end the session of this browser's device; whether there was one to end."""
    here = client_address()
    if not here:
        return False
    with portal().office.database.write() as session:
        if _gateway() is not None:
            return _leave(session, account, here)
        row = _called(session, account)
        return row is not None and _end(session, account, row.session_key)


def _gateway() -> NasClient | None:
    nas = nas_of_visit()
    return nas if nas is not None and nas.vendor in _OWN_PAGES else None


def _leave(session: Session, account: Account, here: str) -> bool:
    this = session_of(session, here)
    if this is None or this.account_id != account.id:
        return False
    return _end(session, account, this.session_key)


def _end(session: Session, account: Account, session_key: str) -> bool:
    try:
        only = belongings(session, account).only
        end_own(session, portal().office, account, session_key, only)
    except (NotFound, Refused):
        return False  # It has ended meanwhile.
    return True
