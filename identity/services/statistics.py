"""How much the network was used in a month, by organisation and role; groups only (R75).

Whole months alone, so that no two reports overlap by all but a day.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from common.errors import UsageError
from db.models import Account, NetworkSession, Organisation, Role
from identity.domain.suppression import Cell

_BUDDHIST_ERA, _FIRST_BUDDHIST = 543, 2400


def month_span(text: str, zone: str) -> tuple[datetime, datetime]:
    """Begin and end of a month written like 2026-11 or 2569-11.

    Raises:
        UsageError: it is none.
    """
    year, _, month = text.strip().partition("-")
    if not (year.isascii() and year.isdigit() and len(year) == 4 and month.isdigit()):
        raise UsageError(f"{text!r} is not a month; write it like 2026-11 or 2569-11")
    number = int(year) - (_BUDDHIST_ERA if int(year) >= _FIRST_BUDDHIST else 0)
    try:
        begin = datetime(number, int(month), 1, tzinfo=ZoneInfo(zone))
    except ValueError as error:
        raise UsageError(f"{text!r} is not a month; write it like 2026-11 or 2569-11") from error
    end = (begin + timedelta(days=32)).replace(day=1)
    return begin, end


def count_usage(session: Session, begin: datetime, end: datetime) -> list[Cell]:
    """People, sessions and volume of the sessions that began in the span."""
    statement = (
        select(
            func.coalesce(Organisation.name, ""),
            Role.name,
            func.count(func.distinct(NetworkSession.account_id)),
            func.count(),
            func.sum(NetworkSession.input_octets + NetworkSession.output_octets),
        )
        .join(Account, Account.id == NetworkSession.account_id)
        .join(Role, Role.id == Account.role_id)
        .outerjoin(Organisation, Organisation.id == Account.organisation_id)
        .where(NetworkSession.started_at >= begin, NetworkSession.started_at < end)
        .group_by(Organisation.name, Role.name)
    )
    return [
        Cell(group=(organisation, role), people=people, sessions=sessions, octets=int(octets or 0))
        for organisation, role, people, sessions, octets in session.execute(statement)
    ]
