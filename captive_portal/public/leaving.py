"""Leaving the network with the page: our own gateway and openNDS end a session when they are told.

Only the session that accounting reports at the browser's own address, and only of the account
that signs out. While none is reported yet, the gateway's own page is linked: it knows its devices.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from captive_portal.public.belongings import belongings
from captive_portal.public.site import client_address, portal
from captive_portal.public.visits import nas_of_visit
from common.errors import NotFound, Refused
from db.models import Account, NasClient
from identity.services.own_sessions import end_own
from identity.services.presence import Presence, session_of

_OWN_PAGES = {"yuenyan": "/logout", "opennds": "/opennds_deny/"}
"""Where such a gateway takes off the device that opens it, on the server of its login address."""


def leaves_network(presence: Presence | None, account: Account) -> bool:
    """Whether signing out on the page ends this session too."""
    if _gateway() is None:
        return False
    return presence is not None and presence.account_id == account.id


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
    if not here or _gateway() is None:
        return False
    with portal().office.database.write() as session:
        return _leave(session, account, here)


def _gateway() -> NasClient | None:
    nas = nas_of_visit()
    return nas if nas is not None and nas.vendor in _OWN_PAGES else None


def _leave(session: Session, account: Account, here: str) -> bool:
    this = session_of(session, here)
    if this is None or not leaves_network(this, account):
        return False
    try:
        only = belongings(session, account).only
        end_own(session, portal().office, account, this.session_key, only)
    except (NotFound, Refused):
        return False  # It has ended meanwhile.
    return True
