"""What of an account its holder on this page is shown: all of it, or of this device alone.

The device is the one whose open session accounting reports at the address that the portal sees.
The MAC address of a visit is no proof: whoever types the redirect's address chooses it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from captive_portal.public.site import client_address
from common.net import find_mac
from db.models import Account
from identity.services.own_sessions import OneDevice
from identity.services.presence import session_of
from identity.services.shared_vouchers import is_shared

NO_DEVICE = OneDevice(session_key="", mac="")


@dataclass(frozen=True, slots=True)
class Belongings:
    """What the holder may see; `only` is None for all that is the account's."""

    only: OneDevice | None

    @property
    def is_shared(self) -> bool:
        """Whether others hold the account too."""
        return self.only is not None

    def covers_session(self, session_key: str, mac: str) -> bool:
        """Whether this session is the holder's; `mac` as accounting wrote it."""
        return self.only is None or self.only.covers(session_key, mac)

    def covers_mac(self, mac: str) -> bool:
        """Whether the device of this address is the holder's."""
        return self.only is None or (bool(self.only.mac) and find_mac(mac) == self.only.mac)


def belongings(session: Session, account: Account) -> Belongings:
    """What of `account` is for whoever sent this request with its sign-in."""
    if not is_shared(session, account.id):
        return Belongings(None)
    here = client_address()
    this = session_of(session, here) if here else None
    if this is None or this.account_id != account.id:
        return Belongings(NO_DEVICE)
    return Belongings(OneDevice(session_key=this.session_key, mac=find_mac(this.mac) or ""))
