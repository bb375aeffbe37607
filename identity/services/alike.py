"""Accounts whose names nobody can tell apart, or that few keyboards can type.

They were stored before names had one order of marks (`identity.domain.spellings`). Each is found
by the very octets of its name alone, so that none was ever another's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Account, AuthEvent
from identity.domain.spellings import composed


@dataclass(frozen=True, slots=True)
class Alike:
    """One active account among those that look like `composed(username)`."""

    account_id: int
    username: str
    created_at: datetime
    last_login_at: datetime | None
    """Of those that the log still has."""

    @property
    def is_composed(self) -> bool:
        """Whether its name is in the order that is found however it is typed."""
        return composed(self.username) == self.username


def find_alike(session: Session) -> dict[str, tuple[Alike, ...]]:
    """By the name that they look like: active accounts of people with a name in an old order,
    and the one in the new order beside, if there is one."""
    rows = session.execute(
        select(Account.id, Account.username, Account.created_at).where(
            Account.kind != "device", Account.state == "active", Account.anonymised_at.is_(None)
        )
    )
    named: dict[str, list[tuple[int, str, datetime]]] = {}
    for number, username, created_at in rows:
        if not username.isascii():
            named.setdefault(composed(username), []).append((number, username, created_at))
    return {
        name: tuple(Alike(*one, _last_login(session, one[0])) for one in sorted(accounts))
        for name, accounts in sorted(named.items())
        if any(username != name for _, username, _ in accounts)
    }


def _last_login(session: Session, number: int) -> datetime | None:
    return session.scalar(
        select(func.max(AuthEvent.at)).where(
            AuthEvent.account_id == number, AuthEvent.outcome == "accept"
        )
    )
