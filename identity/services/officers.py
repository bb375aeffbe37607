"""Which levels an account has: granting, taking back, listing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused, UsageError
from db.models import Account, OfficerLevel
from identity.domain.levels import Level, in_order
from identity.office import Office
from identity.services import audit, token_endings
from identity.services.named import account_id_of


def read_level(text: str) -> Level:
    """The level called `text`; UsageError names those there are."""
    try:
        return Level(text.strip().lower().replace("_", "-"))
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not a level; there are: {', '.join(level.value for level in Level)}"
        ) from error


def levels_of(session: Session, account_id: int) -> tuple[Level, ...]:
    """What an account is among the staff; empty for everybody else."""
    held = select(OfficerLevel.level).where(OfficerLevel.account_id == account_id)
    return in_order(session.scalars(held))


def has_level(*levels: Level) -> ColumnElement[bool]:
    """Holds for accounts that have one of `levels`."""
    return Account.id.in_(select(OfficerLevel.account_id).where(OfficerLevel.level.in_(levels)))


def is_officer() -> ColumnElement[bool]:
    """Holds for accounts that have any level."""
    return Account.id.in_(select(OfficerLevel.account_id))


def give(session: Session, office: Office, account: Account, level: Level, actor: str) -> None:
    """Make an account one more thing; nothing happens when it is that already.

    Raises:
        Refused: it is not a person's account.
    """
    if account.kind != "person":
        raise Refused(f"{account.username} is no person's account; only people can be officers")
    if level is Level.SCHOOL and account.organisation_id is None:
        raise Refused(
            f"{account.username} belongs to no organisation, so there is no school to be officer"
            " of; import them with their org (yuenyan user import --update)"
        )
    if level in levels_of(session, account.id):
        return
    # A token that names it is from before it was taken away, and does not wake.
    token_endings.take_level(session, office.clock(), account, level, actor)
    session.add(
        OfficerLevel(
            account_id=account.id, level=level, granted_by=actor, granted_at=office.clock()
        )
    )
    session.flush()


def grant(session: Session, office: Office, name: str, level: Level, actor: str) -> None:
    """Give an account a level, on record.

    Raises:
        NotFound: there is no such account.
        Refused: it is not a person's, or a school officer's without a school.
    """
    account = _get(session, name)
    give(session, office, account, level, actor)
    audit.record(
        session, office.clock(), actor, "officer:granted", account.username, level=level.value
    )


def revoke(session: Session, office: Office, name: str, level: Level, actor: str) -> None:
    """Take a level from an account, and from its tokens for good.

    It is out of those pages at its next request.

    Raises:
        NotFound: there is no such account.
        Refused: it does not have the level, or nobody would be administrator any more.
    """
    account = _get(session, name)
    found = session.get(OfficerLevel, (account.id, level))
    if found is None:
        raise Refused(f"{account.username} is not {level.value}; see: yuenyan officer list")
    if level is Level.ADMIN and not _others(session, account.id):
        raise Refused(
            f"{account.username} is the only administrator; make another first:"
            " yuenyan officer grant NAME admin"
        )
    session.delete(found)
    token_endings.take_level(session, office.clock(), account, level, actor)
    audit.record(
        session, office.clock(), actor, "officer:revoked", account.username, level=level.value
    )


def set_levels(
    session: Session, office: Office, name: str, wanted: Iterable[Level], actor: str
) -> None:
    """Give and take so that the account has exactly `wanted`; each change is on record."""
    account = _get(session, name)
    before, after = set(levels_of(session, account.id)), set(wanted)
    for level in in_order(after - before):
        grant(session, office, account.username, level, actor)
    for level in in_order(before - after):
        revoke(session, office, account.username, level, actor)


def list_officers(session: Session) -> Sequence[tuple[Account, tuple[OfficerLevel, ...]]]:
    """Every account with a level, by name, and how it got each."""
    found: dict[int, list[OfficerLevel]] = {}
    for row in session.scalars(select(OfficerLevel)):
        found.setdefault(row.account_id, []).append(row)
    accounts = session.scalars(
        select(Account).where(Account.id.in_(found)).order_by(Account.username)
    ).unique()
    order = list(Level)
    return [
        (
            account,
            tuple(sorted(found[account.id], key=lambda row: order.index(Level(row.level)))),
        )
        for account in accounts
    ]


def _others(session: Session, account_id: int) -> bool:
    """Whether another active account is administrator."""
    query = select(Account.id).where(
        has_level(Level.ADMIN), Account.id != account_id, Account.state == "active"
    )
    return session.scalar(query.limit(1)) is not None


def _get(session: Session, name: str) -> Account:
    number = account_id_of(session, name)
    account = None if number is None else session.get(Account, number)
    if account is None:
        raise NotFound(f"there is no account {name!r}")
    return account
