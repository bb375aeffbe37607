"""What somebody is asked for between signing in and the network: a new password, the rules.

Whoever skips the page is sent back to it by the hand-over itself (connect.py).
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from captive_portal.public.site import portal
from captive_portal.public.visits import can_hand_over, nas_of_visit
from captive_portal.web.i18n import current_language
from db.models import Account, Credential
from identity.services import published

PASSWORD, RULES = "own_password.form", "rules.ask"


def must_change(session: Session, account_id: int) -> bool:
    """Whether the account's password is somebody else's choice and must be changed first."""
    if not portal().office.config.passwords.change_first:
        return False
    account = session.get(Account, account_id)
    if account is None or account.origin is not None:
        return False  # what is kept here of a directory's person opens nothing
    credential = session.get(Credential, account_id)
    return credential is not None and credential.must_change


def still_asked(account_id: int) -> str | None:
    """The page of what is still to be done before the network opens, or None."""
    with portal().office.database.read() as session:
        if must_change(session, account_id):
            return PASSWORD
        if published.not_accepted(session, account_id, current_language()):
            return RULES
    return None


def next_page(account_id: int) -> str:
    """Where somebody who is signed in goes next: what is asked, the gateway, or the status page."""
    waiting = still_asked(account_id)
    if waiting is not None:
        return waiting
    return "connect.show" if can_hand_over(nas_of_visit()) else "status.show"
