"""An account row as the value that logins are decided on."""

from __future__ import annotations

from sqlalchemy.orm import Session

from db.models import Account, Credential
from identity.domain.access import NO_CONSENT, AccountSnapshot
from identity.services import guardians, recoverable
from identity.services.voucher_terms import profile_of


def snapshot(session: Session, account: Account) -> AccountSnapshot:
    """The facts a login decides on, read now."""
    is_consent_missing = account.state == "active" and guardians.lacks(session, account)
    credential = session.get(Credential, account.id) if account.origin is None else None
    return AccountSnapshot(
        account_id=account.id,
        username=account.username,
        kind=account.kind,
        state=NO_CONSENT if is_consent_missing else account.state,
        expires_at=account.expires_at,
        role=profile_of(session, account),
        password_hash=credential.password_hash if credential else None,
        recoverable=(credential.recoverable_kind if credential else None) or "none",
        # What a directory proves is not kept: it would outlive a change there.
        to_keep=recoverable.missing(account.role, credential) if not account.origin else "none",
        origin=account.origin or "",
    )
