"""Leaving the network with the page: where a session ends when the gateway is told, and soon.

That is our own gateway, and a controller that the portal has called. Only the session of this very
device, and only of the account that signs out. While none is reported yet by our own gateway, its
own page is linked: it knows its devices.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from captive_portal.public.belongings import belongings
from captive_portal.public.site import client_address, portal, visit
from captive_portal.public.visits import nas_of_visit
from common.errors import NotFound, Refused
from db.models import Account, NasClient, NetworkSession
from identity.services import granted_sessions
from identity.services.own_sessions import end_own
from identity.services.presence import Presence, session_of

_OWN_GATEWAY = "yuenyan"


def leaves_network(presence: Presence | None, account: Account) -> bool:
    """Whether signing out on the page ends this session too."""
    if _own_gateway() is not None:
        return presence is not None and presence.account_id == account.id
    with portal().office.database.read() as session:
        return _called(session, account) is not None


def _called(session: Session, account: Account) -> NetworkSession | None:
    """The session of this device that a controller was called for."""
    here, nas = client_address(), nas_of_visit()
    if not here or nas is None:
        return None
    return granted_sessions.find_called(session, account.id, nas.id, {visit().mac, here})


def sign_out_address() -> str:
    """Where this visitor's gateway takes the device off by itself; empty with other makes."""
    nas = _own_gateway()
    if nas is None or not nas.login_url:
        return ""
    return urlsplit(nas.login_url)._replace(path="/logout", query="", fragment="").geturl()


def leave_network(account: Account) -> bool:
    """Ask the gateway to end the session of this browser's device; whether there was one to end."""
    here = client_address()
    if not here:
        return False
    with portal().office.database.write() as session:
        if _own_gateway() is not None:
            return _leave(session, account, here)
        row = _called(session, account)
        return row is not None and _end(session, account, row.session_key)


def _own_gateway() -> NasClient | None:
    nas = nas_of_visit()
    return nas if nas is not None and nas.vendor == _OWN_GATEWAY else None


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
