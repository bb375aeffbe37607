"""Which account a user name means; apart, so that a look-up loads nothing else."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Account
from identity.domain.spellings import spellings


def account_id_of(session: Session, name: str) -> int | None:
    """The number of the account with this name, in any spelling of it, or None."""
    for spelling in spellings(name):
        number = session.scalar(select(Account.id).where(Account.username == spelling))
        if number is not None:
            return number
    return None
