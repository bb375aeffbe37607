"""Tokens of programs: made, listed, ended, and proven at each use.

A token is never more than its owner is at that moment: it has those of its levels that the owner
still has, and sees what both see. When it is over: identity.services.token_endings.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused, UsageError
from db.models import Account, ApiToken, Organisation
from identity.domain.api_tokens import LONGEST, SECRET_OCTETS, digest, is_well_formed, spell
from identity.domain.levels import Level, in_order
from identity.office import Office
from identity.services import audit, letters, officers
from identity.services.reach import Reach, reach_of, under
from identity.services.token_endings import State, end, state_of

MOST_NAME = 100
MOST_LIVE = 20
"""Of one officer: more than there are programs in an office, few enough to look through."""
TOLD_EACH = timedelta(hours=1)
"""A program asks every minute; its use is on record once an hour and from each new address."""
NOTED_EACH = timedelta(minutes=1)


class Refusal(StrEnum):
    """Why a token opens nothing. Its bearer is told one sentence for all of them."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"
    OWNER = "owner"
    """The account is suspended, expired, or has none of the token's levels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A token that somebody asks for."""

    name: str
    levels: Sequence[Level]
    days: int
    organisation: str | None = None
    names: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """A token that was proven: for whom it speaks now."""

    token_id: int
    name: str
    account_id: int
    levels: tuple[Level, ...]
    reach: Reach
    names: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDenied:
    """A token that opens nothing, and which it was, when it is one that was made here."""

    refusal: Refusal
    token_id: int | None = None


def create(
    session: Session,
    office: Office,
    owner: Account,
    wanted: Wanted,
    actor: str,
    os_user: str | None = None,
) -> tuple[ApiToken, str]:
    """A new token of `owner`, and its text, which is kept nowhere. An owner who did not make it is
    told by letter.

    Args:
        os_user: who has the shell, at the command line; the token remembers them as its maker.

    Raises:
        UsageError: name, levels or days make no sense.
        NotFound: there is no such organisation.
        Refused: the owner is no active officer, lacks a level, or does not see the organisation.
    """
    name = wanted.name.strip()
    if not name or len(name) > MOST_NAME or not name.isprintable():
        raise UsageError(f"give the token a name of at most {MOST_NAME} characters")
    if not 1 <= wanted.days <= LONGEST.days:
        raise UsageError(f"a token lasts 1 to {LONGEST.days} days")
    held = officers.levels_of(session, owner.id)
    levels = in_order(wanted.levels)
    if not levels:
        raise UsageError("say which levels the token has: one or more of its owner's")
    if not _is_there(owner, office.clock()) or not held:
        raise Refused(f"{owner.username} is no active officer; see: yuenyan officer list")
    missing = [level.value for level in levels if level not in held]
    if missing:
        raise Refused(f"{owner.username} is not {', '.join(missing)}; nor can a token of theirs be")
    if wanted.names and not set(levels) & _REVEALERS:
        raise Refused(
            "none of these levels may unlock names, so the token cannot; leave names out or choose"
            f" from: {', '.join(level.value for level in in_order(_REVEALERS))}"
        )
    now = office.clock()
    live = [row for row in tokens_of(session, owner.id) if state_of(row, now) is State.GOOD]
    if len(live) >= MOST_LIVE:
        raise Refused(f"{owner.username} has {len(live)} tokens; revoke one that is not used")
    if any(row.name == name for row in live):
        raise Refused(f"{owner.username} has a token called {name!r}; revoke it or choose a name")
    text = spell(secrets.token_bytes(SECRET_OCTETS))
    made = ApiToken(
        account_id=owner.id,
        name=name,
        secret_hash=digest(text),
        levels=" ".join(levels),
        organisation_id=_organisation(session, owner, wanted.organisation),
        names=wanted.names,
        created_at=now,
        created_by=os_user or actor,
        expires_at=now + timedelta(days=wanted.days),
    )
    session.add(made)
    session.flush()
    audit.record(
        session,
        now,
        actor,
        "token:created",
        owner.username,
        token=made.id,
        name=name,
        levels=made.levels,
        org=wanted.organisation,
        names=wanted.names,
        days=wanted.days,
        **({} if os_user is None else {"made_by": os_user}),
    )
    if made.created_by != owner.username:
        letters.tell_token_made(session, office, owner, name)
    return made, text


def prove(session: Session, office: Office, text: str) -> Bearer | TokenDenied:
    """For whom a token speaks at this moment, or why it opens nothing."""
    if not is_well_formed(text):
        return TokenDenied(refusal=Refusal.MALFORMED)
    # The index compares digests: how long it takes tells nothing of the token.
    found = session.scalar(select(ApiToken).where(ApiToken.secret_hash == digest(text)))
    if found is None:
        return TokenDenied(refusal=Refusal.UNKNOWN)
    now = office.clock()
    state = state_of(found, now)
    if state is not State.GOOD:
        return TokenDenied(refusal=Refusal(state.value), token_id=found.id)
    owner = session.get(Account, found.account_id)
    if owner is None or not _is_there(owner, now):
        return TokenDenied(refusal=Refusal.OWNER, token_id=found.id)
    held = set(officers.levels_of(session, owner.id))
    levels = in_order(held & set(found.levels.split()))
    if not levels:
        return TokenDenied(refusal=Refusal.OWNER, token_id=found.id)
    reach = reach_of(session, owner)
    if found.organisation_id is not None:
        reach = reach.narrowed(under(session, found.organisation_id))
    return Bearer(
        token_id=found.id,
        name=found.name,
        account_id=owner.id,
        levels=levels,
        reach=reach,
        names=found.names,
    )


def note_use(session: Session, office: Office, token_id: int, username: str, address: str) -> None:
    """Remember when a token was used and from where; on record once an hour and address."""
    found = session.get_one(ApiToken, token_id)
    now = office.clock()
    is_news = (
        found.last_used_at is None
        or found.last_used_from != address
        or now - found.last_used_at >= TOLD_EACH
        or _hour(now) != _hour(found.last_used_at)
    )
    if is_news:
        audit.record(
            session,
            now,
            username,
            "token:used",
            username,
            token=token_id,
            name=found.name,
            address=address,
        )
    found.last_used_at, found.last_used_from = now, address


def is_to_note(session: Session, office: Office, token_id: int, address: str) -> bool:
    """Whether the use of this moment is worth a write: not each of many in a minute is."""
    found = session.get_one(ApiToken, token_id)
    before = found.last_used_at
    if before is None or found.last_used_from != address:
        return True
    now = office.clock()
    return now - before >= NOTED_EACH or _hour(now) != _hour(before)


def revoke(session: Session, office: Office, token_id: int, actor: str) -> ApiToken:
    """End a token; its next use is refused.

    Raises:
        NotFound: there is no such token.
        Refused: it is over already.
    """
    found = get(session, token_id)
    state = state_of(found, office.clock())
    if state is not State.GOOD:
        raise Refused(f"token {token_id} is {state.value} already")
    end(session, office.clock(), found, actor, "revoked")
    return found


def get(session: Session, token_id: int) -> ApiToken:
    """One token; NotFound when there is none."""
    found = session.get(ApiToken, token_id)
    if found is None:
        raise NotFound(f"there is no token {token_id}; see: yuenyan token list")
    return found


def tokens_of(session: Session, account_id: int) -> Sequence[ApiToken]:
    """The tokens of one account, newest first."""
    mine = select(ApiToken).where(ApiToken.account_id == account_id)
    return session.scalars(mine.order_by(ApiToken.id.desc())).all()


def list_tokens(
    session: Session, reach: Reach, *, account_id: int | None = None, limit: int = 500
) -> Sequence[tuple[ApiToken, Account, str | None]]:
    """Tokens, their owners and the code of their organisation, newest first."""
    rows = (
        select(ApiToken, Account, Organisation.code)
        .join(Account, Account.id == ApiToken.account_id)
        .outerjoin(Organisation, Organisation.id == ApiToken.organisation_id)
        .where(reach.accounts())
    )
    if account_id is not None:
        rows = rows.where(ApiToken.account_id == account_id)
    found = session.execute(rows.order_by(ApiToken.id.desc()).limit(limit)).unique()
    return [(token, owner, code) for token, owner, code in found]


_REVEALERS = frozenset({Level.CUSTODIAN, Level.COORDINATOR, Level.SCHOOL})
"""Levels that may unlock names; a test compares it with the table of permissions."""


def was_made_by(session: Session, owner_id: int, username: str, since: datetime) -> bool:
    """Whether `username` has made the owner a token that could be used after `since`."""
    found = select(ApiToken.id).where(
        ApiToken.account_id == owner_id,
        ApiToken.created_by == username,
        ApiToken.expires_at > since,
    )
    return session.scalar(found.limit(1)) is not None


def _organisation(session: Session, owner: Account, code: str | None) -> int | None:
    if code is None:
        return None
    found = session.scalar(select(Organisation.id).where(Organisation.code == code.strip()))
    if found is None:
        raise NotFound(f"there is no organisation {code!r}; see: yuenyan org list")
    if not reach_of(session, owner).covers(found):
        raise Refused(f"{owner.username} does not see {code}; nor can a token of theirs")
    return found


def _is_there(owner: Account, now: datetime) -> bool:
    return (
        owner.kind == "person"
        and owner.state == "active"
        and (owner.expires_at is None or owner.expires_at > now)
    )


def _hour(moment: datetime) -> tuple[int, ...]:
    return moment.timetuple()[:4]
