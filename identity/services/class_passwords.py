"""New first passwords for a whole class, to be handed out on slips of paper.

Planned first, so that the slips are on paper or on the officer's screen before any password is
changed; then set in one transaction. What is stored is what is stored of any password.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, true
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused
from db.models import Account, OfficerLevel, Organisation, Person
from identity.office import Office
from identity.services import audit, officers, people

_HASHING = 2
"""Threads: argon2 lets others run, and a school of a thousand takes half the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """What one pupil is handed."""

    account_id: int
    username: str
    full_name: str
    class_name: str
    organisation: str
    password: str = field(repr=False)
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Whose password stays as it is, and why."""

    username: str
    full_name: str
    reason: str
    """`directory`, `officer`, or the state of the account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The slips of a reset that has not been made yet, by organisation, class and name."""

    slips: Sequence[Slip]
    left: Sequence[Left]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSize:
    """A class, and of how many people it has accounts."""

    organisation: str
    """Its code; empty: of none."""
    organisation_name: str
    class_name: str
    count: int


def list_classes(session: Session, reach: ColumnElement[bool] | None = None) -> list[ClassSize]:
    """Every class that anybody is in, among the accounts for which `reach` holds."""
    rows = session.execute(
        select(Organisation.code, Organisation.name, Person.class_name, func.count())
        .select_from(Account)
        .join(Person, Person.id == Account.person_id)
        .outerjoin(Organisation, Organisation.id == Account.organisation_id)
        .where(
            Person.class_name.is_not(None),
            Person.class_name != "",
            true() if reach is None else reach,
        )
        .group_by(Organisation.code, Organisation.name, Person.class_name)
        .order_by(Organisation.code, Person.class_name)
    )
    return [
        ClassSize(
            organisation=code or "",
            organisation_name=name or "",
            class_name=class_name or "",
            count=count,
        )
        for code, name, class_name, count in rows
    ]


def of_classes(
    session: Session,
    organisation: str | None,
    classes: Collection[str],
    reach: ColumnElement[bool] | None = None,
) -> Sequence[Account]:
    """The accounts of these classes, or of every one when none is named, as far as `reach` holds.

    Args:
        organisation: its code; empty: of none; None: of any.

    Raises:
        NotFound: there is no such organisation, or nobody is in one of the classes.
    """
    if organisation and not session.scalar(
        select(Organisation.id).where(Organisation.code == organisation)
    ):
        raise NotFound(f"there is no organisation {organisation!r}; see: yuenyan org list")
    found: list[Account] = []
    for class_name in sorted(set(classes)) or (None,):
        wanted = _people().where(
            Person.class_name == class_name
            if class_name
            else func.coalesce(Person.class_name, "") != "",
            _in(organisation),
            true() if reach is None else reach,
        )
        accounts: Sequence[Account] = session.scalars(wanted).all()
        if not accounts:
            place = f" of {organisation}" if organisation else ""
            raise NotFound(f"nobody is in the class {class_name or '(any)'}{place}")
        found += accounts
    return found


def of_names(session: Session, rows: Mapping[str, int]) -> Sequence[Account]:
    """The accounts with these user names, once each; of each its row in the file.

    Raises:
        NotFound: one of them is nobody's; nothing is done for the others then.
    """
    found: dict[int, Account] = {}
    for name, row in rows.items():
        try:
            account = people.get(session, name)
        except NotFound as error:
            raise NotFound(f"row {row}: {error}") from error
        found[account.id] = account
    return list(found.values())


def plan(session: Session, office: Office, accounts: Sequence[Account]) -> Plan:
    """Make up a password for each; nothing is changed.

    Raises:
        Refused: nobody among them can be given a password.
    """
    above = set(session.scalars(select(OfficerLevel.account_id)))
    reasons = {account.id: _reason(account, above) for account in accounts}
    wanted = [account for account in accounts if reasons[account.id] is None]
    if not wanted:
        raise Refused("nobody among them can be given a new password here")
    passwords = [office.passwords.suggest() for _ in wanted]
    with ThreadPoolExecutor(_HASHING) as pool:
        hashes = list(pool.map(office.passwords.hash, passwords))
    slips = [
        Slip(
            account_id=account.id,
            username=account.username,
            full_name=account.full_name,
            class_name=(account.person.class_name or "") if account.person else "",
            organisation=account.organisation.name if account.organisation else "",
            password=password,
            password_hash=hashed,
        )
        for account, password, hashed in zip(wanted, passwords, hashes, strict=True)
    ]
    return Plan(
        slips=sorted(
            slips,
            key=lambda one: (
                one.organisation,
                _natural(one.class_name),
                one.full_name,
                one.username,
            ),
        ),
        left=[
            Left(username=account.username, full_name=account.full_name, reason=reason)
            for account in accounts
            if (reason := reasons[account.id]) is not None
        ],
    )


def carry_out(session: Session, office: Office, planned: Plan, actor: str) -> None:
    """Set the passwords of the slips; each is to be changed by its owner (R14).

    Raises:
        Refused: an account among them has changed meanwhile; none is set then.
    """
    for slip in planned.slips:
        account = session.get(Account, slip.account_id, with_for_update={"of": Account})
        above = {slip.account_id} if officers.levels_of(session, slip.account_id) else set()
        if account is None or _reason(account, above) is not None:
            raise Refused(f"{slip.username} has changed meanwhile; make the slips anew")
        people.set_password(
            session,
            office,
            account.username,
            slip.password_hash,
            actor,
            password=slip.password,
            must_change=True,
        )
    classes = sorted({slip.class_name or "-" for slip in planned.slips})
    audit.record(
        session,
        office.clock(),
        actor,
        "class:passwords_printed",
        ", ".join(classes)[:200],
        count=len(planned.slips),
    )


def _in(organisation: str | None) -> ColumnElement[bool]:
    if organisation is None:
        return true()
    return Organisation.code == organisation if organisation else Organisation.code.is_(None)


def _natural(text: str) -> list[tuple[bool, int, str]]:
    """A key that sorts 1/2 before 1/10."""
    pieces = re.split(r"([0-9]+)", text)
    return [(piece.isdecimal(), int(piece) if piece.isdecimal() else 0, piece) for piece in pieces]


def _people() -> Select[Any]:
    return (
        select(Account)
        .join(Person, Person.id == Account.person_id)
        .outerjoin(Organisation, Organisation.id == Account.organisation_id)
        .order_by(Account.username)
    )


def _reason(account: Account, above: Collection[int]) -> str | None:
    """Why this account gets no new password; None: it gets one."""
    if account.id in above:
        return "officer"  # a list on paper is no way to an admin portal
    if account.origin is not None:
        return "directory"
    if account.kind == "device":
        return "device"
    return None if account.state == "active" else account.state
