"""Whether an account lacks the consent of a guardian that its role needs, as an SQL condition.

Recording and withdrawing them is identity.services.guardians.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists

from db.models import Account, GuardianConsent, Role


def in_force(person_id: object) -> ColumnElement[bool]:
    """Holds where there is a consent that nobody has withdrawn."""
    return exists().where(
        GuardianConsent.person_id == person_id, GuardianConsent.withdrawn_at.is_(None)
    )


MISSING = and_(Role.guardian_consent, Account.kind == "person", ~in_force(Account.person_id))
"""Holds for accounts, joined with their roles, that need a consent which is not there."""
