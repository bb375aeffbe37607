"""What somebody is asked for between signing in and the network: a new password, the rules.

Whoever skips the page is sent back to it by the hand-over itself (connect.py).
"""

from __future__ import annotations

from sqlalchemy import bindparam, exists, select

from captive_portal.public.site import portal
from captive_portal.public.visits import can_hand_over, nas_of_visit
from captive_portal.web.i18n import current_language
from db.models import Account, Credential, PublishedText
from identity.services import published
from identity.services.login import Proof

PASSWORD, RULES = "own_password.form", "rules.ask"


_ASKED = (
    select(
        Account.origin,
        Credential.must_change,
        exists(select(PublishedText.id)).label("has_texts"),
    )
    .outerjoin(Credential, Credential.account_id == Account.id)
    .where(Account.id == bindparam("account_id"))
)


def must_change(account_id: int) -> bool:
    """Whether the account's password is somebody else's choice and must be changed first."""
    return _read(account_id)[0]


def still_asked(account_id: int) -> str | None:
    """The page of what is still to be done before the network opens, or None."""
    return _page_of(account_id, *_read(account_id))


def next_page(account_id: int, proof: Proof | None = None) -> str:
    """Where somebody who is signed in goes next: what is asked, the gateway, or the status page.

    Args:
        proof: of the login that was just made; what it read is not read again.
    """
    if proof is None:
        waiting = still_asked(account_id)
    else:
        changes = proof.must_change and portal().office.config.passwords.change_first
        waiting = _page_of(account_id, changes, proof.has_texts)
    if waiting is not None:
        return waiting
    return "connect.show" if can_hand_over(nas_of_visit()) else "status.show"


def _read(account_id: int) -> tuple[bool, bool]:
    """Whether the password must be changed, and whether the office has published anything."""
    office = portal().office
    for row in office.database.ask(_ASKED, {"account_id": account_id}):
        # What is kept here of a directory's person opens nothing.
        changes = row.must_change is True and row.origin is None
        return changes and office.config.passwords.change_first, row.has_texts
    return False, True


def _page_of(account_id: int, changes: bool, has_texts: bool) -> str | None:
    if changes:
        return PASSWORD
    if has_texts:
        with portal().office.database.read() as session:
            if published.not_accepted(session, account_id, current_language()):
                return RULES
    return None
