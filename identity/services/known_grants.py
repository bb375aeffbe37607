"""Which sessions are known by a grant alone; apart, so that a look-up loads nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import GrantedSession
from identity.domain.granting import Basis

_AT_ONCE = 500


def known_by_grant(session: Session, keys: Collection[str]) -> Mapping[str, Basis]:
    """Those among `keys` that no accounting tells of, and how they are known."""
    found = {}
    ordered = sorted(keys)
    for start in range(0, len(ordered), _AT_ONCE):
        for key, basis in session.execute(
            select(GrantedSession.session_key, GrantedSession.basis).where(
                GrantedSession.session_key.in_(ordered[start : start + _AT_ONCE])
            )
        ):
            found[key] = Basis(basis)
    return found
