"""Orders that records be kept beyond their time (R39): made, listed and ended, never deleted.

Which segments and rows a hold covers is traffic.keeping's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused, UsageError
from db.models import Account, Hold
from identity.domain.levels import Level
from identity.office import Office
from identity.services import audit, people
from identity.services.officers import levels_of

LONGEST = timedelta(days=730)
"""Section 26: up to two years from the entry of the data, for one occasion."""

REMIND = timedelta(days=30)
"""Before the end: time to ask the authority whether it wants more."""

APPROVERS = frozenset({Level.CUSTODIAN, Level.COORDINATOR, Level.AUDITOR})
"""Levels of those who may approve a hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHold:
    """What an order says."""

    authority: str
    document: str
    from_at: datetime
    to_at: datetime
    until_at: datetime
    reason: str
    approved_by: str
    account: str | None = None
    address: str | None = None


def make(session: Session, office: Office, new: NewHold, actor: str) -> Hold:
    """Enter an order; it is in force from now on.

    Raises:
        UsageError: a time or an address makes no sense.
        Refused: it reaches further than the law lets an order reach, or nobody else approved it.
        NotFound: there is no such account.
    """
    now = office.clock()
    _check_texts(new)
    _check_times(new, now, office.config.site.timezone)
    account = None if new.account is None else people.get(session, new.account)
    approver = people.get(session, new.approved_by)
    if not APPROVERS & set(levels_of(session, approver.id)) or approver.state != "active":
        raise Refused(
            f"{approver.username} cannot approve a hold; name an active custodian, coordinator or"
            " auditor"
        )
    if approver.username == actor:
        raise Refused("nobody approves the own hold; another officer has to")
    hold = Hold(
        authority=new.authority.strip(),
        document=new.document.strip(),
        from_at=new.from_at,
        to_at=new.to_at,
        account_id=None if account is None else account.id,
        address=None if new.address is None else _address(new.address),
        reason=new.reason.strip(),
        until_at=new.until_at,
        approved_by=approver.username,
        created_at=now,
        created_by=actor,
    )
    session.add(hold)
    session.flush()
    audit.record(
        session,
        now,
        actor,
        "hold:made",
        f"hold {hold.id}",
        authority=hold.authority,
        document=hold.document,
        from_at=hold.from_at.isoformat(),
        to_at=hold.to_at.isoformat(),
        until_at=hold.until_at.isoformat(),
        account=None if account is None else account.username,
        address=hold.address,
        reason=hold.reason,
        approved_by=hold.approved_by,
    )
    return hold


def end(session: Session, office: Office, hold_id: int, reason: str, actor: str) -> Hold:
    """Let go before its time, because the authority says so.

    Raises:
        NotFound: there is no such hold.
        Refused: it was ended before.
        UsageError: no reason is given.
    """
    hold = session.get(Hold, hold_id)
    if hold is None:
        raise NotFound(f"there is no hold {hold_id}; see: yuenyan hold list")
    if hold.ended_at is not None:
        raise Refused(f"hold {hold_id} was ended at {hold.ended_at.isoformat()}")
    if not reason.strip():
        raise UsageError("say why the hold ends, such as the number of the letter")
    now = office.clock()
    hold.ended_at, hold.ended_by, hold.end_reason = now, actor, reason.strip()
    audit.record(
        session,
        now,
        actor,
        "hold:ended",
        f"hold {hold.id}",
        document=hold.document,
        reason=hold.end_reason,
    )
    return hold


def list_holds(session: Session) -> Sequence[tuple[Hold, str | None]]:
    """(hold, user name of its account), newest first, those that are over included."""
    rows = session.execute(
        select(Hold, Account.username)
        .outerjoin(Account, Account.id == Hold.account_id)
        .order_by(Hold.id.desc())
    )
    return [(hold, username) for hold, username in rows]


def not_ended(session: Session) -> Sequence[Hold]:
    """Holds that nobody has ended; whether their time is over is not looked at."""
    return session.scalars(select(Hold).where(Hold.ended_at.is_(None)).order_by(Hold.id)).all()


def state_of(hold: Hold, now: datetime) -> str:
    """in force | ending | over | ended, by the clock."""
    if hold.ended_at is not None:
        return "ended"
    if hold.until_at <= now:
        return "over"
    return "ending" if hold.until_at - now <= REMIND else "in force"


def _check_texts(new: NewHold) -> None:
    for name in ("authority", "document", "reason"):
        if not getattr(new, name).strip():
            raise UsageError(f"a hold needs its {name}")
    if new.account is not None and new.address is not None:
        raise UsageError("a hold covers an account, an address or everything; make two holds")


def _check_times(new: NewHold, now: datetime, zone: str) -> None:
    if new.from_at > new.to_at:
        raise UsageError("the period of a hold ends before it begins")
    if new.until_at <= now:
        raise UsageError("the hold would be over already; give --until in the future")
    if new.until_at > new.to_at + LONGEST:
        latest = (new.to_at + LONGEST).astimezone(ZoneInfo(zone))
        raise Refused(
            "records may be held for two years from their entry at most: until "
            f"{latest.isoformat(timespec='minutes')} for this period"
        )


def _address(text: str) -> str:
    try:
        return str(ip_address(text.strip()))
    except ValueError as error:
        raise UsageError(f"{text!r} is not an IP address") from error
