"""Whose data a breach may concern: who was on the network then, and whom it names (R72)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from common.net import find_mac
from db.models import Account, AddressInterval, NasClient, NetworkSession, RegisterEntry
from identity.domain.spellings import spellings
from identity.services import registers
from identity.services.session_states import may_have_lasted_to

_A_QUERY = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """One person, guest or device that may be concerned."""

    account: str
    full_name: str
    contact: str
    organisation: str
    sessions: int
    """In the period; 0: named by the entry."""


def find_affected(session: Session, entry: RegisterEntry) -> list[Affected]:
    """Who may be concerned by a breach.

    Everybody who had a session in its period, or only those it names: each line of `about` is a
    user name, the name of a network device, a MAC or an IP address. Without a period, the
    accounts it names; without either, every account there is.
    """
    facts = registers.read_facts(entry)
    lines = [line.strip() for line in facts.get("about", "").splitlines() if line.strip()]
    begin, end = (
        datetime.fromisoformat(facts[name]) if name in facts else None
        for name in ("from_at", "to_at")
    )
    counted: dict[int, int] = {}
    if begin is not None or end is not None:
        counted = _with_sessions(session, begin, end, lines)
    named = _named(session, lines)
    if not counted and not named and not lines and begin is None and end is None:
        named = set(session.scalars(select(Account.id)))
    return _describe(session, {**dict.fromkeys(named, 0), **counted})


def _with_sessions(
    session: Session, begin: datetime | None, end: datetime | None, lines: Sequence[str]
) -> dict[int, int]:
    statement = select(NetworkSession.account_id, func.count()).where(
        NetworkSession.account_id.is_not(None)
    )
    if end is not None:
        statement = statement.where(NetworkSession.started_at <= end)
    if begin is not None:
        statement = statement.where(may_have_lasted_to(begin))
    if lines:
        statement = statement.where(_is_one_of(lines))
    return {
        account: number
        for account, number in session.execute(statement.group_by(NetworkSession.account_id))
        if account is not None
    }


def _is_one_of(lines: Sequence[str]) -> ColumnElement[bool]:
    names = [name for line in lines for name in spellings(line)]
    macs = [mac for line in lines if (mac := find_mac(line))]
    return or_(
        NetworkSession.account_id.in_(select(Account.id).where(Account.username.in_(names))),
        NetworkSession.nas_client_id.in_(select(NasClient.id).where(NasClient.name.in_(lines))),
        NetworkSession.calling_station_id.in_(macs),
        NetworkSession.session_key.in_(
            select(AddressInterval.session_key).where(AddressInterval.address.in_(lines))
        ),
    )


def _named(session: Session, lines: Sequence[str]) -> set[int]:
    names = [name for line in lines for name in spellings(line)]
    return set(session.scalars(select(Account.id).where(Account.username.in_(names))))


def _describe(session: Session, counted: dict[int, int]) -> list[Affected]:
    found = []
    numbers = sorted(counted)
    for first in range(0, len(numbers), _A_QUERY):
        some = numbers[first : first + _A_QUERY]
        for account in session.scalars(select(Account).where(Account.id.in_(some))).unique():
            person = account.person
            found.append(
                Affected(
                    account=account.username,
                    full_name=account.full_name,
                    contact=(person.contact if person else None) or account.contact or "",
                    organisation=account.organisation.name if account.organisation else "",
                    sessions=counted[account.id],
                )
            )
    return sorted(found, key=lambda one: one.account)
