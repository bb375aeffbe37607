"""Which organisations an officer sees: the own one and those under it (R54).

Who belongs to no organisation sees everything. Who belongs to the head of the tree (an
organisation under which all others lie) sees everything too: that is the area office. A
school with an annex is no area office. Everybody else sees the own organisation, the ones
under it, and nothing that belongs to another or to none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, true
from sqlalchemy.orm import Session

from db.models import (
    Account,
    AuthEvent,
    NasClient,
    NetworkSession,
    OfficerLevel,
    Organisation,
    VoucherBatch,
)
from identity.domain.levels import Level


@dataclass(frozen=True, slots=True)
class Reach:
    """`organisations` None is everywhere."""

    organisations: frozenset[int] | None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is hidden."""
        return self.organisations is None

    def covers(self, organisation_id: int | None) -> bool:
        """Whether something of this organisation (None: of none) is theirs to see."""
        return self.organisations is None or organisation_id in self.organisations

    def narrowed(self, organisations: frozenset[int]) -> Reach:
        """What both this and `organisations` hold."""
        if self.organisations is None:
            return Reach(organisations)
        return Reach(self.organisations & organisations)

    def within(self, column: Any) -> ColumnElement[bool]:
        """Holds where a column of organisation numbers is theirs."""
        if self.organisations is None:
            return true()
        return column.in_(sorted(self.organisations))  # type: ignore[no-any-return]

    def accounts(self) -> ColumnElement[bool]:
        """Holds for accounts that are theirs."""
        return self.within(Account.organisation_id)

    def nas(self) -> ColumnElement[bool]:
        """Holds for equipment that is theirs."""
        return self.within(NasClient.organisation_id)

    def batches(self) -> ColumnElement[bool]:
        """Holds for voucher sheets that somebody of theirs issued."""
        return self._account(VoucherBatch.issuer_id)

    def sessions(self) -> ColumnElement[bool]:
        """Holds for sessions on their equipment, of their people or of nobody known."""
        if self.organisations is None:
            return true()
        return and_(
            self._nas(NetworkSession.nas_client_id),
            or_(
                NetworkSession.account_id.is_(None),
                self._account(NetworkSession.account_id),
            ),
        )

    def logins(self) -> ColumnElement[bool]:
        """Holds for logins on their equipment, of their people or of nobody known."""
        if self.organisations is None:
            return true()
        theirs = self._account(AuthEvent.account_id)
        return or_(
            and_(self._nas(AuthEvent.nas_client_id), or_(AuthEvent.account_id.is_(None), theirs)),
            and_(AuthEvent.nas_client_id.is_(None), theirs),
        )

    def _nas(self, column: Any) -> ColumnElement[bool]:
        return column.in_(select(NasClient.id).where(self.nas()))  # type: ignore[no-any-return]

    def _account(self, column: Any) -> ColumnElement[bool]:
        if self.organisations is None:
            return true()
        return column.in_(select(Account.id).where(self.accounts()))  # type: ignore[no-any-return]


EVERYWHERE = Reach(None)


def reach_of(session: Session, account: Account) -> Reach:
    """What this officer sees."""
    own = account.organisation_id
    if own is None:
        # A school officer whose school was taken away must not see all of them for it.
        lost = session.get(OfficerLevel, (account.id, Level.SCHOOL)) is not None
        return Reach(frozenset()) if lost else EVERYWHERE
    parents: dict[int, int | None] = {
        number: parent
        for number, parent in session.execute(select(Organisation.id, Organisation.parent_id))
    }
    below = _below(own, parents)
    if len(below) > 1 and below >= parents.keys():
        return EVERYWHERE
    return Reach(frozenset(below))


def is_under(session: Session, organisation_id: int, other_id: int) -> bool:
    """Whether the first is the second or lies under it."""
    return organisation_id in under(session, other_id)


def under(session: Session, organisation_id: int) -> frozenset[int]:
    """An organisation and everything under it."""
    parents: dict[int, int | None] = {
        number: parent
        for number, parent in session.execute(select(Organisation.id, Organisation.parent_id))
    }
    return frozenset(_below(organisation_id, parents))


def _below(top: int, parents: dict[int, int | None]) -> set[int]:
    """`top` and everything under it."""
    found = {top}
    while True:
        more = {number for number, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more
