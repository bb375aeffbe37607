"""An account as the value that logins are decided on: from its row, or from one statement."""

from __future__ import annotations

import sys
from dataclasses import fields
from functools import lru_cache
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Account, Credential, Role
from identity.domain.access import NO_CONSENT, UNCHANGED, AccountSnapshot, RoleProfile
from identity.services import guardians, recoverable
from identity.services.voucher_terms import profile_of

_PROFILE = (
    "name",
    *(
        field.name
        for field in fields(RoleProfile)
        # A whole life has only a voucher (identity.services.voucher_terms).
        if field.name != "name" and not field.name.endswith("_total")
    ),
)
FACTS = (
    select(
        *(getattr(Role, name).label(f"role_{name}") for name in _PROFILE),
        Account.id,
        Account.username,
        Account.kind,
        Account.state,
        Account.expires_at,
        Account.origin,
        Credential.password_hash,
        Credential.recoverable_kind,
        Credential.must_change,
        func.coalesce(Credential.recoverable_choice, Role.recoverable).label("wanted"),
        guardians.MISSING.label("lacks_consent"),
    )
    .join(Role, Account.role_id == Role.id)
    .outerjoin(Credential, Credential.account_id == Account.id)
)
"""What `of_row` reads, without saying of which accounts; more columns may be added behind."""


def of_row(row: Any, state: str) -> AccountSnapshot:
    """The facts in a row of `FACTS`; what a voucher adds to the role is not among them."""
    if row.lacks_consent and state in ("active", UNCHANGED):
        state = NO_CONSENT
    return AccountSnapshot(
        account_id=row.id,
        username=row.username,
        kind=sys.intern(row.kind),
        state=sys.intern(state),
        expires_at=row.expires_at,
        role=_profile(*row[: len(_PROFILE)]),
        # What a directory proves is not kept: it would outlive a change there.
        password_hash=row.password_hash if row.origin is None else None,
        recoverable=row.recoverable_kind or "none",
        to_keep="none" if row.origin or row.wanted == row.recoverable_kind else row.wanted,
        origin=sys.intern(row.origin or ""),
    )


@lru_cache(maxsize=1024)
def _profile(*values: Any) -> RoleProfile:
    """The profile with these values of `_PROFILE`; every account of a role shares one.

    A worker may hold 100,000 accounts, and a profile of its own would be a third of each.
    """
    return RoleProfile(**dict(zip(_PROFILE, values, strict=True)))


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
